/** Which actions the shell offers to each caller, and why others are missing; minting. */

// deno-lint-ignore-file no-explicit-any -- the modules are JavaScript

import { assert, assertEquals } from "../support/assert.ts";
import { agentPrompt } from "../../shell/agent_prompt.js";
import { missingRight } from "../../shell/missing_right.js";
import { openPage, type Page, startBrowser } from "./browser.ts";
import { startBrowserServer } from "./browser_server.ts";

Deno.test("missingRight() names what is needed and what the caller has", () => {
  const scratch = { tier: "T2", by: "cap:/home/scratch", prefix: "/home/scratch", mode: "rw" };
  const rows: [any, string, string, string][] = [
    [
      { tier: "T1", by: "T1" },
      "/home/x",
      "PUT",
      "Writing needs T2, or a capability with mode rw for this path; you are not signed in and have T1",
    ],
    [
      { tier: "T2", by: "T2:local" },
      "/home/x",
      "DELETE",
      "Deleting needs T3, or a capability with mode rwd for this path; you are not signed in and have T2",
    ],
    [
      scratch,
      "/home/scratch/",
      "MOVE",
      "Moving needs T3, or a capability with mode rwd for this path; your capability covers /home/scratch with mode rw",
    ],
    [
      { tier: "T2", by: "user:ada" },
      "/lib/x/state",
      "PUT",
      "Activating and disabling a plugin needs T3; you have T2",
    ],
    [
      { tier: "T2", by: "T2" },
      "/auth/mint",
      "POST",
      "Minting a capability needs T3; you have T2",
    ],
    [{ tier: "T2", by: "T2" }, "/lib/x", "DELETE", "Deleting needs T3; you have T2"],
    [
      { rejected: "expired" },
      "/etc/x",
      "PUT",
      "Writing needs T3; the server does not accept this sign-in",
    ],
  ];
  for (const [caller, path, method, expected] of rows) {
    assertEquals(missingRight(caller, path, method), expected);
  }
});

Deno.test("agentPrompt() names the folder, the token, the skill page, the mode and the expiry", () => {
  const prompt = agentPrompt("http://localhost:3005", {
    token: "abc.def",
    prefix: "/home/scratch",
    mode: "rw",
    name: "kestrel",
    exp: 1_764_324_000,
  });
  for (
    const part of [
      "http://localhost:3005/home/scratch/",
      "Authorization: Bearer abc.def",
      "http://localhost:3005/usr/lib/skills/elastik.md?raw",
      "You cannot delete or move anything.",
      "under the name kestrel",
      "2025-11-28T10:00:00.000Z",
    ]
  ) assert(prompt.includes(part), `${part} in ${prompt}`);
  const reading = agentPrompt("http://localhost:3005", { prefix: "/", mode: "r" });
  assert(
    reading.includes("http://localhost:3005/ ") || reading.includes("http://localhost:3005/\n"),
  );
  assert(reading.includes("You can only read."));
  assert(!/Bearer|null|undefined|expires/.test(reading), reading);
});

const SHOTS = new URL("./shots/", import.meta.url).pathname;
/** The browser logs an error status on the console, whatever the page does with it. */
const isOther = (line: string) => !line.startsWith("Failed to load resource");

