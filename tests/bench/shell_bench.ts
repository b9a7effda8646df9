/**
 * The first visit to the shell in Debian's Chromium: bytes, and milliseconds until the page is complete,
 * compared with a page of one line from a constant server in the same run.
 *
 * `deno run -A tests/bench/shell_bench.ts`
 */

import { openPage, startBrowser } from "../browser/browser.ts";
import { startBrowserServer } from "../browser/browser_server.ts";
import { median, report } from "./report.ts";

const ROUNDS = 15;
const PAGES = {
  "home": "/",
  "collection": "/home/notes/",
  "Markdown world": "/home/notes/plan.md",
  "HTML world": "/home/hello",
};

/** Runs in the page first: stores the time when the main element is complete. */
const WATCH = `{
  const look = () => {
    const main = document.querySelector("main:not([aria-busy])");
    if (main?.firstElementChild) globalThis.shownAt = performance.now();
    else requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}`;

const browser = await startBrowser();
const server = await startBrowserServer();
const page = "<!doctype html><title>x</title><main><p>one line</p></main>";
const constant = Deno.serve(
  { port: 0, hostname: "127.0.0.1", onListen() {} },
  () => new Response(page, { headers: { "content-type": "text/html" } }),
);
try {
  await server.put("/home/hello", "<h1>I am alive</h1>");
  await server.put("/home/notes/plan.md", "# A plan\n\n- one\n- two\n");
  const limit = await measurePage(`http://127.0.0.1:${constant.addr.port}/`);
  report({ what: "a page of one line, until it is shown", found: limit.ms, unit: "ms" });
  for (const [what, path] of Object.entries(PAGES)) {
    const { ms, bytes } = await measurePage(server.url + path);
    report({ what: `${what}, first visit, until complete`, found: ms, unit: "ms", aim: "<= 100" });
    report({ what: `${what}, weight`, found: bytes / 1024, unit: "KiB", aim: "<= 60" });
  }
} finally {
  await browser.close();
  await server.stop();
  await constant.shutdown();
}

/** Opens a page in new browser contexts, without a cache. Returns medians. */
async function measurePage(url: string): Promise<{ readonly ms: number; readonly bytes: number }> {
  const times: number[] = [];
  let bytes = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const { page } = await openPage(browser);
    await page.addInitScript(WATCH);
    await page.goto(url);
    let shown: unknown;
    while (typeof (shown = await page.evaluate("globalThis.shownAt")) !== "number") {
      await page.waitForTimeout(10);
    }
    times.push(shown);
    bytes = Number(
      await page.evaluate(`performance.getEntriesByType("resource")
      .filter(({ name }) => name.includes("/usr/lib/shell/"))
      .reduce((sum, { encodedBodySize }) => sum + encodedBodySize,
        performance.getEntriesByType("navigation")[0].encodedBodySize)`),
    );
    await page.context().close();
  }
  return { ms: median(times), bytes };
}
