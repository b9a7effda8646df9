/**
 * The shell in Chromium: each page, its live updates, mouse and keyboard, two widths, light and dark.
 * Screenshots are written to `shots/`, to review changes of the design.
 */

import { assert, assertEquals, assertStrictEquals } from "../support/assert.ts";
import { CountingProxy } from "../bench/counting_proxy.ts";
import { openPage, startBrowser, untilTrue } from "./browser.ts";
import { startBrowserServer } from "./browser_server.ts";

/** Most bytes of a page on its first load. */
const MAX_PAGE_BYTES = 60 * 1024;
/** Most requests and bytes of a visit, headers included. */
const VISITS = [["cold", 14, MAX_PAGE_BYTES], ["warm", 8, 12 * 1024]] as const;
const SHOTS = new URL("./shots/", import.meta.url).pathname;

Deno.test("the shell shows and changes worlds in the browser", async (t) => {
  const browser = await startBrowser();
  const server = await startBrowserServer();
  const { url } = server;
  try {
    await putWorlds(server.put);

    const pages = {
      home: ["/", "Recent changes"],
      collection: ["/home/", "notes"],
      html: ["/home/hello", "History"],
      markdown: ["/home/notes/plan.md", "A plan"],
      json: ["/home/data.json", "elastik"],
      table: ["/home/table.csv", "Apple"],
      code: ["/home/code.ts", "answer"],
      picture: ["/home/pic.png", "History"],
      hex: ["/home/bytes.bin", "00000000"],
      plugin: ["/lib/example", "Activate"],
      bin: ["/bin", "/auth/mint"],
      proc: ["/proc/", "status"],
    } as const;
    for (const [name, [path, text]] of Object.entries(pages)) {
      await t.step(
        `GET ${path} loads less than 60 KiB and logs nothing to the console`,
        async () => {
          const { page, messages } = await openPage(browser);
          const sizes: Promise<number>[] = [];
          page.on("response", (response) => {
            if (!response.url().includes("/usr/lib/shell/") && response.url() !== url + path) {
              return;
            }
            sizes.push(response.headerValue("content-length").then(Number));
          });
          await page.goto(url + path, { waitUntil: "load" });
          await page.getByText(text).first().waitFor();
          await page.locator("main:not([aria-busy])").waitFor();
          await page.waitForTimeout(100);
          assertEquals(messages.filter(isNotErrorStatus), []);
          const bytes = (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
          assert(bytes > 0 && bytes < MAX_PAGE_BYTES, `${path} has ${bytes} bytes`);
          for (const colorScheme of ["light", "dark"] as const) {
            for (const width of [390, 1440]) {
              await page.emulateMedia({ colorScheme });
              await page.setViewportSize({ width, height: 900 });
              await page.screenshot({ path: `${SHOTS}${name}-${width}-${colorScheme}.png` });
              const wide = Number(
                await page.evaluate("document.documentElement.scrollWidth - innerWidth"),
              );
              assert(wide <= 0, `${path} is ${wide}px wider than ${width}px`);
            }
          }
          await page.context().close();
        },
      );
    }

    await t.step("a visit needs few requests and bytes, and fewer the second time", async () => {
      const counter = new CountingProxy(new URL(url));
      try {
        for (const path of ["/", "/home/notes/plan.md"]) {
          const { page } = await openPage(browser);
          for (const [visit, requests, bytes] of VISITS) {
            const before = { ...counter.counts };
            const tab = await page.context().newPage();
            await tab.goto(counter.url + path);
            await tab.locator("#live.live").waitFor();
            await counter.idle();
            const sent = counter.counts.requests - before.requests;
            assert(sent > 0 && sent <= requests, `${path}, ${visit}: ${sent} requests`);
            const size = counter.counts.bytes - before.bytes;
            assert(size > 0 && size <= bytes, `${path}, ${visit}: ${size} bytes`);
            await tab.close();
          }
          await page.context().close();
        }
      } finally {
        counter.close();
      }
    });

    await t.step(
      "GET /home/hello shows a new version without a reload",
      async () => {
        const { page, messages } = await openPage(browser);
        await page.goto(`${url}/home/hello`);
        const inside = page.frameLocator(".stage iframe").last();
        await inside.getByText("Hello").waitFor();
        await page.evaluate("globalThis.isSamePage = true");
        await server.put("/home/hello", "<h1>Changed</h1>");
        await page.getByText("version 2", { exact: true }).waitFor();
        await inside.getByText("Changed", { exact: true }).waitFor();
        assertEquals(await page.evaluate("globalThis.isSamePage"), true);
        await page.getByText("✓ verified").waitFor();
        assertEquals(messages, []);
        await page.context().close();
      },
    );

    await t.step("GET /home/tall keeps its scroll position when the content changes", async () => {
      const tall = (word: string) => `<div style="height:4000px">top</div><p>${word}</p>`;
      await server.put("/home/tall", tall("one"));
      const { page } = await openPage(browser);
      await page.goto(`${url}/home/tall`);
      const inside = page.frameLocator(".stage iframe").last();
      await inside.getByText("one").scrollIntoViewIfNeeded();
      // The frame tells the page its position with the next picture.
      const twoPictures =
        "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))";
      await page.frames().at(-1)?.evaluate(twoPictures);
      await page.waitForTimeout(100);
      await server.put("/home/tall", tall("two"));
      await inside.getByText("two").waitFor();
      const frame = page.frames().at(-1);
      await page.locator(".stage iframe.coming").waitFor({ state: "detached" });
      assert(frame !== undefined);
      await untilTrue(frame, "scrollY > 1000");
      await page.context().close();
    });

    await t.step(
      "GET /home/later shows the world as soon as it is written, and its deletion",
      async () => {
        const { page } = await openPage(browser);
        const response = await page.goto(`${url}/home/later`);
        assertEquals(response?.status(), 404);
        await page.getByText("Nothing is here yet").waitFor();
        await page.locator("#live.live").waitFor();
        await server.put("/home/later", "<p>written</p>");
        await page.frameLocator(".stage iframe").getByText("written", { exact: true }).waitFor();
        await fetch(`${url}/home/later`, {
          method: "DELETE",
          headers: { authorization: `Bearer ${server.approve}` },
        }).then((response) => response.body?.cancel());
        await page.getByText("This world was deleted").waitFor();
        await page.context().close();
      },
    );

    await t.step("GET /home/notes/ follows created and deleted children", async () => {
      const { page, messages } = await openPage(browser);
      await page.goto(`${url}/home/notes/`);
      await page.getByRole("link", { name: "plan.md" }).waitFor();
      await server.put("/home/notes/new.txt", "x");
      await page.getByRole("link", { name: "new.txt" }).waitFor();
      await server.put("/home/notes/deeper/x.txt", "x");
      await page.getByRole("link", { name: "deeper/" }).waitFor();
      await fetch(`${url}/home/notes/new.txt`, {
        method: "DELETE",
        headers: { authorization: `Bearer ${server.approve}` },
      }).then((response) => response.body?.cancel());
      await page.getByRole("link", { name: "new.txt" }).waitFor({ state: "detached" });
      assertEquals(messages, []);
      await page.context().close();
    });

    await t.step("GET / shows a change without a reload", async () => {
      const { page } = await openPage(browser);
      await page.goto(url);
      await page.locator("#live.live").waitFor();
      await server.put("/home/just-now", "x");
      await page.locator(".recent").getByText("/home/just-now").waitFor();
      await page.context().close();
    });

    await t.step(
      "the editor saves its text, and shows both texts after a conflict",
      async () => {
        const { page, messages } = await openPage(browser);
        await server.put("/home/shared.txt", "one\ntwo\n", { "x-meta-author": "ada" });
        await page.goto(`${url}/home/shared.txt`);
        await page.getByText("version 1", { exact: true }).waitFor();
        await page.keyboard.press("e"); // the metadata may not be shown yet
        await page.getByLabel("Text of").fill("one\nmine\n");
        await server.put("/home/shared.txt", "one\ntheirs\n");
        await page.getByRole("button", { name: "Save" }).click();
        await page.getByText("Version 2 was written while you edited").waitFor();
        await page.locator(".conflict pre").getByText("theirs").waitFor();
        await page.screenshot({ path: `${SHOTS}conflict-1440-light.png` });
        assertEquals(await (await fetch(`${url}/home/shared.txt?raw`)).text(), "one\ntheirs\n");
        await page.getByRole("button", { name: "Replace version 2" }).click();
        await page.getByText("version 3", { exact: true }).waitFor();
        const saved = await fetch(`${url}/home/shared.txt?raw`);
        assertEquals(await saved.text(), "one\nmine\n");
        assertEquals(saved.headers.get("x-meta-author"), "ada");
        assertEquals(messages.filter((line) => !line.includes("412")), []);
        await page.context().close();
      },
    );

    await t.step("the history shows an earlier version and restores it", async () => {
      const { page } = await openPage(browser);
      await server.put("/home/past.txt", "the first words");
      await server.put("/home/past.txt", "the second words");
      await page.goto(`${url}/home/past.txt`);
      await page.getByRole("button", { name: "Show v1" }).click();
      await page.getByText("the first words").waitFor();
      await page.getByRole("button", { name: "Restore", exact: true }).click();
      await page.getByText("version 3", { exact: true }).waitFor();
      assertEquals(await (await fetch(`${url}/home/past.txt?raw`)).text(), "the first words");
      await page.context().close();
    });

    await t.step(
      "a tab signs in, mints a capability, deletes a world, and signs out without storing anything",
      async () => {
        const { page, messages } = await openPage(browser);
        await page.goto(`${url}/home/past.txt`);
        await page.getByRole("button", { name: "Sign in" }).click();
        await page.getByLabel("Token or password").fill("no such token");
        await page.getByRole("button", { name: "Sign in" }).last().click();
        await page.getByText("The credential is unknown or has expired").waitFor();
        await page.getByLabel("Token or password").fill(server.approve);
        await page.keyboard.press("Enter");
        await page.getByRole("button", { name: "T3" }).click();
        await page.getByRole("button", { name: "Mint a capability" }).click();
        await page.getByLabel("Prefix").fill("/home/scratch");
        await page.getByLabel("Access").selectOption("rwd");
        await page.getByLabel("Name of the holder").fill("kestrel");
        await page.getByRole("button", { name: "Mint", exact: true }).click();
        const token = await page.getByLabel("Token", { exact: true }).textContent();
        await page.screenshot({ path: `${SHOTS}mint-1440-light.png` });
        const prompt = await page.getByLabel("Tell any AI", { exact: true }).textContent();
        assert(prompt?.includes(`${url}/home/scratch/`) && prompt.includes(token ?? "?"));
        assert(prompt?.includes(`${url}/usr/lib/skills/elastik.md?raw`));
        const whoami = await fetch(`${url}/auth/whoami`, {
          headers: { authorization: `Bearer ${token}` },
        });
        assertEquals((await whoami.json()).by, "cap:/home/scratch#kestrel");
        const write = (path: string) =>
          fetch(url + path, {
            method: "PUT",
            body: "x",
            headers: { authorization: `Bearer ${token}` },
          })
            .then(async (response) => (await response.body?.cancel(), response.status));
        assertEquals(await write("/home/scratch/a"), 201);
        assertEquals(await write("/home/elsewhere"), 403);
        await page.keyboard.press("Escape");
        await page.getByRole("button", { name: "Delete" }).click();
        await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
        await page.getByText("This world was deleted").waitFor();
        await page.getByRole("button", { name: "T3" }).click();
        await page.getByRole("button", { name: "Sign out" }).click();
        await page.getByRole("button", { name: "Sign in" }).waitFor();
        const storage =
          "JSON.stringify([{...sessionStorage}, {...localStorage}, document.cookie, location.href])";
        assert(!String(await page.evaluate(storage)).includes(server.approve));
        assertEquals(messages.filter((line) => !/401|404/.test(line)), []);
        await page.context().close();
      },
    );

    await t.step("T3 sees what a plugin requests, activates it and disables it", async () => {
      const source = `export const description = "says hello";
        export const routes = ["/hello-test"];
        export const permissions = { net: ["api.example.com"] };
        export default { fetch: () => new Response("hello") };`;
      await server.put("/lib/hello", source);
      const { page, messages } = await openPage(browser);
      await page.goto(`${url}/lib/hello`);
      await page.locator("button[aria-disabled]", { hasText: "Activate…" }).press("Enter");
      const why = "Activating and disabling a plugin needs T3; you are not signed in and have T2";
      await page.getByText(why).waitFor();
      await page.evaluate(
        `sessionStorage.setItem("elastik.authorization", "Bearer ${server.approve}")`,
      );
      await page.reload();
      await page.getByRole("button", { name: "Activate…" }).click();
      const box = page.getByRole("dialog");
      await box.getByText("It answers at /hello-test and below.").waitFor();
      await box.getByText("It can reach over the network: api.example.com.").waitFor();
      await page.screenshot({ path: `${SHOTS}approve-1440-light.png` });
      await box.getByRole("button", { name: "Activate" }).click();
      await page.getByText("Its routes are up").waitFor();
      assertEquals(await (await fetch(`${url}/hello-test`)).text(), "hello");
      await page.getByRole("button", { name: "Disable" }).click();
      await page.getByRole("button", { name: "Activate…" }).waitFor();
      await server.put("/lib/hello", `${source}\nthrow new Error("no");`);
      await page.locator("pre.text", { hasText: 'throw new Error("no")' }).waitFor();
      await page.getByRole("button", { name: "Activate…" }).click();
      await page.locator(".plugin [role=alert]").getByText("Cannot").waitFor();
      assertEquals(messages.filter((line) => !/401|403|422/.test(line)), []);
      await page.context().close();
    });

    await t.step(
      "a capability starts at its prefix, and gets an error for other paths",
      async () => {
        const minted = await fetch(`${url}/auth/mint?prefix=/home/notes&mode=rwd`, {
          method: "POST",
          headers: { authorization: `Bearer ${server.approve}` },
        });
        const { token } = await minted.json();
        const { page } = await openPage(browser);
        await page.goto(`${url}/boot/env`);
        await page.getByLabel("Token or password").fill(token);
        await page.keyboard.press("Enter");
        await page.getByText("the capability covers /home/notes").waitFor();
        await page.getByRole("link", { name: "Home", exact: true }).click();
        await page.waitForURL(`${url}/home/notes/`);
        await page.getByRole("button", { name: "capability /home/notes rwd" }).click();
        await page.getByText("can read, write, delete and move below /home/notes").waitFor();
        await page.keyboard.press("Escape");
        await page.getByRole("link", { name: "plan.md" }).click();
        await page.getByRole("heading", { name: "A plan" }).waitFor();
        await page.getByText("verified").waitFor();
        await page.context().close();
      },
    );

    await t.step("the shell can be installed", async () => {
      const manifest = await fetch(`${url}/usr/lib/shell/shell.webmanifest?raw`);
      assertEquals(manifest.headers.get("content-type"), "application/manifest+json");
      const { icons: [icon] } = await manifest.json();
      const picture = await fetch(url + icon.src);
      assertStrictEquals(picture.headers.get("content-type"), icon.type);
      await picture.body?.cancel();
    });

    await t.step("Shape shows that the semantic plugin is missing", async () => {
      const { page } = await openPage(browser);
      await page.goto(`${url}/home/notes/plan.md`);
      await page.getByRole("button", { name: "Shape" }).click();
      await page.getByRole("button", { name: "Shape it" }).click();
      await page.getByText("which is not active on this server").waitFor();
      await page.goto(`${url}/shaped/home/notes/plan.md`);
      await page.getByText("The semantic plugin is not active", { exact: true }).waitFor();
      await page.context().close();
    });

    await t.step("files that are chosen or dropped are written as worlds", async () => {
      const { page } = await openPage(browser);
      await page.goto(`${url}/home/notes/`);
      await page.getByRole("link", { name: "plan.md" }).waitFor();
      const [chooser] = await Promise.all([
        page.waitForEvent("filechooser"),
        page.getByRole("button", { name: "Upload" }).click(),
      ]);
      const bytes = new TextEncoder().encode("a,b\n1,2\n");
      // Playwright requires a Buffer of Node.
      const { Buffer } = await import("node:buffer");
      await chooser.setFiles({
        name: "up load.csv",
        mimeType: "text/csv",
        buffer: Buffer.from(bytes),
      });
      await page.getByRole("link", { name: "up load.csv" }).waitFor();
      await page.evaluate(`(() => {
        const dataTransfer = new DataTransfer();
        dataTransfer.items.add(new File(["# dropped"], "dropped.md", { type: "text/markdown" }));
        const init = { dataTransfer, bubbles: true, cancelable: true };
        document.querySelector("main").dispatchEvent(new DragEvent("drop", init));
      })()`);
      await page.getByRole("link", { name: "dropped.md" }).waitFor();
      await page.getByRole("link", { name: "up load.csv" }).click();
      await page.getByRole("columnheader", { name: "a" }).waitFor();
      await page.context().close();
    });

    await t.step("the search and the lists can be used with the keyboard only", async () => {
      const { page } = await openPage(browser);
      await page.goto(url);
      await page.locator("#live.live").waitFor();
      await page.keyboard.press("/");
      await page.keyboard.type("plan");
      await page.getByRole("option", { name: "/home/notes/plan.md" }).waitFor();
      await page.screenshot({ path: `${SHOTS}finder-1440-light.png` });
      await page.keyboard.press("Enter");
      await page.getByRole("heading", { name: "A plan" }).waitFor();
      await page.goto(`${url}/home/`);
      await page.getByRole("link", { name: "hello" }).waitFor();
      await page.keyboard.press("ArrowDown");
      await page.keyboard.press("ArrowDown");
      const focused = "document.activeElement.getAttribute('href')";
      const first = await page.locator(".rows a").nth(1).getAttribute("href");
      assertStrictEquals(await page.evaluate(focused), first);
      await page.keyboard.press("Enter");
      await page.waitForURL(url + first);
      await page.context().close();
    });

    await t.step(
      "a collection of 10000 children scrolls without drawing all of them",
      async () => {
        const { page } = await openPage(browser);
        await page.route("**/stream/home/many/?brief", (route) => {
          const rows = Array.from({ length: 10_000 }, (_, at) => ({
            name: `world-${String(at).padStart(5, "0")}`,
            dir: false,
            version: 1,
            ext: "txt",
            len: at,
            updated_at: "2026-01-01T00:00:00.000Z",
          }));
          const body = `event: list\nid: 1\ndata: ${JSON.stringify(rows)}\n\n`;
          return route.fulfill({ body, contentType: "text/event-stream" });
        });
        await server.put("/home/many/one", "x");
        await page.goto(`${url}/home/many/`);
        await page.getByText("10,000 entries").waitFor();
        assert(await page.locator(".rows li").count() < 400);
        await page.keyboard.press("End");
        await page.getByRole("link", { name: "world-09999" }).waitFor();
        assert(await page.locator(".rows li").count() < 600);
        await page.context().close();
      },
    );
  } finally {
    await browser.close();
    await server.stop();
  }
});

Deno.test("the shell of a server with tokens requires a credential", async (t) => {
  const browser = await startBrowser();
  const server = await startBrowserServer({
    ELASTIK_TOKEN: "write-in-tests",
    ELASTIK_TRUST_PROXY_HEADER: "x-forwarded-for",
    ELASTIK_TRUST_PROXY_FROM: "127.0.0.1",
  });
  const { url } = server;
  const remote = { extraHTTPHeaders: { "x-forwarded-for": "203.0.113.9" } };
  try {
    await server.put("/home/secret", "<h1>for members</h1><script>document.title='ran'</script>");
    await server.put("/home/pic.png", PNG);

    await t.step(
      "asks for a credential, then shows the requested world and its changes",
      async () => {
        const { page } = await openPage(browser, remote);
        const response = await page.goto(`${url}/home/secret`);
        assertEquals(response?.status(), 401);
        await page.getByRole("heading", { name: "Sign in" }).waitFor();
        await page.screenshot({ path: `${SHOTS}sign-in-1440-light.png` });
        await page.getByLabel("Token or password").fill("write-in-tests");
        await page.keyboard.press("Enter");
        const inside = page.frameLocator(".stage iframe").last();
        await inside.getByText("for members").waitFor();
        await server.put("/home/secret", "<h1>still for members</h1>");
        await inside.getByText("still for members").waitFor();
        await page.goto(`${url}/home/pic.png`);
        await page.locator(".media img").waitFor();
        const picture = "document.querySelector('.media img')";
        const width = `${picture}.decode().then(() => ${picture}.naturalWidth)`;
        assertEquals(await page.evaluate(width), 1);
        const urls =
          "performance.getEntriesByType('resource').map((entry) => entry.name).join(' ')";
        assert(!String(await page.evaluate(urls)).includes("write-in-tests"));
        await page.context().close();
      },
    );

    await t.step("accepts an account with its password", async () => {
      await server.put("/etc/passwd", "ada:T3\n");
      const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode("grüße"));
      await server.put("/etc/shadow", `ada:${new Uint8Array(digest).toHex()}\n`);
      const { page } = await openPage(browser, remote);
      await page.goto(`${url}/boot/env`);
      await page.getByLabel("Token or password").fill("grüße");
      await page.getByLabel("Account").fill("ada");
      await page.keyboard.press("Enter");
      await page.getByRole("button", { name: "ada T3" }).waitFor();
      await page.getByText("ELASTIK_HOST").first().waitFor();
      await page.context().close();
    });
  } finally {
    await browser.close();
    await server.stop();
  }
});

/** An image of one pixel. */
const PNG = Uint8Array.fromBase64(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
);

async function putWorlds(
  put: (path: string, body: string | Uint8Array<ArrayBuffer>) => Promise<unknown>,
) {
  await put("/home/hello", "<h1>Hello</h1>");
  await put(
    "/home/notes/plan.md",
    "# A plan\n\n- one\n- two\n\n| a | b |\n|---|--:|\n| x | 1 |\n\n> quiet\n",
  );
  await put("/home/data.json", JSON.stringify({ name: "elastik", list: [1, 2, { deep: null }] }));
  await put("/home/table.csv", 'name,qty\nApple,3\n"Pear, green",12\n');
  await put("/home/code.ts", "// why\nexport const answer: number = 42;\n");
  await put("/home/pic.png", PNG);
  await put("/home/bytes.bin", Uint8Array.from({ length: 300 }, (_, at) => at % 256));
  await put(
    "/lib/example",
    "export const routes = ['/example'];\nexport default { fetch() {} };\n",
  );
}

/** The browser logs an error status on the console, whatever the page does with it. */
function isNotErrorStatus(line: string): boolean {
  return !line.startsWith("Failed to load resource");
}
