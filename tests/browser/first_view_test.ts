/** What the shell leaves out of a first view, because it would make the content wait. */

import { assertEquals } from "../support/assert.ts";
import { openPage, startBrowser, untilTrue } from "./browser.ts";
import { startBrowserServer } from "./browser_server.ts";

/** Runs in the page first: notes each use of the data of a language until the content is shown. */
const WATCH = `{
  globalThis.used = [];
  const isBusy = () => document.querySelector("main:not([aria-busy]) > *") === null;
  const watch = (prototype, method) => {
    const original = prototype[method];
    prototype[method] = function (...rest) {
      if (isBusy()) used.push(method);
      return original.apply(this, rest);
    };
  };
  watch(Date.prototype, "toLocaleString");
  watch(Number.prototype, "toLocaleString");
  watch(String.prototype, "localeCompare");
  for (const name of ["Collator", "DateTimeFormat", "NumberFormat", "RelativeTimeFormat"]) {
    Intl[name] = new Proxy(Intl[name], {
      construct(target, rest) {
        if (isBusy()) used.push(name);
        return new target(...rest);
      },
    });
  }
}`;

Deno.test("a first view loads no data of a language, and times still have their title", async (t) => {
  const browser = await startBrowser();
  const server = await startBrowserServer();
  try {
    await server.put("/home/first/plan.md", "# A plan\n");
    await server.put("/home/first/text.txt", "some text\n");
    await server.put("/home/first/page", "<h1>Hello</h1>");
    await server.put("/home/first/table.csv", "a,b\n1,2\n");
    for (
      const path of ["", "plan.md", "text.txt", "page", "table.csv"].map((name) =>
        `/home/first/${name}`
      ).concat("/")
    ) {
      await t.step(path, async () => {
        const { page } = await openPage(browser);
        await page.addInitScript(WATCH);
        await page.goto(server.url + path);
        await untilTrue(page, `document.querySelector("main:not([aria-busy]) > *") !== null`);
        assertEquals(await page.evaluate("used"), []);
        const time = page.locator("main time:not([data-at])").first();
        await time.hover();
        await untilTrue(
          page,
          `document.querySelector("main time:not([data-at])").title.endsWith(" UTC)")`,
        );
        await page.context().close();
      });
    }
  } finally {
    await browser.close();
    await server.stop();
  }
});
