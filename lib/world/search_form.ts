/** Which callers a text of the search index is for. */
export const FORM = {
  /** All callers that can read the world. */
  all: 0,
  /** Callers below T3, from which secrets are hidden. */
  redacted: 1,
  /** T3, if other callers get a redacted form. */
  original: 2,
} as const;
