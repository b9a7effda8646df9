/**
 * Signing in and out in Chromium: for one tab and for all tabs of the computer, what the header shows, what
 * happens at the end of a credential, and which actions are offered.
 */

import { assert, assertEquals } from "../support/assert.ts";
import { type BrowserContext, openPage, type Page, startBrowser } from "./browser.ts";
import { type BrowserServer, startBrowserServer } from "./browser_server.ts";

const SHOTS = new URL("./shots/", import.meta.url).pathname;
const STORED = "JSON.stringify([{...sessionStorage}, {...localStorage}])";

async function signIn(page: Page, token: string, keep = false): Promise<void> {
  await page.locator("#who").click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Token or password").fill(token);
  if (keep) await dialog.getByLabel("Keep me signed in on this computer").check();
  await page.keyboard.press("Enter");
  await dialog.waitFor({ state: "detached" });
}

async function mint(server: BrowserServer, query: string): Promise<string> {
  const minted = await fetch(`${server.url}/auth/mint?${query}`, {
    method: "POST",
    headers: { authorization: `Bearer ${server.approve}` },
  });
  return (await minted.json()).token;
}

/** A further tab of the same browser, and the messages of its console. */
async function openTab(context: BrowserContext, url: string) {
  const page = await context.newPage();
  const messages: string[] = [];
  page.on("console", (message) => message.type() === "error" && messages.push(message.text()));
  page.on("pageerror", (error) => messages.push(String(error)));
  await page.goto(url);
  return { page, messages };
}

/** The browser logs an error status on the console, whatever the page does with it. */
const isOther = (line: string) => !line.startsWith("Failed to load resource");

