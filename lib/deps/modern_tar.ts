/**
 * Third-party package, named here alone: `main.ts` runs from a bare URL, where no import map is read,
 * so the specifier is complete. One file a package, so that a Worker loads what it uses and no more.
 */

export { createTarDecoder, createTarPacker } from "npm:modern-tar@0.8.6";
