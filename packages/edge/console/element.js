/* global document */
/** Makes elements. Text from outside becomes text, never markup. */

/** An element with text and class. */
export function element(tag, text = '', className = '') {
  const made = document.createElement(tag)
  if (text !== '') made.textContent = text
  if (className !== '') made.className = className
  return made
}

/** The time of day, with milliseconds. */
export function clock(at) {
  const two = (number) => String(number).padStart(2, '0')
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}.${String(at.getMilliseconds()).padStart(3, '0')}`
}

/** A `time` element that shows the time of day. */
export function timeElement(at) {
  const made = element('time', clock(at))
  made.dateTime = at.toISOString()
  return made
}
