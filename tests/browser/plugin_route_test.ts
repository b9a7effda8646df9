/**
 * The pages of plugins in Chromium: that of a route, and that of a source with its approval, which shows
 * what has changed since the last one.
 */

import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { healthFacts } from "../../shell/health_facts.js";
import { countLines } from "../../shell/unified_diff.js";
import { openPage, type Page, startBrowser, untilTrue } from "./browser.ts";
import { type BrowserServer, startBrowserServer } from "./browser_server.ts";

const SHOTS = new URL("./shots/", import.meta.url).pathname;
const LAMP = `export const routes = ["/dev/lamp"];
export const description = "a lamp <b>in</b> a room";
const types = { bytes: "application/octet-stream", endless: "text/plain" };
export default { fetch(request) {
  const kind = new URL(request.url).pathname.slice("/dev/lamp/".length);
  if (request.method === "POST") return new Response("posted");
  if (kind === "fails") throw new Error("no");
  if (kind === "empty") return new Response("");
  if (kind === "endless") {
    const bytes = new TextEncoder().encode("on and off\\n".repeat(1000));
    return new Response(new ReadableStream({ pull: (control) => control.enqueue(bytes) }),
      { headers: { "content-type": types.endless } });
  }
  if (kind === "bytes") return new Response("x", { headers: { "content-type": types.bytes } });
  return Response.json({ state: "on", watts: 7, "<img src=x>": null });
} };`;
const OWN_PAGE = `export const routes = ["/app"];
export default { fetch: () => new Response(
  "<!doctype html><link rel=icon href=data:,><title>own</title><p>page of the plugin</p><script>document.title = origin</script>",
  { headers: { "content-type": "text/html" } }) };`;

Deno.test("healthFacts() lists memory, calls and limits of an active plugin", () => {
  const health = {
    state: "running",
    resident_kib: 61_440,
    served: 1200,
    requests: 3,
    waiting: 0,
    refused: 0,
    crashes: 2,
    limits: { resident_kib: 524_288, requests: 64, waiting: 256, answer_ms: 30_000 },
    limits_reached: { memory: 2 },
  };
  assertEquals(healthFacts({ state: "active", health }), [
    ["process", "running"],
    ["memory", "60.0 MiB of 512 MiB"],
    ["calls", "1,200"],
    ["open now", "3 of 64"],
    ["time limit", "30 s"],
    ["ended", "2 times"],
    ["limits reached", "too much memory (2)"],
  ]);
  assertEquals(healthFacts({ state: "pending", health: { state: "down" } }), []);
});

Deno.test("healthFacts() lists the schedules and the changes of a plugin", () => {
  const last = { started_at: "2026-01-02T03:00:00.000Z", result: "failed" };
  const next = "2026-01-03T03:00:00.000Z";
  const health = {
    state: "running",
    cron: [
      { cron: "0 3 * * *", next, last, ok: 1, failed: 2, skipped: 0 },
      { cron: "* * * * *", next, ok: 0, failed: 0, skipped: 0 },
    ],
    on: { delivered: 1500, failed: 8, skipped: 1, lag_seconds: 90 },
  };
  assertEquals(healthFacts({ state: "active", health }).slice(1), [
    [
      "schedule 0 3 * * *",
      `last run failed at ${last.started_at}, next at ${next}, 2 failed`,
    ],
    ["schedule * * * * *", `next at ${next}`],
    ["changes", "1,500 delivered, 8 calls failed, 1 skipped, the next is 1 min old"],
  ]);
});

Deno.test("countLines() counts the added and removed lines of a unified diff", () => {
  const diff = "--- a/x\tversion 1\n+++ b/x\tversion 2\n@@ -1,2 +1,3 @@\n-a\n+b\n+--- c\n d\n";
  assertEquals(countLines(diff), { added: 2, removed: 1 });
  assertEquals(countLines(""), { added: 0, removed: 0 });
});

