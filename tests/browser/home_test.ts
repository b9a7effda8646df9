/** The home page of the shell in Chromium: what it offers, the newest changes, the tree, the plugins. */

import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { describeChange, mergeChanges } from "../../shell/change_text.js";
import { type Browser, openPage, type Page, startBrowser } from "./browser.ts";
import { type BrowserServer, startBrowserServer } from "./browser_server.ts";

const SHOTS = new URL("./shots/", import.meta.url).pathname;
/** Most requests of the first visit. */
const MAX_REQUESTS = 14;
const DEVICE = `export const routes = ["/dev/lamp"];
export const description = "a lamp";
export default { fetch: () => new Response("on") };`;

function change(name: string, type: string, payload: Record<string, unknown>) {
  return { name, type, timestamp: "2026-11-28T10:00:00.000Z", payload: { by: "T2", ...payload } };
}

Deno.test("describeChange() says in a few words what happened", () => {
  const rows: [type: string, payload: Record<string, unknown>, text: string][] = [
    ["stage_written", { op: "put", version_after: 1 }, "created"],
    ["stage_written", { op: "put", version_after: 2 }, "written"],
    ["stage_written", { op: "patch", version_after: 2 }, "edited"],
    ["stage_written", { op: "put", version_after: 4, from_version: 2 }, "version 2 restored"],
    ["stage_appended", { version_after: 2 }, "appended to"],
    ["state_transition", { from: "pending", to: "active" }, "activated"],
    ["world_moved", { from: "/home/x" }, "moved from /home/x"],
    ["world_deleted", {}, "deleted"],
    ["plugin_crashed", {}, "plugin crashed"],
  ];
  for (const [type, payload, text] of rows) {
    assertEquals(describeChange(change("home/x", type, payload)), text);
  }
});

Deno.test("mergeChanges() merges neighbours of one world, one caller and one kind", () => {
  const changes = [
    change("home/x", "stage_written", { version_after: 3 }),
    change("home/x", "stage_written", { version_after: 2 }),
    change("home/x", "stage_written", { version_after: 1, by: "T3" }),
    change("home/y", "stage_written", { version_after: 1 }),
    change("home/y", "state_transition", { to: "active" }),
    change("home/x", "stage_written", { version_after: 1 }),
  ];
  const found = mergeChanges(changes, 4).map(({ name, count, payload }) =>
    `${count} ${name} ${payload.version_after}`
  );
  assertEquals(found, ["2 home/x 3", "1 home/x 1", "1 home/y 1", "1 home/y undefined"]);
});

