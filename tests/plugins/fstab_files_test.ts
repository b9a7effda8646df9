/** Reading mounted folders: listings, content, ranges, preconditions, unusual names, escapes. */

import { assert, assertEquals, assertMatch, assertStrictEquals } from "../support/assert.ts";
import { plugin, record } from "../plugin/plugin_test_server.ts";
import { bearer } from "../support/test_server.ts";
import { T2, withMountServer } from "./fstab/mount_server.ts";

Deno.test("GET /mnt/<name> reads a mounted folder", async (t) => {
  await withMountServer(async ({ server, folder, get, send, mount }) => {
    await t.step("lists a folder as text with one name per line", async () => {
      const found = await get("/mnt/works/");
      assertEquals(
        found.text,
        "a b/\ndangling\nescape\nescape-folder\nhello.txt\ninner\ninner-folder/\nloop\npage.html\n",
      );
      assertStrictEquals((await get("/mnt/works")).text, found.text);
      assertEquals((await get("/mnt/docs/%C3%BC/")).text, "100% sure?#1.md\n");
    });
    await t.step("lists a folder as JSON that marks symlinks and unreachable ones", async () => {
      const { text, headers } = await get("/mnt/works/", { accept: "application/json" });
      assertEquals(headers.get("content-type"), "application/json");
      const rows: unknown = JSON.parse(text);
      assert(Array.isArray(rows));
      const of = (name: string) => record(rows.find((row: unknown) => record(row).name === name));
      const { updated_at, ...hello } = of("hello.txt");
      assertEquals(hello, { name: "hello.txt", dir: false, size: 10, len: 10 });
      assert(Math.abs(Date.parse(String(updated_at)) - Date.now()) < 60_000);
      assertEquals(of("a b").dir, true);
      assertEquals([of("inner").size, of("inner").link], [10, true]);
      assertEquals(of("inner-folder").dir, true);
      for (const name of ["escape", "escape-folder", "dangling", "loop"]) {
        assertEquals(of(name), { name, dir: false, link: true, reachable: false });
      }
    });
    await t.step("sends a browser the shell's page for a folder", async () => {
      const html = { accept: "text/html,application/xhtml+xml,*/*;q=0.8" };
      const bare = await get("/mnt/docs/%C3%BC", html);
      assertEquals([bare.status, bare.headers.get("location")], [302, "/mnt/docs/%C3%BC/"]);
      const page = await get("/mnt/docs/%C3%BC/", html);
      assertEquals(page.text, "<!doctype html><title>the shell</title>");
      assert(!page.headers.get("content-security-policy")?.includes("sandbox"));
      assertEquals((await get("/mnt/works/hello.txt", html)).text, "0123456789");
    });
    await t.step("sends the content of a file with its validators", async () => {
      const found = await get("/mnt/works/hello.txt");
      assertEquals(found.text, "0123456789");
      assertEquals(found.headers.get("content-type"), "text/plain; charset=utf-8");
      assertEquals(found.headers.get("content-length"), "10");
      assertEquals(found.headers.get("accept-ranges"), "bytes");
      assertEquals(found.headers.get("x-content-type-options"), "nosniff");
      const { mtime } = await Deno.stat(`${folder}/hello.txt`);
      assertEquals(found.headers.get("x-mount-version"), `mtime:${mtime?.getTime()}000000`);
      assertStrictEquals(found.headers.get("last-modified"), mtime?.toUTCString());
      assertEquals((await get("/mnt/works/hello.txt?raw")).text, "0123456789");
      assertEquals((await get("/mnt/works/inner")).text, "0123456789");
      assertEquals((await get("/bin/mnt/works/hello.txt")).text, "0123456789");
      const head = await send("HEAD", "/mnt/works/hello.txt");
      assertEquals(
        [...head.headers].filter(([name]) => name !== "date"),
        [
          ...found.headers,
        ].filter(([name]) => name !== "date"),
      );
    });
    await t.step("sends ranges of a file", async () => {
      const rows: [range: string, status: number, text: string, contentRange?: string][] = [
        ["bytes=0-3", 206, "0123", "bytes 0-3/10"],
        ["bytes=4-", 206, "456789", "bytes 4-9/10"],
        ["bytes=-3", 206, "789", "bytes 7-9/10"],
        ["bytes=-99", 206, "0123456789", "bytes 0-9/10"],
        ["bytes=8-99", 206, "89", "bytes 8-9/10"],
        ["bytes=10-", 416, "", "bytes */10"],
        ["bytes=-0", 416, "", "bytes */10"],
        ["bytes=3-2", 200, "0123456789"],
        ["bytes=0-1,3-4", 200, "0123456789"],
        ["lines=0-1", 200, "0123456789"],
      ];
      for (const [range, status, text, contentRange] of rows) {
        const found = await get("/mnt/works/hello.txt", { range });
        assertStrictEquals(found.status, status, range);
        if (status !== 416) assertStrictEquals(found.text, text, range);
        assertStrictEquals(found.headers.get("content-range"), contentRange, range);
        if (status === 206) {
          assertStrictEquals(found.headers.get("content-length"), String(text.length));
        }
      }
      const { headers } = await get("/mnt/works/hello.txt");
      const etag = headers.get("etag") ?? "";
      const range = "bytes=0-0";
      assertEquals((await get("/mnt/works/hello.txt", { range, "if-range": etag })).status, 206);
      assertEquals((await get("/mnt/works/hello.txt", { range, "if-range": '"x"' })).status, 200);
      const head = await send("HEAD", "/mnt/works/hello.txt", undefined, { range });
      assertEquals([head.status, head.headers.get("content-length")], [200, "10"]);
    });
    await t.step("evaluates preconditions", async () => {
      const { headers } = await get("/mnt/works/hello.txt");
      const etag = headers.get("etag") ?? "";
      const modified = headers.get("last-modified") ?? "";
      assertMatch(etag, /^"[a-z0-9-]+"$/);
      const rows: [headers: Record<string, string>, status: number][] = [
        [{ "if-none-match": etag }, 304],
        [{ "if-none-match": `"other", W/${etag}` }, 304],
        [{ "if-none-match": "*" }, 304],
        [{ "if-none-match": '"other"' }, 200],
        [{ "if-none-match": '"other"', "if-modified-since": modified }, 200],
        [{ "if-modified-since": modified }, 304],
        [{ "if-modified-since": "yesterday" }, 200],
        [{ "if-match": etag }, 200],
        [{ "if-match": `W/${etag}` }, 412],
        [{ "if-match": '"other"' }, 412],
        [{ "if-unmodified-since": modified }, 200],
        [{ "if-unmodified-since": "Sat, 01 Jan 2000 00:00:00 GMT" }, 412],
      ];
      for (const [given, status] of rows) {
        const found = await get("/mnt/works/hello.txt", given);
        assertStrictEquals(found.status, status, JSON.stringify(given));
        if (status === 304) {
          assertEquals([found.body.length, found.headers.get("etag")], [0, etag]);
        }
      }
      await Deno.writeTextFile(`${folder}/changing`, "one");
      const before = (await get("/mnt/works/changing")).headers.get("etag");
      await Deno.writeTextFile(`${folder}/changing`, "three");
      assertEquals(
        (await get("/mnt/works/changing", { "if-none-match": before ?? "" })).text,
        "three",
      );
      await Deno.remove(`${folder}/changing`);
    });
    await t.step(
      "accepts names with spaces, percent signs and letters of all scripts",
      async () => {
        assertEquals((await get("/mnt/docs/%C3%BC/100%25%20sure%3F%231.md")).text, "# odd name\n");
        assertEquals((await get("/mnt/docs/u%CC%88/100%25%20sure%3F%231.md")).text, "# odd name\n");
        await Deno.writeTextFile(`${folder}/nfd-u\u0308.txt`, "NFD on the disk");
        assertMatch((await get("/mnt/works/")).text, /^nfd-ü\.txt$/m);
        assertEquals((await get("/mnt/works/nfd-%C3%BC.txt")).text, "NFD on the disk");
        await Deno.writeTextFile(`${folder}/%2e%2e`, "encoded dots");
        assertEquals((await get("/mnt/works/%252e%252e")).text, "encoded dots");
        await Deno.writeTextFile(`${folder}/two\nlines`, "x");
        await Deno.writeTextFile(`${folder}/back\\slash`, "x");
        assert(
          !/two|back/.test((await get("/mnt/works/")).text),
          "a name cannot add a line to the listing",
        );
        for (const name of [`nfd-u\u0308.txt`, "%2e%2e", "two\nlines", "back\\slash"]) {
          await Deno.remove(`${folder}/${name}`);
        }
      },
    );
    await t.step("sends nothing outside the mounted folder", async () => {
      const rows: [path: string, status: number][] = [
        ["/mnt/works/escape", 403],
        ["/mnt/works/escape-folder", 403],
        ["/mnt/works/escape-folder/", 403],
        ["/mnt/works/escape-folder/key", 403],
        // The response does not reveal whether the target exists.
        ["/mnt/works/escape-folder/none", 403],
        ["/mnt/works/escape-folder/key/x", 403],
        ["/mnt/works/dangling", 403],
        ["/mnt/works/loop", 403],
        ["/mnt/works/../secret/key", 400],
        ["/mnt/works/%2e%2e/secret/key", 400],
        ["/mnt/works/..%2fsecret%2fkey", 400],
        ["/mnt/works/a b/../../../secret/key", 400],
        ["/mnt/works/..%5csecret", 400],
        ["/mnt/works/hello.txt%00", 400],
        ["/mnt/../etc/shadow", 400],
        ["/mnt/works//etc/passwd", 400],
        ["/mnt/works/%252e%252e/secret/key", 404],
        ["/mnt/works/hello.txt/x", 404],
        ["/mnt/works/hello.txt/", 404],
        [`/mnt/works/${"x".repeat(300)}`, 400],
        ["/mnt/works/none", 404],
        ["/mnt/secret/key", 404],
        ["/mnt/WORKS/hello.txt", 404],
      ];
      for (const [path, status] of rows) {
        const target = path.replaceAll(" ", "%20");
        for (const method of ["GET", "HEAD", "PUT", "POST"]) {
          const body = method.startsWith("P") ? "x" : undefined;
          if (body !== undefined && status === 404) continue;
          const found = await send(method, target, body, T2);
          const isFolder = body !== undefined && path.endsWith("/");
          assertStrictEquals(
            found.status,
            isFolder ? 409 : status,
            `${method} ${path}: ${found.text}`,
          );
          assert(!found.text.includes("secret next"), path);
          assert(!found.text.includes(folder), `${path} reveals the path of the folder`);
        }
      }
      assertEquals(await Deno.readTextFile(`${folder}/../secret/key`), "the secret next to it");
    });
    await t.step("sends pages with a sandbox policy", async () => {
      const page = await get("/mnt/works/page.html");
      assertEquals(page.headers.get("content-type"), "text/html; charset=utf-8");
      assertEquals(page.headers.get("content-security-policy"), "sandbox allow-scripts");
      await Deno.writeTextFile(`${folder}/x.svg`, "<svg xmlns='http://www.w3.org/2000/svg'/>");
      const svg = await get("/mnt/works/x.svg", { range: "bytes=0-3" });
      assertEquals(
        [svg.status, svg.headers.get("content-type"), svg.headers.get("content-security-policy")],
        [206, "image/svg+xml", "sandbox allow-scripts"],
      );
      await Deno.remove(`${folder}/x.svg`);
    });
    await t.step("does not read a pipe", async () => {
      const made = await new Deno.Command("mkfifo", { args: [`${folder}/pipe`] }).output()
        .catch(() => ({ success: false }));
      if (!made.success) return; // this system has no named pipes
      assertEquals((await get("/mnt/works/pipe")).status, 403);
      assertEquals((await send("POST", "/mnt/works/pipe", "x", T2)).status, 409);
      assertEquals((await send("PUT", "/mnt/works/pipe", "x", T2)).status, 409);
      await Deno.remove(`${folder}/pipe`);
    });
    await t.step("sends an empty file and a large file", async () => {
      await Deno.writeTextFile(`${folder}/empty`, "");
      const empty = await get("/mnt/works/empty");
      assertEquals([empty.status, empty.headers.get("content-length")], [200, "0"]);
      assertEquals((await get("/mnt/works/empty", { range: "bytes=0-" })).status, 416);
      assertEquals((await get("/mnt/works/empty", { range: "bytes=-5" })).status, 200);
      const large = new Uint8Array(9_000_000).map((_, at) => at * 7 % 251);
      await Deno.writeFile(`${folder}/large.bin`, large);
      const found = await get("/mnt/works/large.bin");
      assertEquals(found.headers.get("content-type"), "application/octet-stream");
      assertEquals(found.body, large);
      const part = await get("/mnt/works/large.bin", { range: "bytes=300000-899999" });
      assertEquals(part.body, large.slice(300_000, 900_000));
      for (const name of ["empty", "large.bin"]) await Deno.remove(`${folder}/${name}`);
    });
    await t.step("accepts a capability that covers the path, and no other", async () => {
      const over = bearer(server.capability("/mnt/works", "r"));
      assertEquals((await get("/mnt/works/hello.txt", over)).status, 200);
      assertEquals((await get("/mnt/docs/note.md", over)).status, 403);
      assertEquals((await get("/mnt/", over)).status, 403);
      const other = bearer(server.capability("/home/x", "rw"));
      assertEquals((await get("/mnt/works/hello.txt", other)).status, 403);
    });
    await t.step("reads a folder whose name has spaces and percent signs", async () => {
      const odd = `${folder}/odd %2f;name`;
      await Deno.mkdir(odd, { recursive: true });
      await Deno.writeTextFile(`${odd}/x`, "odd");
      await Deno.symlink("/etc/hostname", `${odd}/host`);
      await mount(`${odd} /mnt/odd rw`, `${folder} /mnt/works rw`, `${folder}/a b /mnt/docs ro`);
      assertEquals((await get("/mnt/odd/x")).text, "odd");
      assertEquals((await get("/mnt/odd/host")).status, 403);
      assertEquals((await send("PUT", "/mnt/odd/y", "y", T2)).status, 201);
      assertEquals(await Deno.readTextFile(`${odd}/y`), "y");
      await Deno.remove(odd, { recursive: true });
    });
    await t.step("gives another plugin the rights of its caller", async () => {
      const source = plugin(
        { routes: ["/via"] },
        `
        const answer = await env.caller.fetch(url.pathname.slice(4) + url.search);
        return new Response(answer.status + " " + await answer.text());`,
      );
      const stored = await send("PUT", "/lib/via", source, T2);
      assertEquals(stored.status, 201);
      assertEquals((await server.approve("PUT", "/lib/via/state", "active")).status, 200);
      assertEquals((await get("/via/mnt/works/hello.txt?raw")).text, "200 0123456789");
      assertEquals(
        (await get("/via/mnt/docs/%C3%BC/100%25%20sure%3F%231.md?raw")).text,
        "200 # odd name\n",
      );
      assertMatch((await get("/via/mnt/works/escape?raw")).text, /^403 /);
      const over = bearer(server.capability("/mnt/docs", "r"));
      assertEquals((await get("/via/mnt/docs/note.md?raw", over)).text, "200 # note\n");
      assertMatch((await get("/via/mnt/works/hello.txt?raw", over)).text, /^403 /);
    });
  });
});
