/**
 * Pages of a plugin in a browser. The plugin sends a policy of its own and every header that would
 * give it the origin. The page writes what it could access into itself, where the test reads it.
 */

import { assert, assertEquals } from "../support/assert.ts";
import { openPage, startBrowser } from "./browser.ts";
import { startBrowserServer } from "./browser_server.ts";

/** Each attempt returns what it could access; all must fail or find nothing. */
const ATTEMPTS: Readonly<Record<string, string>> = {
  "the origin": "return self.origin === 'null' ? undefined : self.origin",
  "the shell's session": "return sessionStorage.length",
  "local storage": "return localStorage.length",
  "cookies": "document.cookie = 'a=b'; return document.cookie",
  "a database": "return indexedDB.open('x')",
  "a cache": "return await caches.open('x')",
  "the window that opened it": "return opener === null ? undefined : String(opener)",
  "a service worker": "return await navigator.serviceWorker.register('/talks/sw.js', {scope: '/'})",
  "a world": "return (await fetch('/home/secret?raw')).status",
  "a world by a script": "return await loaded('/home/secret.js?raw')",
  "its own credential": "return (await fetch('/auth/whoami', {credentials: 'include'})).status",
  "minting": "return (await fetch('/auth/mint?prefix=/', {method: 'POST'})).status",
  "a frame of the shell": "return await framed('/home/secret')",
  "a message of the shell": "return await new Promise((ok, no) => { setTimeout(no, 300); " +
    "const c = new BroadcastChannel('x'); c.onmessage = ok; onmessage = ok; })",
};

const PAGE = `<!doctype html><title>talks</title><body><script>
function loaded(src) {
  return new Promise((ok, no) => document.body.append(
    Object.assign(document.createElement("script"), { src, onload: ok, onerror: no })));
}
function framed(src) {
  return new Promise((ok, no) => {
    const frame = Object.assign(document.createElement("iframe"), { src });
    frame.onload = () => { try { ok(frame.contentDocument.body.innerHTML) } catch { no() } };
    document.body.append(frame);
    setTimeout(no, 500);
  });
}
(async () => {
  const got = [];
  for (const [name, attempt] of [${
  Object.entries(ATTEMPTS).map(([name, body]) =>
    `[${JSON.stringify(name)}, async () => { ${body} }]`
  )
}]) {
    try {
      const late = new Promise((_, no) => setTimeout(no, 700));
      const found = await Promise.race([attempt(), late]);
      if (found !== undefined && found !== "") got.push(name + ": " + found);
    } catch {}
  }
  document.body.append(
    Object.assign(document.createElement("p"), { id: "done", textContent: JSON.stringify(got) }));
})();
</script>`;

const PLUGIN = `export const routes = ["/talks"];
const page = ${JSON.stringify(PAGE)};
export default { fetch(request) {
  const isScript = new URL(request.url).pathname.endsWith(".js");
  return new Response(isScript ? "onfetch = () => {}" : page, { headers: {
    "content-type": isScript ? "text/javascript" : "text/html",
    "content-security-policy": "default-src * 'unsafe-inline'; sandbox allow-scripts allow-same-origin",
    "service-worker-allowed": "/",
    "set-cookie": "a=b",
    "access-control-allow-origin": "*",
    "cross-origin-opener-policy": "unsafe-none",
  } });
} };`;

Deno.test("a page of a plugin sees nothing of the shell and of the origin", async (t) => {
  const browser = await startBrowser();
  const server = await startBrowserServer();
  try {
    await server.put("/home/secret", "<p>secret</p>");
    await server.put("/home/secret.js", "globalThis.secret = 1");
    await server.put("/lib/talks?ext=ts", PLUGIN);
    const active = await server.put("/lib/talks/state", "active");
    assertEquals(active.status, 200);
    const { page } = await openPage(browser);
    await page.goto(server.url);
    const session = `Bearer ${server.approve}`;
    await page.evaluate(`sessionStorage.setItem("elastik.authorization", "${session}")`);

    await t.step("in the tab of the shell", async () => {
      await page.goto(`${server.url}/talks/page`);
      const done = page.locator("#done");
      await done.waitFor();
      assertEquals(JSON.parse(await done.textContent() ?? ""), []);
    });
    await t.step("in a window that the shell opened", async () => {
      await page.goto(server.url);
      const opened = page.context().waitForEvent("page");
      await page.evaluate("void open('/talks/page')");
      const popup = await opened;
      const done = popup.locator("#done");
      await done.waitFor();
      assertEquals(JSON.parse(await done.textContent() ?? ""), []);
      await popup.close();
    });
    await t.step("and leaves nothing behind", async () => {
      await page.goto(server.url);
      const left = await page.evaluate(
        "(async () => [sessionStorage.getItem('elastik.authorization'), localStorage.length, " +
          "document.cookie, (await navigator.serviceWorker.getRegistrations()).length])()",
      );
      assertEquals(left, [session, 0, "", 0]);
    });
    await t.step("a script of the origin cannot register the plugin's script either", async () => {
      const registered = await page.evaluate(
        "navigator.serviceWorker.register('/talks/sw.js').then(() => true, () => false)",
      );
      assert(registered === false);
    });
  } finally {
    await browser.close();
    await server.stop();
  }
});
