/**
 * Removes secrets from the text of a backend before it is passed on: some services quote the key, or
 * parts of it, in their error messages.
 */

/** Parts of the key of at least this many characters are removed. */
const SHARED_CHARACTERS = 8;
const MAX_TEXT = 300;
const KEY_LIKE = /\b(?:sk|pk|rk|gsk|xai)[-_][\w*.-]{6,}/g;

/**
 * One line of at most 300 characters, without the key, parts of it, and anything that looks like a
 * key of the well-known services.
 *
 * @param key the key of the backend; undefined if there is none
 */
export function redactSecrets(text: string, key: string | undefined): string {
  const start = text.slice(0, 4 * MAX_TEXT);
  const redacted = (key === undefined ? start : redactKey(start, key)).replace(KEY_LIKE, "***");
  // deno-lint-ignore no-control-regex -- control characters are replaced
  const line = redacted.replace(/[\s\u0000-\u001f\u007f-\u009f]+/g, " ").trim();
  return line.length <= MAX_TEXT ? line : `${line.slice(0, MAX_TEXT)}…`;
}

function redactKey(text: string, key: string): string {
  const hidden = new Set<number>();
  const length = Math.min(SHARED_CHARACTERS, key.length);
  for (let at = 0; at + length <= text.length; at++) {
    if (!key.includes(text.slice(at, at + length))) continue;
    for (let next = at; next < at + length; next++) hidden.add(next);
  }
  let result = "";
  for (let at = 0; at < text.length; at++) {
    if (!hidden.has(at)) result += text[at];
    else if (!hidden.has(at - 1)) result += "***";
  }
  return result;
}
