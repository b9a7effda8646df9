/**
 * `acorn` 8.19.0, MIT licence, no dependencies: the JavaScript parser with which an approval finds the
 * imports of a plugin.
 */

export { parse as parseJavaScript } from "npm:acorn@8.19.0";
export type { Node as SyntaxNode } from "npm:acorn@8.19.0";
