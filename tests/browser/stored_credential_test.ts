/**
 * The credential that the user keeps on the computer is in the local storage of the origin. Pages of this
 * origin that others wrote try to read it: worlds opened with `?raw` and by WebDAV, answers of plugins and
 * of a model, the frame of the shell. None can, because each has an opaque origin or runs no script.
 */

import { assert, assertEquals } from "../support/assert.ts";
import { SCRIPTED } from "../plugins/shaper.ts";
import { type OpenedPage, openPage, startBrowser, untilTrue } from "./browser.ts";
import { startBrowserServer } from "./browser_server.ts";

const SEMANTIC = new URL("../../plugins/semantic.ts", import.meta.url);
/** Reads both storages, and of every window that it can reach. */
const SCRIPT = `globalThis.found = [];
for (const read of [
  () => JSON.stringify({...localStorage}), () => JSON.stringify({...sessionStorage}),
  () => JSON.stringify({...parent.localStorage}), () => JSON.stringify({...opener.localStorage}),
  () => JSON.stringify({...frames[0].localStorage}),
]) try { found.push(read()); } catch (error) { found.push(error.name); }
addEventListener("storage", ({ newValue }) => found.push(newValue));
fetch("/auth/whoami").then((answer) => found.push("whoami " + answer.status), () => {});`;
const XMLNS = 'xmlns="http://www.w3.org/1999/xhtml"';
const HTML = `<!doctype html><title>reads</title><p>text</p><script>${SCRIPT}</script>`;
const XHTML =
  `<html ${XMLNS}><head><title>x</title></head><body><script><![CDATA[${SCRIPT}]]></script></body></html>`;
const SVG =
  `<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><script><![CDATA[${SCRIPT}]]></script></svg>`;
const FEED =
  `<rss version="2.0"><channel><script ${XMLNS}><![CDATA[${SCRIPT}]]></script></channel></rss>`;
const STYLED = `<?xml version="1.0"?><?xml-stylesheet type="text/xsl" href="/home/t.xsl?raw"?><r/>`;
const XSL =
  `<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"><xsl:template match="/"><html><body><script><xsl:text disable-output-escaping="yes"><![CDATA[${SCRIPT}]]></xsl:text></script></body></html></xsl:template></xsl:stylesheet>`;

const PLUGIN = `export const routes = ["/reads"];
const html = ${JSON.stringify(HTML)}, svg = ${JSON.stringify(SVG)}, xhtml = ${
  JSON.stringify(XHTML)
};
const answers = {
  page: [html, 200, { "content-type": "text/html" }],
  own: [html, 200, { "content-type": "text/html",
    "content-security-policy": "sandbox allow-scripts allow-same-origin" }],
  open: [html, 200, { "content-type": "text/html", "content-security-policy": "default-src * 'unsafe-inline'",
    "access-control-allow-origin": "*", "cross-origin-opener-policy": "unsafe-none" }],
  missing: [html, 404, { "content-type": "text/html" }],
  failed: [html, 500, { "content-type": "text/html" }],
  login: [html, 401, { "content-type": "text/html" }],
  odd: [html, 200, { "content-type": "text/html;charset=utf-7" }],
  two: [html, 200, { "content-type": "text/plain, text/html" }],
  picture: [svg, 200, { "content-type": "image/svg+xml" }],
  xhtml: [xhtml, 200, { "content-type": "application/xhtml+xml" }],
  parts: ["--x\\r\\nContent-Type: text/html\\r\\n\\r\\n" + html + "\\r\\n--x--", 200,
    { "content-type": "multipart/x-mixed-replace; boundary=x" }],
};
export default { async fetch(request, env) {
  const name = new URL(request.url).pathname.split("/").at(-1);
  if (name === "slow") {
    const body = new ReadableStream({ start(c) { c.enqueue(new TextEncoder().encode(html)); } });
    return new Response(body, { headers: { "content-type": "text/html" } });
  }
  const [body, status, headers] = answers[name] ?? answers.page;
  return new Response(body, { status, headers });
} };`;

/** Pages whose script runs, with an opaque origin. */
const RUNNING = [
  "/home/page.html?raw",
  "/home/page.html?raw&at=1",
  "/home/no-suffix?raw",
  "/home/a.xhtml?raw",
  "/home/a.svg?raw",
  "/home/a.xml?raw",
  "/dav/home/page.html",
  "/reads/page",
  "/reads/own",
  "/reads/open",
  "/reads/missing",
  "/reads/failed",
  "/reads/login",
  "/reads/odd",
  "/reads/two",
  "/reads/picture",
  "/reads/xhtml",
  "/reads/slow",
  "/bin/reads/page",
];
/** Pages whose content runs no script. */
const INERT = [
  "/home/a.txt?raw",
  "/home/a.js?raw",
  "/home/a.rss?raw",
  "/home/styled.xml?raw",
  "/home/a.css?raw",
  "/home/page.html",
  "/home/page.html?lines=1-9",
  "/home/page.html?diff=1",
  "/proc/log/home/page.html",
  "/proc/search/home/?q=localStorage",
  "/proc/worlds",
  "/stream/home/page.html",
  "/shaped/home/page.html",
  "/usr/lib/shell/stage.html?raw",
  "/usr/lib/shell/index.html?raw",
];
/** Responses that the browser saves as a file. */
const SAVED = ["/home/a.mht?raw", "/reads/parts"];

