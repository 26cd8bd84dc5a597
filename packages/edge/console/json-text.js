/**
 * Indents JSON text without parsing it, so that big integers, the form of numbers and the order of keys stay
 * as they were sent.
 */

const INDENT = '  '
const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/gs

/** `text` with one value per line. Text that is not JSON comes back with its white space changed at most. */
export function prettyJson(text) {
  const tokens = text.match(TOKEN) ?? []
  let depth = 0
  let out = ''
  tokens.forEach((token, index) => {
    if (token === '{' || token === '[') {
      out += token
      if (!closes(tokens[index + 1])) out += newLine(++depth)
      else depth++
    } else if (closes(token)) {
      depth = Math.max(0, depth - 1)
      out += opens(tokens[index - 1]) ? token : newLine(depth) + token
    } else if (token === ',') out += ',' + newLine(depth)
    else if (token === ':') out += ': '
    else out += token
  })
  return out
}

function opens(token) {
  return token === '{' || token === '['
}

function closes(token) {
  return token === '}' || token === ']'
}

function newLine(depth) {
  return '\n' + INDENT.repeat(depth)
}
