/**
 * Third-party package, named here alone: `main.ts` runs from a bare URL, where no import map is read,
 * so the specifier is complete. One file a package, so that a Worker loads what it uses and no more.
 */

export { XMLParser, XMLValidator } from "npm:fast-xml-parser@5.12.1";
