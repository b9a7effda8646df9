/**
 * Main module of the Worker that checks long sources. It receives a text and posts the fault, or
 * null. It must not execute the source.
 */

import { checkImports } from "./check_imports.ts";

addEventListener("message", (event) => {
  const text: unknown = Reflect.get(event, "data");
  const post: unknown = Reflect.get(globalThis, "postMessage");
  if (typeof text === "string" && typeof post === "function") {
    post({ fault: checkImports(text) ?? null });
  }
});
