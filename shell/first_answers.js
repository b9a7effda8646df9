/**
 * The answers that came with the page, for its first requests. Each is used once, and only for what the
 * page shows first: later, and with the credential of this tab, the server is asked.
 */

/** @type {Map<string, unknown> | undefined} */
let answers;

/** Takes the answer to a GET of a path; undefined if the server must be asked. */
export function takeFirstAnswer(path) {
  answers ??= readAnswers();
  const found = answers.get(path);
  answers.delete(path);
  return found;
}

/** Drops all answers: what they say is no longer new. */
export function dropFirstAnswers() {
  answers = new Map();
}

function readAnswers() {
  const node = document.getElementById("first");
  try {
    return new Map(Object.entries(JSON.parse(node?.textContent ?? "{}")));
  } catch {
    return new Map();
  }
}
