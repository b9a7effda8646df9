/**
 * Visits to the shell in Debian's Chromium: how long they take as multiples of a page of one line of
 * the same server, and what they transfer. The page of one line is visited directly before each of
 * them: a ratio compares two visits of the same seconds, so that other work on the computer changes
 * both. A cold visit has an empty cache; a warm one
 * follows it. A page is complete at the end of its load event. Its content is visible in the frame
 * after the main element has it.
 *
 * `deno run -A --no-lock tests/bench/shell_bench.ts [rounds]`
 */

import {
  type Browser,
  type BrowserContext,
  openPage,
  type Page,
  startBrowser,
} from "../browser/browser.ts";
import { type BrowserServer, startBrowserServer } from "../browser/browser_server.ts";
import { CountingProxy } from "./counting_proxy.ts";
import { median, report } from "./report.ts";

const ROUNDS = Number(Deno.args[0] ?? 15);
const ONE_LINE = "/home/one-line?raw";
const PAGES: Readonly<Record<string, string>> = {
  "home": "/",
  "collection": "/home/notes/",
  "Markdown world": "/home/notes/plan.md",
  "text world": "/home/notes/text.txt",
  "HTML world": "/home/hello",
};
/** 150 ms for a round trip and 1.6 Mbit/s, as a phone has them. */
const PHONE = {
  offline: false,
  latency: 150,
  downloadThroughput: 200_000,
  uploadThroughput: 94_000,
};
/** Runs in the page first: stores the time when the content of the main element is visible. */
const WATCH = `{
  const look = () => {
    const main = document.querySelector("main:not([aria-busy])");
    if (main?.firstElementChild) globalThis.shownAt = performance.now();
    else requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}`;
/** Evaluates to both times as soon as there are both. */
const TIMES = `{
  const { loadEventEnd } = performance.getEntriesByType("navigation")[0];
  loadEventEnd > 0 && globalThis.shownAt > 0 ? [loadEventEnd, globalThis.shownAt] : null;
}`;

/** Milliseconds of the rounds of one page, and their multiples of the page of one line. */
class Times {
  readonly complete: number[] = [];
  readonly visible: number[] = [];
  readonly completeRatios: number[] = [];
  readonly visibleRatios: number[] = [];

  add([complete, visible]: [number, number], [baseComplete, baseVisible]: [number, number]): void {
    this.complete.push(complete);
    this.visible.push(visible);
    this.completeRatios.push(complete / baseComplete);
    this.visibleRatios.push(visible / baseVisible);
  }
}

const browser = await startBrowser();
const server = await startBrowserServer();
try {
  await fill(server);
  await measureTimes("on this computer", browser, server);
  await measureTimes("150 ms and 1.6 Mbit/s", browser, server, PHONE);
  await measureWeights(browser, server);
} finally {
  await browser.close();
  await server.stop();
}

async function fill(server: BrowserServer): Promise<void> {
  await server.put(
    "/home/one-line",
    "<!doctype html><title>x</title><main><p>one line</p></main>",
    {
      "content-type": "text/html",
    },
  );
  await server.put("/home/hello", "<h1>I am alive</h1>");
  await server.put("/home/notes/plan.md", "# A plan\n\n- one\n- two\n");
  await server.put("/home/notes/text.txt", "some text\n".repeat(100));
}

async function measureTimes(
  network: string,
  browser: Browser,
  server: BrowserServer,
  conditions?: typeof PHONE,
): Promise<void> {
  const found = Object.keys(PAGES).map((what) => ({ what, cold: new Times(), warm: new Times() }));
  // The first round starts processes of the browser and is not counted.
  for (let round = 0; round <= ROUNDS; round++) {
    for (const { what, ...times } of found) {
      const base = await visitTwice(browser, server.url + ONE_LINE, conditions);
      const visits = await visitTwice(browser, server.url + PAGES[what], conditions);
      if (round === 0) continue;
      times.cold.add(visits.cold, base.cold);
      times.warm.add(visits.warm, base.warm);
    }
  }
  for (const { what, cold, warm } of found) {
    for (const [cache, times] of Object.entries({ cold, warm })) {
      const isCold = cache === "cold";
      for (const part of ["complete", "visible"] as const) {
        const line = `${what}, ${cache}, ${network}, until ${part}`;
        if (conditions === undefined) {
          const aim = { complete: isCold ? 2.5 : 2, visible: isCold ? 3.3 : 2.6 }[part];
          const ratios = part === "complete" ? times.completeRatios : times.visibleRatios;
          report({ what: line, found: median(ratios), unit: "x", aim: `<= ${aim}` });
        } else {
          const aim = part === "visible" ? { aim: isCold ? "<= 950" : "<= 700" } : {};
          report({ what: line, found: median(times[part]), unit: "ms", ...aim });
        }
      }
    }
  }
}

/** Visits a page with an empty cache, and then once more. */
async function visitTwice(
  browser: Browser,
  url: string,
  conditions?: typeof PHONE,
): Promise<{ cold: [number, number]; warm: [number, number] }> {
  const { page } = await openPage(browser);
  try {
    const cold = await visit(page.context(), url, conditions);
    return { cold, warm: await visit(page.context(), url, conditions) };
  } finally {
    await page.context().close();
  }
}

/** Visits a page in a new tab. Returns milliseconds until it is complete, and until it is visible. */
async function visit(
  context: BrowserContext,
  url: string,
  conditions?: typeof PHONE,
): Promise<[number, number]> {
  const page = await context.newPage();
  try {
    if (conditions !== undefined) {
      const session = await context.newCDPSession(page);
      await session.send("Network.enable");
      await session.send("Network.emulateNetworkConditions", conditions);
    }
    await page.addInitScript(WATCH);
    await page.goto(url);
    return await readTimes(page);
  } finally {
    await page.close();
  }
}

async function readTimes(page: Page): Promise<[number, number]> {
  for (;;) {
    const times: unknown = await page.evaluate(TIMES);
    if (Array.isArray(times)) return [Number(times[0]), Number(times[1])];
    await page.waitForTimeout(10);
  }
}

/** Counts requests and received bytes, headers included, between the browser and the server. */
async function measureWeights(browser: Browser, server: BrowserServer): Promise<void> {
  const counter = new CountingProxy(new URL(server.url));
  try {
    for (const [what, path] of Object.entries(PAGES)) {
      const { page } = await openPage(browser);
      for (const cache of ["cold", "warm"] as const) {
        const before = { ...counter.counts };
        await visit(page.context(), counter.url + path);
        await counter.idle();
        const isCold = cache === "cold";
        report({
          what: `${what}, ${cache}, requests`,
          found: counter.counts.requests - before.requests,
          unit: "",
          aim: isCold ? "<= 14" : "<= 8",
        });
        report({
          what: `${what}, ${cache}, weight`,
          found: (counter.counts.bytes - before.bytes) / 1024,
          unit: "KiB",
          aim: isCold ? "<= 60" : "<= 12",
        });
      }
      await page.context().close();
    }
  } finally {
    counter.close();
  }
}
