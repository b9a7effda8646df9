/**
 * `jsonc-parser` 3.3.1, MIT licence, no dependencies: the scanner of JSON with the position of each
 * token, for changes of a document that keep the rest of its text. Its `modify` is not used: it parses
 * the whole text for each change and recurses for each level.
 */

export { createScanner as createJsonScanner } from "npm:jsonc-parser@3.3.1";
export type { JSONScanner as JsonScanner } from "npm:jsonc-parser@3.3.1";
