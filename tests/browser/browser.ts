// deno-lint-ignore-file no-import-prefix -- lib/deps.ts is what machines download; none drives a browser
/**
 * Debian's Chromium under Playwright, and what every test wants of a page: that nothing was said on
 * its console.
 */

import {
  type Browser,
  type BrowserContextOptions,
  chromium,
  type Page,
} from "npm:playwright-core@1.65.1";

const EXECUTABLE = "/usr/bin/chromium";
const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** Starts the browser; says what to install when there is none. */
export async function startBrowser(): Promise<Browser> {
  try {
    await Deno.stat(EXECUTABLE);
  } catch {
    throw new Error(
      `Cannot test in a browser: ${EXECUTABLE} is missing; apt-get install chromium brings it`,
    );
  }
  return await chromium.launch({ executablePath: EXECUTABLE, args: FLAGS });
}

/** A page and what its console said. */
export interface Watched {
  readonly page: Page;
  /** Errors and warnings of the console, and uncaught exceptions, in order. */
  readonly said: string[];
}

/** Opens a page in a context of its own, that is with a session and storage of its own. */
export async function openPage(
  browser: Browser,
  options: BrowserContextOptions = {},
): Promise<Watched> {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, ...options });
  context.setDefaultTimeout(15_000);
  const page = await context.newPage();
  const said: string[] = [];
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") said.push(message.text());
  });
  page.on("pageerror", (error) => said.push(String(error)));
  return { page, said };
}

/**
 * Lets something happen, and fails when it took longer.
 *
 * @param ms milliseconds
 */
export async function within(ms: number, happen: () => Promise<void>): Promise<void> {
  const start = performance.now();
  await happen();
  const took = performance.now() - start;
  if (took > ms) throw new Error(`It took ${Math.round(took)} ms, and ${ms} ms is the most`);
}
