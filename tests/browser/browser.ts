// deno-lint-ignore-file no-import-prefix -- lib/deps/ is for packages that the server loads
/** Debian's Chromium without windows, driven by Playwright. */

import {
  type Browser,
  type BrowserContext,
  type BrowserContextOptions,
  chromium,
  type Page,
} from "npm:playwright-core@1.65.1";

export type { Browser, BrowserContext, Page };

/**
 * The browser without the windows and menus of `chromium --headless`, which are pages of their own in
 * Chromium 156 and took half of the processor time of these tests.
 */
const NAME = "chromium-headless-shell";
const EXECUTABLE = `/usr/bin/${NAME}`;
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

/**
 * After this time, in milliseconds, a test gives up waiting for a state of a page. It limits no speed: on a
 * computer that runs other tests, a page can take 20 s to show 5 MiB.
 */
const GIVE_UP_MS = 60_000;

/** Starts the browser. @throws if it is not installed */
export async function startBrowser(): Promise<Browser> {
  try {
    await Deno.stat(EXECUTABLE);
  } catch {
    throw new Error(
      `Cannot start the browser: ${EXECUTABLE} is missing; run apt-get install ${NAME}`,
    );
  }
  return await chromium.launch({ executablePath: EXECUTABLE, args: FLAGS });
}

/** A page and the messages of its console. */
export interface OpenedPage {
  readonly page: Page;
  /** Errors and warnings of the console, and uncaught exceptions, in order. */
  readonly messages: string[];
}

/** Opens a page in a new browser context, with its own session and storage. */
export async function openPage(
  browser: Browser,
  options: BrowserContextOptions = {},
): Promise<OpenedPage> {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, ...options });
  context.setDefaultTimeout(GIVE_UP_MS);
  const page = await context.newPage();
  const messages: string[] = [];
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") messages.push(message.text());
  });
  page.on("pageerror", (error) => messages.push(String(error)));
  // From here on, Playwright takes each file chooser. If a test only waits for one, Playwright does not
  // wait for the browser, and a key that follows can open the chooser before (11 of 30 times under load).
  page.on("filechooser", () => {});
  return { page, messages };
}

/**
 * Waits until an expression is true in the page or frame. The page's policy forbids what `waitForFunction`
 * does from the second attempt on.
 *
 * @throws after `GIVE_UP_MS`
 */
export async function untilTrue(
  page: Pick<Page, "evaluate" | "waitForTimeout">,
  expression: string,
): Promise<void> {
  const end = performance.now() + GIVE_UP_MS;
  while (performance.now() < end) {
    if (await page.evaluate(`Boolean(${expression})`)) return;
    await page.waitForTimeout(50);
  }
  throw new Error(`Cannot continue: the page never had ${expression}`);
}
