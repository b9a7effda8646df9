/** What the user can do after a world could not be saved. Pure. */

/**
 * @typedef {"signIn" | "compare" | "saveAs" | "retry" | "download"} Step
 */

/** Steps by status; the first one is proposed. */
const STEPS = {
  400: ["saveAs", "download"],
  401: ["signIn", "download"],
  403: ["signIn", "saveAs", "download"],
  404: ["saveAs", "download"],
  409: ["saveAs", "retry", "download"],
  412: ["compare", "saveAs"],
  413: ["download"],
  414: ["saveAs", "download"],
  415: ["download"],
  422: ["download"],
  423: ["retry", "saveAs", "download"],
};

/** Answers of a server, or of the network, that a later attempt can change. */
const OTHERS = ["retry", "saveAs", "download"];

/**
 * @param {number | undefined} status 0 if there is no answer; undefined if nothing was sent
 * @returns {Step[]}
 */
export function nextSteps(status) {
  return status === undefined ? ["download"] : STEPS[status] ?? OTHERS;
}

/** The message above the steps, as sentences. */
export function faultText({ status, message }) {
  const reason = /[.!?]$/.test(message) ? message : `${message}.`;
  const advice = status === 413 ? " Shorten the text, or save a part of it." : "";
  return `Not saved. ${reason}${advice} Your text stays here.`;
}
