/**
 * Third-party package, named here alone: `main.ts` runs from a bare URL, where no import map is read,
 * so the specifier is complete. One file a package, so that a Worker loads what it uses and no more.
 */

export { parse as parseJavaScript } from "npm:acorn@8.19.0";
export type { Node as SyntaxNode } from "npm:acorn@8.19.0";
