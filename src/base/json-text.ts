/** JSON as files have it: some editors begin them with a byte order mark, which is no part of it. Throws a SyntaxError, as JSON.parse does. */
export function parseJsonText(text: string): unknown {
  return JSON.parse(text.replace(/^\uFEFF/, ''));
}
