/**
 * The one place where a third-party package gets its name and version. `main.ts` runs from a bare
 * URL, where no import map is read, so every specifier is complete. Nothing here may be configured
 * or wrapped: a room that needs a library imports it from this file and keeps its use to itself.
 */

export { Hono } from "npm:hono@4.13.19";
export type { Context } from "npm:hono@4.13.19";
// @ts-types="npm:@types/negotiator@0.6.5"
export { default as Negotiator } from "npm:negotiator@1.1.0";
// @ts-types="npm:@types/range-parser@1.2.7"
export { default as parseRange } from "npm:range-parser@1.3.0";
export { default as mime } from "npm:mime@4.1.2";
export { parse as parseJavaScript } from "npm:acorn@8.19.0";
export type { Node as SyntaxNode } from "npm:acorn@8.19.0";