Deno.test("the shell shows the routes of plugins", async (t) => {
  const browser = await startBrowser();
  const server = await startBrowserServer();
  const { url } = server;
  try {
    await install(server, "lamp", LAMP);
    await install(server, "app", OWN_PAGE);
    await install(
      server,
      "closed",
      LAMP.replace("/dev/lamp", "/closed") + "export const auth = 'T3';",
    );

    await t.step(
      "GET /dev/lamp shows its answer, its memory, its calls and its limits",
      async () => {
        const { page, messages } = await openPage(browser);
        await page.goto(`${url}/dev/lamp`);
        await page.getByText("a lamp <b>in</b> a room").waitFor();
        const answer = page.locator(".answer:not([aria-busy])");
        await answer.waitFor();
        assertEquals(await answer.innerText(), "state\non\nwatts\n7\n<img src=x>\nnone");
        const panel = page.getByRole("region", { name: "Plugin" });
        await panel.getByText("up", { exact: true }).waitFor();
        await panel.getByText(/^[\d.]+ MiB of 512 MiB$/).waitFor();
        await panel.getByText(/^\d+ of 64$/).waitFor();
        await page.getByText(`curl '${url}/dev/lamp'`, { exact: true }).waitFor();
        await shoot(page, "route");
        await panel.getByRole("link", { name: "/lib/lamp" }).click();
        await page.waitForURL(`${url}/lib/lamp`);
        assertEquals(messages, []);
        await page.context().close();
      },
    );

    await t.step("whatever it answers is shown as text, or described", async () => {
      const { page, messages } = await openPage(browser);
      await page.goto(`${url}/dev/lamp`);
      const show = async (kind: string, text: string) => {
        await page.evaluate(
          `dispatchEvent(new CustomEvent("shell:go", { detail: "/dev/lamp/${kind}" }))`,
        );
        await page.locator("h1", { hasText: `/dev/lamp/${kind}` }).waitFor();
        await page.locator(".answer").getByText(text).first().waitFor();
      };
      await show("bytes", "GET answers application/octet-stream");
      await show("empty", "GET answers nothing");
      await show("endless", "The first 256 KiB");
      await show("fails", "GET answers 502");
      assertEquals(messages.filter((line) => !line.includes("502")), []);
      await page.context().close();
    });

    await t.step("GET /dev/ lists the devices with their health", async () => {
      const { page, messages } = await openPage(browser);
      await page.goto(`${url}/dev/`);
      const row = page.locator(".rows li").filter({ hasText: "lamp" });
      await row.getByText("up", { exact: true }).waitFor();
      assertMatch(await row.innerText(), /MiB/);
      assertEquals(messages, []);
      await page.context().close();
    });

    await t.step("GET /app keeps the page of the plugin, in an origin of its own", async () => {
      const { page, messages } = await openPage(browser);
      await page.goto(`${url}/app`);
      await page.getByText("page of the plugin").waitFor();
      assertEquals(await page.title(), "null");
      assertEquals(messages, []);
      await page.context().close();
    });

    await t.step("GET /closed shows which credential it needs", async () => {
      const { page, messages } = await openPage(browser);
      await page.goto(`${url}/closed`);
      await page.locator(".answer").getByText("T3 is required").waitFor();
      const panel = page.getByRole("region", { name: "Plugin" });
      await panel.locator("div", { hasText: /^callers\s*T3$/ }).waitFor();
      assertEquals(messages.filter((line) => !line.includes("401")), []);
      await page.context().close();
    });

    await t.step("GET /lib/lamp has the approval first on a narrow screen", async () => {
      const { page, messages } = await openPage(browser, { viewport: { width: 390, height: 900 } });
      await page.goto(`${url}/lib/lamp`);
      const panel = page.getByRole("region", { name: "Plugin" });
      await panel.getByText("Its routes are up").waitFor();
      const top = async (selector: string) =>
        (await page.locator(selector).boundingBox())?.y ?? Infinity;
      await page.getByText("✓ verified").waitFor();
      assert(await top(".approval") < await top(".content"));
      assert(await top(".content") < await top("aside.side"));
      await page.setViewportSize({ width: 1440, height: 900 });
      assertEquals(await top(".approval"), await top(".content"));
      assertEquals(messages, []);
      await page.context().close();
    });

    await t.step("a changed source shows its changes since the approved version", async () => {
      const changed = LAMP.replace("watts: 7", "watts: 9") +
        "\nexport const permissions = { net: ['api.example.com'] };\n";
      await server.put("/lib/lamp?ext=ts", changed);
      const { page, messages } = await openPage(browser);
      await page.goto(url);
      await page.evaluate(
        `sessionStorage.setItem("elastik.authorization", "Bearer ${server.approve}")`,
      );
      await page.goto(`${url}/lib/lamp`);
      const panel = page.getByRole("region", { name: "Plugin" });
      const summary = /Changed since version 1, approved by T3: 3 lines added, 2 removed/;
      await panel.getByText(summary).click();
      await panel.locator(".diff .added", { hasText: "watts: 9" }).waitFor();
      await panel.locator(".diff .removed", { hasText: "watts: 7" }).waitFor();
      await shoot(page, "changed-plugin");
      await panel.getByRole("button", { name: "Activate…" }).click();
      const box = page.getByRole("dialog");
      const news = box.locator(".requests li").filter({ hasText: "new" });
      await news.getByText("It can reach over the network: api.example.com.").waitFor();
      await box.locator(".gone").getByText("It has no access to the network").waitFor();
      await box.getByText(summary).waitFor();
      await box.locator(".diff .added", { hasText: "watts: 9" }).waitFor();
      await shoot(page, "approve-changed");
      await box.getByRole("button", { name: "Activate", exact: true }).click();
      await panel.getByText("Its routes are up").waitFor();
      await untilTrue(page, "document.activeElement.textContent === 'Disable'");
      assertEquals(await panel.getByText("Changed since").count(), 0);
      assertEquals(messages, []);
      await page.context().close();
    });
  } finally {
    await browser.close();
    await server.stop();
  }
});

async function install(server: BrowserServer, name: string, source: string): Promise<void> {
  await server.put(`/lib/${name}?ext=ts`, source);
  await server.put(`/lib/${name}/state`, "active");
}

/** Light and dark, narrow and wide; nothing is wider than the screen. */
async function shoot(page: Page, name: string): Promise<void> {
  for (const width of [390, 1440]) {
    await page.setViewportSize({ width, height: 900 });
    for (const colorScheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme });
      await page.screenshot({ path: `${SHOTS}${name}-${width}-${colorScheme}.png` });
    }
    const wider = Number(
      await page.evaluate(
        `Math.max(document.documentElement.scrollWidth - innerWidth,
          ...[...document.querySelectorAll("dialog")].map((node) => node.scrollWidth - node.clientWidth))`,
      ),
    );
    assert(wider <= 0, `${name} is ${wider} px too wide at ${width} px`);
  }
}
