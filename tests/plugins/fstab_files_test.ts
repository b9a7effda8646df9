/** Reading mounted folders: listings, content, ranges, preconditions, unusual names, escapes. */

import { deepStrictEqual, equal, match, ok } from "node:assert/strict";
import { plugin, record } from "../plugin/plugin_test_server.ts";
import { bearer } from "../support/test_server.ts";
import { T2, withMountServer } from "./fstab/mount_server.ts";

Deno.test("GET /mnt/<name> reads a mounted folder", async (t) => {
  await withMountServer(async ({ server, folder, get, send, mount }) => {
    await t.step("as a listing with one name per line", async () => {
      const found = await get("/mnt/works/");
      equal(
        found.text,
        "a b/\ndangling\nescape\nescape-folder\nhello.txt\ninner\ninner-folder/\nloop\npage.html\n",
      );
      equal((await get("/mnt/works")).text, found.text);
      equal((await get("/mnt/docs/%C3%BC/")).text, "100% sure?#1.md\n");
    });
    await t.step("as JSON that marks symlinks, and those that lead out", async () => {
      const { text, headers } = await get("/mnt/works/", { accept: "application/json" });
      equal(headers.get("content-type"), "application/json");
      const rows: unknown = JSON.parse(text);
      ok(Array.isArray(rows));
      const of = (name: string) => record(rows.find((row: unknown) => record(row).name === name));
      const { updated_at, ...hello } = of("hello.txt");
      deepStrictEqual(hello, { name: "hello.txt", dir: false, size: 10, len: 10 });
      ok(Math.abs(Date.parse(String(updated_at)) - Date.now()) < 60_000);
      equal(of("a b").dir, true);
      deepStrictEqual([of("inner").size, of("inner").link], [10, true]);
      equal(of("inner-folder").dir, true);
      for (const name of ["escape", "escape-folder", "dangling", "loop"]) {
        deepStrictEqual(of(name), { name, dir: false, link: true, reachable: false });
      }
    });
    await t.step("as the shell's page in a browser", async () => {
      const html = { accept: "text/html,application/xhtml+xml,*/*;q=0.8" };
      const bare = await get("/mnt/docs/%C3%BC", html);
      deepStrictEqual([bare.status, bare.headers.get("location")], [302, "/mnt/docs/%C3%BC/"]);
      const page = await get("/mnt/docs/%C3%BC/", html);
      equal(page.text, "<!doctype html><title>the shell</title>");
      ok(!page.headers.get("content-security-policy")?.includes("sandbox"));
      equal((await get("/mnt/works/hello.txt", html)).text, "0123456789");
    });
    await t.step("as the content of a file, with its validators", async () => {
      const found = await get("/mnt/works/hello.txt");
      equal(found.text, "0123456789");
      equal(found.headers.get("content-type"), "text/plain; charset=utf-8");
      equal(found.headers.get("content-length"), "10");
      equal(found.headers.get("accept-ranges"), "bytes");
      equal(found.headers.get("x-content-type-options"), "nosniff");
      const { mtime } = await Deno.stat(`${folder}/hello.txt`);
      equal(found.headers.get("x-mount-version"), `mtime:${mtime?.getTime()}000000`);
      equal(found.headers.get("last-modified"), mtime?.toUTCString());
      equal((await get("/mnt/works/hello.txt?raw")).text, "0123456789");
      equal((await get("/mnt/works/inner")).text, "0123456789");
      equal((await get("/bin/mnt/works/hello.txt")).text, "0123456789");
      const head = await send("HEAD", "/mnt/works/hello.txt");
      deepStrictEqual(
        [...head.headers].filter(([name]) => name !== "date"),
        [
          ...found.headers,
        ].filter(([name]) => name !== "date"),
      );
    });
    await t.step("as ranges", async () => {
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
        equal(found.status, status, range);
        if (status !== 416) equal(found.text, text, range);
        equal(found.headers.get("content-range"), contentRange, range);
        if (status === 206) equal(found.headers.get("content-length"), String(text.length));
      }
      const { headers } = await get("/mnt/works/hello.txt");
      const etag = headers.get("etag") ?? "";
      const range = "bytes=0-0";
      equal((await get("/mnt/works/hello.txt", { range, "if-range": etag })).status, 206);
      equal((await get("/mnt/works/hello.txt", { range, "if-range": '"x"' })).status, 200);
      const head = await send("HEAD", "/mnt/works/hello.txt", undefined, { range });
      deepStrictEqual([head.status, head.headers.get("content-length")], [200, "10"]);
    });
    await t.step("with preconditions", async () => {
      const { headers } = await get("/mnt/works/hello.txt");
      const etag = headers.get("etag") ?? "";
      const modified = headers.get("last-modified") ?? "";
      match(etag, /^"[a-z0-9-]+"$/);
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
        equal(found.status, status, JSON.stringify(given));
        if (status === 304) {
          deepStrictEqual([found.body.length, found.headers.get("etag")], [0, etag]);
        }
      }
      await Deno.writeTextFile(`${folder}/changing`, "one");
      const before = (await get("/mnt/works/changing")).headers.get("etag");
      await Deno.writeTextFile(`${folder}/changing`, "three");
      equal((await get("/mnt/works/changing", { "if-none-match": before ?? "" })).text, "three");
      await Deno.remove(`${folder}/changing`);
    });
    await t.step(
      "with names that have spaces, percent signs and letters of all scripts",
      async () => {
        equal((await get("/mnt/docs/%C3%BC/100%25%20sure%3F%231.md")).text, "# odd name\n");
        equal((await get("/mnt/docs/u%CC%88/100%25%20sure%3F%231.md")).text, "# odd name\n");
        await Deno.writeTextFile(`${folder}/nfd-u\u0308.txt`, "NFD on the disk");
        match((await get("/mnt/works/")).text, /^nfd-ü\.txt$/m);
        equal((await get("/mnt/works/nfd-%C3%BC.txt")).text, "NFD on the disk");
        await Deno.writeTextFile(`${folder}/%2e%2e`, "encoded dots");
        equal((await get("/mnt/works/%252e%252e")).text, "encoded dots");
        await Deno.writeTextFile(`${folder}/two\nlines`, "x");
        await Deno.writeTextFile(`${folder}/back\\slash`, "x");
        ok(
          !/two|back/.test((await get("/mnt/works/")).text),
          "a name cannot add a line to the listing",
        );
        for (const name of [`nfd-u\u0308.txt`, "%2e%2e", "two\nlines", "back\\slash"]) {
          await Deno.remove(`${folder}/${name}`);
        }
      },
    );
    await t.step("and nothing outside it", async () => {
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
          equal(found.status, isFolder ? 409 : status, `${method} ${path}: ${found.text}`);
          ok(!found.text.includes("secret beside"), path);
          ok(!found.text.includes(folder), `${path} reveals the path of the folder`);
        }
      }
      equal(await Deno.readTextFile(`${folder}/../secret/key`), "the secret beside it");
    });
    await t.step("with a sandbox for pages", async () => {
      const page = await get("/mnt/works/page.html");
      equal(page.headers.get("content-type"), "text/html; charset=utf-8");
      equal(page.headers.get("content-security-policy"), "sandbox allow-scripts");
      await Deno.writeTextFile(`${folder}/x.svg`, "<svg xmlns='http://www.w3.org/2000/svg'/>");
      const svg = await get("/mnt/works/x.svg", { range: "bytes=0-3" });
      deepStrictEqual(
        [svg.status, svg.headers.get("content-type"), svg.headers.get("content-security-policy")],
        [206, "image/svg+xml", "sandbox allow-scripts"],
      );
      await Deno.remove(`${folder}/x.svg`);
    });
    await t.step("but not a pipe", async () => {
      const made = await new Deno.Command("mkfifo", { args: [`${folder}/pipe`] }).output()
        .catch(() => ({ success: false }));
      if (!made.success) return; // this system has no named pipes
      equal((await get("/mnt/works/pipe")).status, 403);
      equal((await send("POST", "/mnt/works/pipe", "x", T2)).status, 409);
      equal((await send("PUT", "/mnt/works/pipe", "x", T2)).status, 409);
      await Deno.remove(`${folder}/pipe`);
    });
    await t.step("if it is empty or large", async () => {
      await Deno.writeTextFile(`${folder}/empty`, "");
      const empty = await get("/mnt/works/empty");
      deepStrictEqual([empty.status, empty.headers.get("content-length")], [200, "0"]);
      equal((await get("/mnt/works/empty", { range: "bytes=0-" })).status, 416);
      equal((await get("/mnt/works/empty", { range: "bytes=-5" })).status, 200);
      const large = new Uint8Array(9_000_000).map((_, at) => at * 7 % 251);
      await Deno.writeFile(`${folder}/large.bin`, large);
      const found = await get("/mnt/works/large.bin");
      equal(found.headers.get("content-type"), "application/octet-stream");
      deepStrictEqual(found.body, large);
      const part = await get("/mnt/works/large.bin", { range: "bytes=300000-899999" });
      deepStrictEqual(part.body, large.slice(300_000, 900_000));
      for (const name of ["empty", "large.bin"]) await Deno.remove(`${folder}/${name}`);
    });
    await t.step("with a capability over it, and no other capability", async () => {
      const over = bearer(server.capability("/mnt/works", "r"));
      equal((await get("/mnt/works/hello.txt", over)).status, 200);
      equal((await get("/mnt/docs/note.md", over)).status, 403);
      equal((await get("/mnt/", over)).status, 403);
      const other = bearer(server.capability("/home/x", "rw"));
      equal((await get("/mnt/works/hello.txt", other)).status, 403);
    });
    await t.step("if the name of its folder has spaces and percent signs", async () => {
      const odd = `${folder}/odd %2f;name`;
      await Deno.mkdir(odd, { recursive: true });
      await Deno.writeTextFile(`${odd}/x`, "odd");
      await Deno.symlink("/etc/hostname", `${odd}/host`);
      await mount(`${odd} /mnt/odd rw`, `${folder} /mnt/works rw`, `${folder}/a b /mnt/docs ro`);
      equal((await get("/mnt/odd/x")).text, "odd");
      equal((await get("/mnt/odd/host")).status, 403);
      equal((await send("PUT", "/mnt/odd/y", "y", T2)).status, 201);
      equal(await Deno.readTextFile(`${odd}/y`), "y");
      await Deno.remove(odd, { recursive: true });
    });
    await t.step("through another plugin, with the rights of its caller", async () => {
      const source = plugin(
        { routes: ["/via"] },
        `
        const answer = await env.caller.fetch(url.pathname.slice(4) + url.search);
        return new Response(answer.status + " " + await answer.text());`,
      );
      const stored = await send("PUT", "/lib/via", source, T2);
      equal(stored.status, 201);
      equal((await server.approve("PUT", "/lib/via/state", "active")).status, 200);
      equal((await get("/via/mnt/works/hello.txt?raw")).text, "200 0123456789");
      equal(
        (await get("/via/mnt/docs/%C3%BC/100%25%20sure%3F%231.md?raw")).text,
        "200 # odd name\n",
      );
      match((await get("/via/mnt/works/escape?raw")).text, /^403 /);
      const over = bearer(server.capability("/mnt/docs", "r"));
      equal((await get("/via/mnt/docs/note.md?raw", over)).text, "200 # note\n");
      equal((await get("/via/mnt/works/hello.txt?raw", over)).status, 403);
    });
  });
});
