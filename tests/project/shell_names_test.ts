import { assertEquals } from "../support/assert.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
/** What a browser has and Deno has not. */
const OF_BROWSERS = new Set((
  "document history CSS innerHeight innerWidth Highlight scrollTo scrollBy requestAnimationFrame " +
  "cancelAnimationFrame matchMedia getSelection StaticRange NodeFilter KeyboardEvent " +
  "IntersectionObserver ResizeObserver MutationObserver HTMLInputElement HTMLElement Element Node " +
  "devicePixelRatio visualViewport HTMLIFrameElement XMLHttpRequest CSSStyleSheet InputEvent " +
  "MouseEvent PointerEvent DOMParser Image scrollY scrollX open getComputedStyle Range Text"
).split(" "));

Deno.test("each name that a module of the shell uses is defined, imported, or one of browsers", async () => {
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["lint", "--json", "--rules-include=no-undef", "shell"],
    cwd: ROOT,
  }).output();
  const { diagnostics } = JSON.parse(new TextDecoder().decode(stdout));
  const unknown = diagnostics.filter(({ code }: { code: string }) => code === "no-undef")
    .map((
      { message, filename, range }: Diagnostic,
    ) => [message.split(" ")[0], `${filename}:${range.start.line}`])
    .filter(([name]: [string]) => !OF_BROWSERS.has(name));
  assertEquals(unknown, []);
});

interface Diagnostic {
  readonly message: string;
  readonly filename: string;
  readonly range: { readonly start: { readonly line: number } };
}