Deno.test("the credential that is kept on the computer", async (t) => {
  const browser = await startBrowser();
  const server = await startBrowserServer();
  const { url } = server;
  const other = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen: () => {} },
    () => new Response(HTML, { headers: { "content-type": "text/html" } }),
  );
  const outside = `http://127.0.0.1:${other.addr.port}/`;
  /** What the script of the page found; undefined if it did not run. */
  const found = async ({ page }: OpenedPage, path: string) => {
    const endless = path.startsWith("/stream/") || path === "/reads/slow";
    const response = await page.goto(url + path, { waitUntil: endless ? "commit" : "load" });
    if (path === "/reads/slow") await untilTrue(page, "globalThis.found");
    const values = await page.evaluate("globalThis.found && [...globalThis.found]");
    return { values: values as string[] | undefined, response };
  };
  try {
    for (
      const [name, body] of Object.entries({
        "page.html": HTML,
        "no-suffix": HTML,
        "a.xhtml": XHTML,
        "a.svg": SVG,
        "a.xml": XHTML,
        "a.rss": FEED,
        "styled.xml": STYLED,
        "t.xsl": XSL,
        "a.txt": HTML,
        "a.js": SCRIPT,
        "a.mht": `MIME-Version: 1.0\nContent-Type: text/html\n\n${HTML}`,
        "a.css": HTML,
      })
    ) await server.put(`/home/${name}`, body);
    await server.put("/home/page.html", `${HTML}<p>again</p>`);
    for (const [name, source] of [["reads", PLUGIN], ["gpu", SCRIPTED]] as const) {
      await server.put(`/lib/${name}`, source);
      await server.put(`/lib/${name}/state`, "active");
    }
    await server.put("/lib/semantic", await Deno.readTextFile(SEMANTIC));
    await server.put("/lib/semantic/state", "active");

    const opened = await openPage(browser);
    const { page } = opened;
    await page.goto(`${url}/home/`);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByLabel("Token or password").fill(server.approve);
    await page.getByLabel("Keep me signed in on this computer").check();
    await page.keyboard.press("Enter");
    await page.getByRole("button", { name: "T3" }).waitFor();
    const stored = String(await page.evaluate("JSON.stringify(localStorage)"));
    assert(stored.includes(server.approve), stored);
    assert(await page.evaluate("sessionStorage.length") === 0);

    for (const path of RUNNING) {
      await t.step(`is not readable for the script of ${path}`, async () => {
        const { values, response } = await found(opened, path);
        assert(
          values !== undefined,
          `${path} ran no script: ${response?.headers()["content-type"]}`,
        );
        const [local, session] = values;
        assertEquals([local, session], ["SecurityError", "SecurityError"]);
        assert(!JSON.stringify(values).includes(server.approve));
        assertEquals(await page.evaluate("self.origin"), "null");
      });
    }
    for (const path of INERT) {
      await t.step(`is not read by ${path}, which runs no script of its content`, async () => {
        const { values } = await found(opened, path);
        assertEquals(values, undefined);
      });
    }
    for (const path of SAVED) {
      await t.step(`is not read by ${path}, which is saved as a file`, async () => {
        const download = page.waitForEvent("download");
        await page.goto(url + path).catch(() => {});
        await (await download).cancel();
      });
    }
    await t.step("is not readable for the script of a page in the frame of the shell", async () => {
      await page.goto(`${url}/home/page.html`);
      await page.frameLocator(".stage iframe").getByText("again").waitFor();
      const values = await page.frames().at(-1)?.evaluate("found") as string[];
      assertEquals(values.slice(0, 3), ["SecurityError", "SecurityError", "SecurityError"]);
      assert(!JSON.stringify(values).includes(server.approve));
    });
    await t.step("is not readable for a window that the shell opened", async () => {
      const opening = page.context().waitForEvent("page");
      await page.evaluate("void open('/reads/page')");
      const popup = await opening;
      await untilTrue(popup, "globalThis.found?.length >= 5");
      const values = await popup.evaluate("found");
      assert(!JSON.stringify(values).includes(server.approve), JSON.stringify(values));
      await popup.close();
    });
    await t.step("is not readable for another origin, nor for another port", async () => {
      for (const origin of [url.replace("127.0.0.1", "localhost"), outside]) {
        await page.goto(origin);
        assertEquals(await page.evaluate("JSON.stringify({...localStorage})"), "{}");
      }
    });
    await t.step("is never in a cookie or in a URL", async () => {
      const urls: string[] = [];
      page.on("request", (request) => urls.push(request.url()));
      await page.goto(`${url}/home/page.html`);
      await page.getByText("✓ verified").waitFor();
      assert(urls.length > 3 && !urls.some((one) => one.includes(server.approve)), urls.join(" "));
      assertEquals(await page.context().cookies(), []);
    });
    await t.step(
      "is readable for the same script in an origin of its own: the control",
      async () => {
        const { page: control } = await openPage(browser);
        await control.goto(outside);
        await control.evaluate("localStorage.setItem('x', 'readable')");
        await control.goto(`${outside}page`);
        assert(String(await control.evaluate("found[0]")).includes("readable"));
        await control.context().close();
      },
    );
  } finally {
    await browser.close();
    await other.shutdown();
    await server.stop();
  }
});
