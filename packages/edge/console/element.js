/* global document */
/** Makes elements. Text from outside becomes text, never markup. */

/** An element with text and class. */
export function element(tag, text = '', className = '') {
  const made = document.createElement(tag)
  if (text !== '') made.textContent = text
  if (className !== '') made.className = className
  return made
}

/** Has a `time` element show the time of day, with milliseconds. */
export function showTime(time, at) {
  const two = (number) => String(number).padStart(2, '0')
  const milliseconds = String(at.getMilliseconds()).padStart(3, '0')
  time.textContent = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}.${milliseconds}`
  time.dateTime = at.toISOString()
}
