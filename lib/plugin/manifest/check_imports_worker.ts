/**
 * Entry of the Worker that parses long sources: a text comes in, what is wrong with it goes out. It
 * holds nothing and runs nothing of what it reads.
 */

import { checkImports } from "./check_imports.ts";

addEventListener("message", (event) => {
  const text: unknown = Reflect.get(event, "data");
  const post: unknown = Reflect.get(globalThis, "postMessage");
  if (typeof text === "string" && typeof post === "function") {
    post({ fault: checkImports(text) ?? null });
  }
});
