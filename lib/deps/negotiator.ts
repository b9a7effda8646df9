/**
 * Third-party package, named here alone: `main.ts` runs from a bare URL, where no import map is read,
 * so the specifier is complete. One file a package, so that a Worker loads what it uses and no more.
 */

// @ts-types="npm:@types/negotiator@0.6.5"
export { default as Negotiator } from "npm:negotiator@1.1.0";