Deno.test("the shell signs in and out", async (t) => {
  const browser = await startBrowser();
  const server = await startBrowserServer({ ELASTIK_TOKEN: "write-in-tests" });
  const { url } = server;
  try {
    await server.put("/home/x.txt", "the content of x");
    await server.put("/boot/secret.txt", "only for T3");

    await t.step("in one tab only, unless the user keeps the sign-in on the computer", async () => {
      const { page, messages } = await openPage(browser);
      await page.goto(`${url}/home/x.txt`);
      await page.locator("#who").click();
      await page.getByText("Stored in this tab only, until you close it.").waitFor();
      await page.keyboard.press("Escape");
      await signIn(page, server.approve);
      await page.getByRole("button", { name: "T3" }).waitFor();
      assertEquals(await page.evaluate("localStorage.length"), 0);
      const other = await openTab(page.context(), `${url}/home/x.txt`);
      await other.page.getByRole("button", { name: "Sign in" }).waitFor();
      assertEquals([...messages, ...other.messages].filter(isOther), []);
      await page.context().close();
    });

    await t.step("in all tabs, and after a restart, until one of them signs out", async () => {
      const { page, messages } = await openPage(browser);
      const context = page.context();
      await page.goto(`${url}/home/x.txt`);
      const other = await openTab(context, `${url}/boot/secret.txt`);
      await other.page.getByRole("heading", { name: "Sign in" }).waitFor();
      await signIn(page, server.approve, true);
      // The other tab shows its page at once.
      await other.page.getByText("only for T3").waitFor();
      await other.page.getByRole("button", { name: "T3" }).waitFor();
      assertEquals(await page.evaluate("sessionStorage.length"), 0);
      const state = await context.storageState();
      const later = await openPage(browser, { storageState: state });
      await later.page.goto(`${url}/boot/secret.txt`);
      await later.page.getByText("only for T3").waitFor();
      await later.page.locator("#who").click();
      await later.page.getByText(`Kept on this computer, for all tabs of ${url}.`).waitFor();
      await later.page.context().close();

      await page.locator("#who").click();
      await page.getByRole("button", { name: "Sign out in all tabs" }).click();
      await page.getByRole("button", { name: "Sign in" }).waitFor();
      await other.page.getByRole("heading", { name: "Sign in" }).waitFor();
      assertEquals(await other.page.getByText("only for T3").count(), 0);
      for (const tab of [page, other.page]) assertEquals(await tab.evaluate(STORED), "[{},{}]");
      assertEquals(await context.cookies(), []);
      assertEquals([...messages, ...other.messages].filter(isOther), []);
      await context.close();
    });

    await t.step(
      "in one tab as someone else, and back to the sign-in of the computer",
      async () => {
        const { page } = await openPage(browser);
        await page.goto(`${url}/home/x.txt`);
        await signIn(page, "write-in-tests", true);
        await page.getByRole("button", { name: "T2" }).waitFor();
        const other = await openTab(page.context(), `${url}/home/x.txt`);
        await page.getByRole("button", { name: "T2" }).click();
        await page.getByRole("button", { name: "Use another credential" }).click();
        const dialog = page.getByRole("dialog");
        await dialog.getByLabel("Keep me signed in on this computer").uncheck();
        await dialog.getByLabel("Token or password").fill(server.approve);
        await page.keyboard.press("Enter");
        await page.getByRole("button", { name: "T3" }).waitFor();
        await other.page.getByRole("button", { name: "T2" }).waitFor();
        assert(!String(await other.page.evaluate(STORED)).includes(server.approve));
        await page.getByRole("button", { name: "T3" }).click();
        await page.getByRole("button", { name: "Back to the sign-in of this computer" }).click();
        await page.getByRole("button", { name: "T2" }).waitFor();
        await page.context().close();
      },
    );

    await t.step("from a dialog that closes when another tab has signed in", async () => {
      const { page } = await openPage(browser);
      await page.goto(`${url}/home/x.txt`);
      await page.locator("#who").click();
      await page.getByRole("dialog").getByLabel("Token or password").waitFor();
      const other = await openTab(page.context(), `${url}/home/x.txt`);
      await signIn(other.page, "write-in-tests", true);
      await page.getByRole("dialog").waitFor({ state: "detached" });
      await page.getByRole("button", { name: "T2" }).waitFor();
      await page.context().close();
    });

    await t.step("out without the server", async () => {
      const { page } = await openPage(browser);
      await page.goto(`${url}/home/x.txt`);
      await signIn(page, "write-in-tests", true);
      await page.goto(`${url}/home/x.txt`);
      await page.getByRole("button", { name: "T2" }).waitFor();
      await page.route("**/*", (route) => route.abort());
      await page.locator("#who").click();
      await page.getByRole("button", { name: "Sign out" }).click();
      await page.getByRole("button", { name: "Sign in" }).waitFor();
      assertEquals(await page.evaluate(STORED), "[{},{}]");
      await page.context().close();
    });

    await t.step("again after 30 days without use", async () => {
      const { page } = await openPage(browser);
      await page.goto(`${url}/home/x.txt`);
      await signIn(page, "write-in-tests", true);
      await page.evaluate(`(() => {
        const kept = JSON.parse(localStorage.getItem("elastik.authorization"));
        kept.used -= 31 * 86_400_000;
        localStorage.setItem("elastik.authorization", JSON.stringify(kept));
      })()`);
      await page.reload();
      await page.getByRole("button", { name: "Sign in" }).waitFor();
      assertEquals(await page.evaluate("localStorage.length"), 0);
      await page.context().close();
    });

    await t.step("in a browser that blocks its storage, until the page is left", async () => {
      const { page, messages } = await openPage(browser);
      await page.addInitScript(() => {
        for (const name of ["localStorage", "sessionStorage"]) {
          Object.defineProperty(globalThis, name, {
            get() {
              throw new DOMException("blocked", "SecurityError");
            },
          });
        }
      });
      await page.goto(`${url}/boot/secret.txt`);
      await page.getByLabel("Token or password").fill(server.approve);
      await page.keyboard.press("Enter");
      await page.getByText("only for T3").waitFor();
      await page.keyboard.press("e");
      await page.getByLabel("Text of").fill("only for T3, changed");
      await page.keyboard.press("Control+s");
      await page.getByText("Saved as version 2").waitFor();
      await page.getByRole("button", { name: "Cancel" }).click();
      await page.getByRole("button", { name: "T3" }).click();
      await page.getByRole("button", { name: "Sign out" }).click();
      await page.getByRole("heading", { name: "Sign in" }).waitFor();
      assertEquals(messages.filter(isOther), []);
      await page.context().close();
    });

    await t.step("without the choice to keep it if the connection is not encrypted", async () => {
      const { page } = await openPage(browser);
      // A name that is not of this computer, so that the browser takes it for a remote server.
      await page.addInitScript(() =>
        Object.defineProperty(globalThis, "isSecureContext", { get: () => false })
      );
      await page.goto(`${url}/boot/secret.txt`);
      await page.getByText("This connection is not encrypted").waitFor();
      assertEquals(await page.getByLabel("Keep me signed in on this computer").count(), 0);
      await page.context().close();
    });
  } finally {
    await browser.close();
    await server.stop();
  }
});