Deno.test("the shell offers what the caller may do, and says why not the rest", async (t) => {
  const browser = await startBrowser();
  const server = await startBrowserServer({ ELASTIK_TOKEN: "write-in-tests" });
  const { url } = server;
  const mint = async (query: string) => {
    const minted = await fetch(`${url}/auth/mint?${query}`, {
      method: "POST",
      headers: { authorization: `Bearer ${server.approve}` },
    });
    return (await minted.json()).token;
  };
  const signIn = async (page: Page, token: string) => {
    await page.locator("#who").click();
    await page.getByRole("dialog").waitFor();
    const other = page.getByRole("button", { name: "Use another credential" });
    if (await other.isVisible()) await other.click();
    await page.getByRole("dialog").getByLabel("Token or password").fill(token);
    await page.keyboard.press("Enter");
    await page.getByRole("dialog").waitFor({ state: "detached" });
  };
  /** The state of the buttons, as soon as it is as expected. */
  const expectButtons = async (page: Page, states: Record<string, boolean>) => {
    for (const [name, isOffered] of Object.entries(states)) {
      const button = page.locator("main").getByRole("button", { name, exact: true });
      await button.and(page.locator(isOffered ? ":not([aria-disabled])" : "[aria-disabled]"))
        .waitFor();
    }
  };
  try {
    await server.put("/home/a/x.txt", "the content of x");

    await t.step("to each tier and each mode of a capability", async () => {
      const { page, messages } = await openPage(browser);
      await page.goto(`${url}/home/a/x.txt`);
      await expectButtons(page, { Edit: false, Delete: false });
      for (
        const [token, states] of [
          [await mint("prefix=/home/a&mode=r"), { Edit: false, Delete: false }],
          [await mint("prefix=/home/b&mode=rwd"), {}],
          ["write-in-tests", { Edit: true, Delete: false }],
          [await mint("prefix=/home/a&mode=rw"), { Edit: true, Delete: false }],
          [await mint("prefix=/home/a&mode=rwd"), { Edit: true, Delete: true }],
          [server.approve, { Edit: true, Delete: true }],
        ] as const
      ) {
        await signIn(page, token);
        if (Object.keys(states).length > 0) await expectButtons(page, states);
        else await page.getByRole("heading", { name: "Not allowed" }).waitFor();
      }
      await page.goto(`${url}/home/a/`);
      await expectButtons(page, { New: true, Upload: true });
      await page.locator("#who").click();
      await page.getByRole("button", { name: "Sign out" }).click();
      await expectButtons(page, { New: false, Upload: false });
      assertEquals(messages.filter(isOther), []);
      await page.context().close();
    });

    await t.step("to restore a deleted world: T3, or mode rwd for its path", async () => {
      await server.put("/home/a/gone.txt", "x");
      await fetch(`${url}/home/a/gone.txt`, {
        method: "DELETE",
        headers: { authorization: `Bearer ${server.approve}` },
      }).then((response) => response.body?.cancel());
      const { page, messages } = await openPage(browser);
      await page.goto(`${url}/home/a/gone.txt`);
      await expectButtons(page, { Restore: false });
      await page.getByRole("button", { name: "Restore" }).press("Enter");
      await page.getByText("Restoring needs T3, or a capability with mode rwd").waitFor();
      for (
        const [token, Restore] of [
          ["write-in-tests", false],
          [await mint("prefix=/home/a&mode=rwd"), true],
          [server.approve, true],
        ] as const
      ) {
        await signIn(page, token);
        await expectButtons(page, { Restore });
      }
      await page.getByRole("button", { name: "Restore" }).press("Enter");
      await page.getByText("version 2", { exact: true }).waitFor();
      assertEquals(messages.filter(isOther), []);
      await page.context().close();
    });

    await t.step("with the keyboard: the reason, and a way to sign in", async () => {
      const { page, messages } = await openPage(browser);
      await page.goto(`${url}/home/a/x.txt`);
      await expectButtons(page, { Delete: false });
      const remove = page.getByRole("button", { name: "Delete", exact: true });
      assertEquals(
        await remove.getAttribute("title"),
        "Deleting needs T3, or a capability with mode rwd for this path; you are not signed in and have T1",
      );
      await page.keyboard.press("e");
      await page.getByText("Writing needs T2, or a capability with mode rw").waitFor();
      assertEquals(await page.getByLabel("Text of").count(), 0);
      await remove.press("Enter");
      await page.getByText("Deleting needs T3").waitFor();
      assertEquals(await page.getByRole("dialog").count(), 0);
      await page.screenshot({ path: `${SHOTS}refused-1440-light.png` });
      await page.locator(".note", { hasText: "Deleting" }).getByRole("button", { name: "Sign in" })
        .press("Enter");
      await page.getByRole("dialog").waitFor();
      await page.keyboard.type(server.approve);
      await page.keyboard.press("Enter");
      await expectButtons(page, { Delete: true });
      await remove.press("Enter");
      await page.getByRole("dialog").waitFor();
      await page.keyboard.press("Escape");
      assertEquals(messages.filter(isOther), []);
      await page.context().close();
    });

    await t.step("a refusal of the server has a button to sign in", async () => {
      const { page } = await openPage(browser);
      await page.goto(`${url}/home/a/`);
      const drop = async () =>
        await page.evaluate(`(() => {
          const dataTransfer = new DataTransfer();
          dataTransfer.items.add(new File(["x"], "dropped.txt", { type: "text/plain" }));
          const init = { dataTransfer, bubbles: true, cancelable: true };
          document.querySelector("main").dispatchEvent(new DragEvent("drop", init));
        })()`);
      await page.getByRole("link", { name: "x.txt" }).waitFor();
      await drop();
      const refusal = page.locator(".note.bad, dialog").filter({
        hasText: "no credential was sent",
      });
      await refusal.getByRole("button", { name: "Sign in" }).click();
      await page.getByRole("dialog").getByLabel("Token or password").fill("write-in-tests");
      await page.keyboard.press("Enter");
      await page.getByRole("button", { name: "T2" }).waitFor();
      await drop();
      await page.getByRole("link", { name: "dropped.txt" }).waitFor();
      await page.context().close();
    });

    await t.step("T3 mints a capability, copies the prompt, and revokes it", async () => {
      const { page, messages } = await openPage(browser);
      await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
      await page.goto(`${url}/home/a/`);
      await signIn(page, server.approve);
      await page.getByRole("button", { name: "T3" }).click();
      await page.getByRole("button", { name: "Mint a capability" }).click();
      assertEquals(await page.getByLabel("Prefix").inputValue(), "/home/a");
      // The focus is in the first field.
      await page.keyboard.type("kestrel");
      await page.getByLabel("Access").selectOption("rwd");
      await page.getByLabel("Valid for").selectOption("1 day");
      await page.keyboard.press("Enter");
      await page.getByLabel("Tell any AI", { exact: true }).waitFor();
      for (const colorScheme of ["light", "dark"] as const) {
        for (const width of [390, 1440]) {
          await page.emulateMedia({ colorScheme });
          await page.setViewportSize({ width, height: 900 });
          await page.screenshot({ path: `${SHOTS}minted-${width}-${colorScheme}.png` });
        }
      }
      await page.getByRole("button", { name: "Copy: Tell any AI" }).click();
      await page.getByText("Copied").waitFor();
      const prompt = String(await page.evaluate("navigator.clipboard.readText()"));
      const token = /Bearer (\S+)/.exec(prompt)?.[1] ?? "";
      assert(prompt.includes(`${url}/home/a/`), prompt);
      assert(prompt.includes(`${url}/usr/lib/skills/elastik.md?raw`), prompt);
      const whoami = async () => {
        const headers = { authorization: `Bearer ${token}` };
        return await (await fetch(`${url}/auth/whoami`, { headers })).json();
      };
      const { by, mode, ttl_sec: left } = await whoami();
      assertEquals([by, mode], ["cap:/home/a#kestrel", "rwd"]);
      assert(left > 86_000 && left <= 86_400, String(left));
      // A click next to the dialog does not lose the token.
      await page.mouse.click(3, 400);
      await page.getByRole("button", { name: "Revoke it" }).click();
      await page.getByRole("button", { name: "Revoked" }).waitFor();
      assert((await whoami()).detail.includes("revoked"));
      await page.keyboard.press("Escape");
      const kept = await page.evaluate("JSON.stringify([{...sessionStorage}, {...localStorage}])");
      assert(!String(kept).includes(token));
      assertEquals(messages.filter(isOther), []);
      await page.context().close();
    });
  } finally {
    await browser.close();
    await server.stop();
  }
});