Deno.test("GET / shows the home page", async (t) => {
  const browser = await startBrowser();
  const server = await startBrowserServer();
  const { url } = server;
  try {
    await server.put("/home/notes/plan.md", "# plan");
    await server.put("/home/notes/plan.md", "# another plan");
    await server.put("/lib/lamp?ext=ts", DEVICE);
    await server.put("/lib/lamp/state", "active");

    await t.step("its first view needs few requests, and none for all worlds", async () => {
      const { page, messages } = await openPage(browser);
      const paths: string[] = [];
      page.on("request", (request) => paths.push(new URL(request.url()).pathname));
      await open(page, url);
      await page.locator("#live.live").waitFor();
      assert(paths.length <= MAX_REQUESTS, paths.join(" "));
      const data = paths.filter((path) => !path.startsWith("/usr/lib/shell/"));
      assertEquals(data.toSorted(), ["/", "/stream/"]);
      assertEquals(messages, []);
      await page.context().close();
    });

    await t.step("it says what the server is, and links to the documents", async () => {
      const { page, messages } = await openPage(browser);
      await open(page, url);
      await page.getByText("A server for small versioned documents").waitFor();
      await page.getByRole("navigation", { name: "Documents" }).getByRole("link", { name: "Tour" })
        .click();
      await page.waitForURL(`${url}/usr/share/doc/tour.md`);
      assertEquals(messages, []);
      await page.context().close();
    });

    await t.step("the newest changes have their author, and follow the server", async () => {
      const { page, messages } = await openPage(browser);
      await open(page, url);
      const rows = page.locator(".recent li");
      await rows.filter({ hasText: "/home/notes/plan.md" })
        .getByText("2 changes · version 2 · by T3").waitFor();
      await rows.filter({ hasText: "/lib/lamp" }).first().getByText("activated").waitFor();
      await page.locator("#live.live").waitFor();
      await server.put("/home/notes/todo.txt", "x");
      await rows.first().getByText("/home/notes/todo.txt").waitFor();
      assertMatch(await rows.first().textContent() ?? "", /created · version 1 · by T3/);
      await remove(server, "/home/notes/todo.txt");
      await rows.first().getByText("deleted · by T3").waitFor();
      assertEquals(messages, []);
      await page.context().close();
    });

    await t.step("the tree loads a level when it is opened, and follows it", async () => {
      const { page, messages } = await openPage(browser);
      await open(page, url);
      await page.locator("#live.live").waitFor();
      const spaces = page.locator(".spaces");
      const open_ = (name: string) =>
        spaces.getByRole("button", { name: `Contents of ${name}`, exact: true });
      assertEquals(await open_("home").getAttribute("aria-expanded"), "true");
      await open_("home/notes").focus();
      await page.keyboard.press("Enter");
      await spaces.getByRole("link", { name: "plan.md" }).waitFor();
      await server.put("/home/notes/new.txt", "x");
      await spaces.getByRole("link", { name: "new.txt" }).waitFor();
      await server.put("/home/notes/deeper/x", "x");
      await open_("home/notes/deeper").click();
      await spaces.getByRole("link", { name: "x", exact: true }).waitFor();
      await remove(server, "/home/notes/new.txt");
      await spaces.getByRole("link", { name: "new.txt" }).waitFor({ state: "detached" });
      await spaces.getByRole("link", { name: "x", exact: true }).waitFor();
      await open_("usr").click();
      await open_("usr/share").click();
      await open_("usr/share/doc").waitFor();
      // Without T3, /boot cannot be read.
      await open_("boot").click();
      await spaces.getByText("You cannot read it.").waitFor();
      await spaces.getByRole("link", { name: "plan.md" }).click();
      await page.waitForURL(`${url}/home/notes/plan.md`);
      await page.getByRole("link", { name: "Home", exact: true }).click();
      await spaces.getByRole("link", { name: "plan.md" }).waitFor();
      assertEquals(messages.filter((line) => !line.includes("401")), []);
      await page.context().close();
    });

    await t.step("a level of many entries shows the first ones", async () => {
      for (let at = 0; at < 60; at++) await server.put(`/home/many/w${at}`, "x");
      const { page } = await openPage(browser);
      await open(page, url);
      await page.getByRole("button", { name: "Contents of home/many" }).click();
      const inside = page.locator("[id='tree-home/many']");
      await inside.getByRole("link", { name: "All entries …" }).waitFor();
      assertEquals(await inside.locator(".leaf").count(), 50);
      await page.context().close();
    });

    await t.step("plugins and devices have their health and memory", async () => {
      const { page, messages } = await openPage(browser);
      await open(page, url);
      const row = page.locator(".devices li").filter({ hasText: "lamp" });
      await row.getByText("up", { exact: true }).waitFor();
      assertMatch(await row.textContent() ?? "", /a lamp[\d.]+ MiB/);
      await page.locator("#live.live").waitFor();
      await server.put("/lib/lamp/state", "disabled");
      await page.locator(".plugins li").filter({ hasText: "lamp" }).getByText("disabled").waitFor();
      await row.waitFor({ state: "detached" });
      await server.put("/lib/lamp/state", "active");
      await row.getByText("up", { exact: true }).waitFor();
      assertEquals(messages, []);
      await page.context().close();
    });

    await t.step("New creates a note, and its page opens with the editor", async () => {
      const { page, messages } = await openPage(browser);
      await open(page, url);
      await page.getByRole("button", { name: "New" }).click();
      await page.getByRole("menuitem", { name: "Note" }).click();
      await page.getByLabel("Name").fill("from home");
      await page.keyboard.press("Enter");
      await page.waitForURL(`${url}/home/from%20home.md`);
      await page.getByRole("button", { name: "Save" }).waitFor();
      assertEquals(messages, []);
      await page.context().close();
    });

    await t.step("Tell any AI gives a text without a token, or mints a capability", async () => {
      const { page, messages } = await openPage(browser);
      await open(page, url);
      await page.getByRole("button", { name: "Tell any AI…" }).click();
      const text = await page.getByLabel("Text for the agent", { exact: true }).textContent() ?? "";
      assertEquals(await page.evaluate("document.activeElement.textContent"), "Copy");
      assert(text.includes(`${url}/home/`) && !text.includes("Bearer"), text);
      await page.screenshot({ path: `${SHOTS}tell-1440-light.png` });
      await page.keyboard.press("Escape");
      await signIn(page, server);
      await open(page, url);
      await page.getByRole("button", { name: "Tell any AI…" }).click();
      await page.getByLabel("Name of the holder").fill("kestrel");
      await page.keyboard.press("Enter");
      const minted = page.getByLabel("Tell any AI", { exact: true });
      assertMatch(await minted.textContent() ?? "", /Bearer .*under the name kestrel/s);
      assertEquals(messages, []);
      await page.context().close();
    });

    for (const width of [390, 1440]) {
      await t.step(`it fits into ${width} px`, () => shoot(browser, url, width));
    }
  } finally {
    await browser.close();
    await server.stop();
  }
});

