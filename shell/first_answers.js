/**
 * The answers that came with the page, for its first requests. Each is used once, and only for what the
 * page shows first: later, and with the credential of this tab, the server is asked.
 */

/** @type {Map<string, unknown> | undefined} */
let answers;

/**
 * Takes the answer to a request; undefined if the server must be asked.
 *
 * @param {string} method GET or OPTIONS
 * @param {string} path
 * @returns {Response | undefined}
 */
export function takeFirstAnswer(method, path) {
  answers ??= readAnswers();
  const key = method === "GET" ? path : `${method} ${path}`;
  const found = answers.get(key);
  answers.delete(key);
  if (found === undefined) return undefined;
  if (method !== "GET") return new Response(null, { headers: { allow: String(found) } });
  // A real content is read in a task of its own, and the content of the page would wait for it.
  return Object.assign(new Response(), {
    json: () => Promise.resolve(found),
    text: () => Promise.resolve(JSON.stringify(found)),
  });
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