Deno.test("the header of the shell shows the caller and the end of its credential", async (t) => {
  const browser = await startBrowser();
  const server = await startBrowserServer({ ELASTIK_TOKEN: "write-in-tests" });
  const { url } = server;
  try {
    await server.put("/home/scratch/x.txt", "the content of x");
    await server.put("/etc/passwd", "ada:T2\n");
    const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode("long enough"));
    await server.put("/etc/shadow", `ada:${new Uint8Array(digest).toHex()}\n`);

    await t.step("account, tier, prefix, mode and time left", async () => {
      const { page, messages } = await openPage(browser);
      await page.goto(`${url}/home/scratch/x.txt`);
      await page.locator("#who").click();
      await page.getByLabel("Token or password").fill("long enough");
      await page.getByLabel("Account").fill("ada");
      await page.keyboard.press("Enter");
      await page.getByRole("button", { name: "ada T2", exact: true }).waitFor();
      await page.locator("#who").click();
      await page.getByText("user:ada, tier T2.").waitFor();
      await page.getByRole("button", { name: "Use another credential" }).click();
      const token = await mint(server, "prefix=/home/scratch&mode=rwd&name=kestrel&ttl=7200");
      await page.getByLabel("Token or password").fill(token);
      await page.keyboard.press("Enter");
      const who = page.getByRole("button", { name: /^kestrel \/home\/scratch rwd 1 h 5\d min$/ });
      await who.waitFor();
      await who.click();
      await page.getByText(
        /kestrel, a capability: can read, write, delete and move below \/home\/scratch, valid for/,
      ).waitFor();
      await page.keyboard.press("Escape");
      for (const colorScheme of ["light", "dark"] as const) {
        for (const width of [390, 1440]) {
          await page.emulateMedia({ colorScheme });
          await page.setViewportSize({ width, height: 900 });
          await page.screenshot({ path: `${SHOTS}session-${width}-${colorScheme}.png` });
          const wide = await page.evaluate("document.documentElement.scrollWidth - innerWidth");
          assert(Number(wide) <= 0, `${wide}px wider than ${width}px`);
        }
      }
      assertEquals(messages.filter(isOther), []);
      await page.context().close();
    });

    await t.step("a warning five minutes before, once", async () => {
      const { page, messages } = await openPage(browser);
      await page.clock.install();
      await page.goto(`${url}/home/scratch/x.txt`);
      await signIn(page, await mint(server, "prefix=/home/scratch&name=kestrel&ttl=3600"));
      await page.getByRole("button", { name: "kestrel" }).waitFor();
      assertEquals(await page.locator(".note").count(), 0);
      // The clock goes on by itself, too, so there are minutes between the times and their limits.
      await page.clock.fastForward("50:00");
      assertEquals(await page.getByText("Your sign-in ends in").count(), 0);
      await page.clock.fastForward("05:30");
      await page.getByText(/Your sign-in ends in [234] min/).waitFor();
      await page.clock.fastForward("00:30");
      assertEquals(await page.getByText("Your sign-in ends in").count(), 1);
      await page.locator("#who.warn").getByText(/^[123] min$/).waitFor();
      await page.locator(".note").getByRole("button", { name: "Sign in" }).click();
      await page.getByRole("dialog").getByLabel("Token or password").fill("write-in-tests");
      await page.keyboard.press("Enter");
      await page.getByRole("button", { name: "T2" }).waitFor();
      assertEquals(await page.locator("#who.warn").count(), 0);
      assertEquals(messages.filter(isOther), []);
      await page.context().close();
    });

    for (const [how, end] of [["expired", undefined], ["was revoked", "name:gull\n"]] as const) {
      await t.step(`a dialog when it ${how}; the page stays, and goes on after it`, async () => {
        const { page, messages } = await openPage(browser);
        const startedAt = performance.now();
        await page.goto(`${url}/home/scratch/x.txt`);
        await page.getByText("verified").waitFor();
        // The page must sign in before the end, and is as slow then as it was until now.
        const seconds = Math.ceil(3 + 8 * (performance.now() - startedAt) / 1000);
        const ttl = end === undefined ? seconds : 3600;
        await signIn(page, await mint(server, `prefix=/home/scratch&name=gull&ttl=${ttl}`));
        await page.getByRole("button", { name: "gull" }).waitFor();
        await page.getByText("verified").waitFor();
        await page.locator("#live.live").waitFor();
        await page.evaluate("globalThis.isSamePage = true");
        if (end !== undefined) await server.put("/etc/revoked", end);
        const dialog = page.getByRole("dialog");
        await dialog.getByText("has expired or was revoked. The page stays as it is.")
          .waitFor({ timeout: 60_000 + 1000 * seconds });
        assert(await page.getByText("the content of x").isVisible());
        await page.screenshot({ path: `${SHOTS}session-ended.png` });
        await dialog.getByLabel("Token or password").fill("write-in-tests");
        await page.keyboard.press("Enter");
        await page.getByRole("button", { name: "T2" }).waitFor();
        await page.getByText("the content of x").waitFor();
        await page.locator("#live.live").waitFor();
        assertEquals(await page.evaluate("globalThis.isSamePage"), true);
        assertEquals(messages.filter(isOther), []);
        await page.context().close();
      });
    }

    await t.step(
      "a request to sign in again, quietly, if it had ended before the page",
      async () => {
        await server.put("/etc/revoked", "# none\n");
        const { page } = await openPage(browser);
        await page.goto(`${url}/home/scratch/x.txt`);
        await signIn(page, await mint(server, "prefix=/home/scratch&name=tern"), true);
        await page.getByRole("button", { name: "tern" }).waitFor();
        await page.goto("about:blank");
        await server.put("/etc/revoked", "name:tern\n");
        await page.goto(`${url}/home/scratch/x.txt`);
        await page.getByRole("button", { name: "Sign in again" }).click();
        await page.getByText("The server no longer accepts this credential.").waitFor();
        await page.getByRole("button", { name: "Sign out in all tabs" }).click();
        await page.getByRole("button", { name: "Sign in" }).waitFor();
        await page.getByText("the content of x").waitFor();
        await page.context().close();
      },
    );
  } finally {
    await browser.close();
    await server.stop();
  }
});