async function open(page: Page, url: string): Promise<void> {
  await page.goto(url);
  await page.locator("main:not([aria-busy]) .recent").waitFor();
}

async function signIn(page: Page, { approve }: BrowserServer): Promise<void> {
  await page.evaluate(`sessionStorage.setItem("elastik.authorization", "Bearer ${approve}")`);
}

async function remove({ url, approve }: BrowserServer, path: string): Promise<void> {
  const headers = { authorization: `Bearer ${approve}` };
  await (await fetch(url + path, { method: "DELETE", headers })).body?.cancel();
}

async function shoot(browser: Browser, url: string, width: number): Promise<void> {
  const { page, messages } = await openPage(browser, { viewport: { width, height: 900 } });
  await open(page, url);
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme });
    await page.screenshot({
      path: `${SHOTS}home-full-${width}-${colorScheme}.png`,
      fullPage: true,
    });
  }
  const wider = Number(await page.evaluate("document.documentElement.scrollWidth - innerWidth"));
  assert(wider <= 0, `${wider} px too wide`);
  assertEquals(messages, []);
  await page.context().close();
}

Deno.test("GET /proc/log/ shows all changes in the shell", async (t) => {
  const browser = await startBrowser();
  const server = await startBrowserServer();
  const { url } = server;
  try {
    for (let at = 0; at < 120; at++) await server.put(`/home/logged/w${at}`, "x");
    await server.put("/etc/note", "x");

    await t.step("page by page, and follows the server", async () => {
      const { page, messages } = await openPage(browser);
      await page.goto(url);
      await page.getByRole("link", { name: "Recent changes" }).click();
      await page.waitForURL(`${url}/proc/log/`);
      await page.reload();
      await page.getByRole("heading", { name: "Changes below /" }).waitFor();
      const rows = page.locator(".recent li");
      await rows.first().getByText("/etc/note").waitFor();
      await page.locator("#live.live").waitFor();
      await server.put("/home/newest", "x");
      await rows.first().getByText("/home/newest").waitFor();
      assertEquals(await rows.count(), 100);
      await page.getByRole("button", { name: "Older" }).click();
      await rows.getByText("/home/logged/w0", { exact: true }).waitFor();
      assertEquals(await rows.count(), 122);
      assertEquals(messages, []);
      await page.context().close();
    });

    await t.step("below a prefix, of one caller", async () => {
      const write = await fetch(`${url}/home/logged/local`, { method: "PUT", body: "x" });
      await write.body?.cancel();
      const { page, messages } = await openPage(browser);
      await page.goto(`${url}/proc/log/home/logged/`);
      const rows = page.locator(".recent li");
      await rows.first().getByText("/home/logged/local").waitFor();
      await page.getByLabel("By").fill("T2:local");
      await page.keyboard.press("Enter");
      await page.waitForURL(`${url}/proc/log/home/logged/?by=T2%3Alocal`);
      await rows.first().waitFor();
      assertEquals(await rows.count(), 1);
      await page.screenshot({ path: `${SHOTS}log-1440-light.png` });
      assertEquals(messages, []);
      await page.context().close();
    });
  } finally {
    await browser.close();
    await server.stop();
  }
});
