/** Writing to folders that are mounted `rw`: tiers, replacing, appending, concurrent writers. */

import { assert, assertEquals, assertMatch, assertStrictEquals } from "../support/assert.ts";
import { bearer } from "../support/test_server.ts";
import { Connection } from "../support/wire.ts";
import { eventually, record } from "../plugin/plugin_test_server.ts";
import { T2, T3, withMountServer } from "./fstab/mount_server.ts";

Deno.test("PUT and POST /mnt/<name> write to a mounted folder", async (t) => {
  await withMountServer(async ({ server, folder, mount, upstream, get, send }) => {
    const read = (name: string) => Deno.readTextFile(`${folder}/${name}`);
    await t.step("require T2 or a capability that covers the path", async () => {
      const cap = (prefix: string, mode: "r" | "rw") => bearer(server.capability(prefix, mode));
      await server.approve("PUT", "/etc/passwd", "ada:T1\n");
      const rows: [as: Record<string, string>, status: number][] = [
        [{}, 401],
        [bearer("wrong"), 401],
        [T2, 200],
        [T3, 200],
        [cap("/mnt/works", "rw"), 200],
        [cap("/mnt", "rw"), 200],
        [cap("/mnt/works/tiers", "rw"), 200],
        [cap("/mnt/works", "r"), 403],
        [cap("/mnt/docs", "rw"), 403],
        [cap("/home", "rw"), 403],
      ];
      await Deno.writeTextFile(`${folder}/tiers`, "");
      for (const [as, status] of rows) {
        for (const method of ["PUT", "POST"]) {
          const found = await send(method, "/mnt/works/tiers", "x", as);
          assertStrictEquals(found.status, status, `${method} ${JSON.stringify(as)} ${found.text}`);
          if (status === 401) assertMatch(found.headers.get("www-authenticate") ?? "", /^Bearer/);
        }
      }
    });
    await t.step("create and replace a file by PUT and report its version", async () => {
      const made = await send("PUT", "/mnt/works/new/deep/%C3%BC%20%25.md", "# one\n", T2);
      assertEquals(made.status, 201, made.text);
      assertEquals(made.headers.get("location"), "/mnt/works/new/deep/%C3%BC%20%25.md");
      const stored = record(JSON.parse(made.text));
      assertEquals([stored.path, stored.size], ["/mnt/works/new/deep/ü %.md", 6]);
      assertStrictEquals(stored.version, made.headers.get("x-mount-version"));
      const etag = made.headers.get("etag");
      const found = await get("/mnt/works/new/deep/%C3%BC%20%25.md");
      assertEquals([found.text, found.headers.get("etag")], ["# one\n", etag]);
      assertEquals(
        (await send("PUT", "/mnt/works/new/deep/%C3%BC%20%25.md", "two", T2)).status,
        200,
      );
      assertEquals(await read("new/deep/ü %.md"), "two");
      assertEquals((await send("PUT", "/mnt/works/void", undefined, T2)).status, 201);
      assertEquals(await read("void"), "");
      const bytes = new Uint8Array(3_000_000).map((_, at) => at % 253);
      assertEquals((await send("PUT", "/mnt/works/bytes", bytes, T2)).status, 201);
      assertEquals(await Deno.readFile(`${folder}/bytes`), bytes);
    });
    await t.step("append to a file by POST, or create it", async () => {
      const made = await send("POST", "/mnt/works/log/today", "one", T2);
      assertEquals(made.status, 201, made.text);
      const more = await send("POST", "/mnt/works/log/today", " two", T2);
      assertEquals([more.status, await read("log/today")], [200, "one two"]);
      assert(made.headers.get("etag") !== more.headers.get("etag"));
      const large = new Uint8Array(5 * 1024 * 1024 + 1);
      assertEquals((await send("POST", "/mnt/works/log/today", large, T2)).status, 413);
      assertEquals((await send("POST", "/mnt/works/log/today", large.subarray(1), T2)).status, 200);
      assertStrictEquals((await Deno.stat(`${folder}/log/today`)).size, 7 + 5 * 1024 * 1024);
    });
    await t.step(
      "keep the permissions of a replaced file, and a symlink to it",
      async () => {
        await Deno.writeTextFile(`${folder}/script`, "old");
        if (Deno.build.os !== "windows") await Deno.chmod(`${folder}/script`, 0o750);
        await Deno.symlink("script", `${folder}/script-link`);
        assertEquals((await send("PUT", "/mnt/works/script-link", "new", T2)).status, 200);
        assertEquals(await read("script"), "new");
        assert((await Deno.lstat(`${folder}/script-link`)).isSymlink);
        if (Deno.build.os !== "windows") {
          assertEquals(((await Deno.stat(`${folder}/script`)).mode ?? 0) & 0o777, 0o750);
        }
      },
    );
    await t.step("change a file only if the preconditions are true", async () => {
      const path = "/mnt/works/guarded";
      const put = (headers: Record<string, string>, method = "PUT") =>
        send(method, path, "x", { ...T2, ...headers });
      assertEquals((await put({ "if-match": "*" })).status, 412);
      assertEquals((await put({ "if-match": '"x"' })).status, 412);
      const made = await put({ "if-none-match": "*" });
      assertEquals(made.status, 201);
      const etag = made.headers.get("etag") ?? "";
      for (const method of ["PUT", "POST"]) {
        const late = await put({ "if-none-match": "*" }, method);
        assertEquals([late.status, late.headers.get("etag")], [412, etag]);
        assertEquals((await put({ "if-none-match": etag }, method)).status, 412);
        assertEquals((await put({ "if-match": '"other"' }, method)).status, 412);
        assertEquals((await put({ "if-match": `W/${etag}` }, method)).status, 412);
        const old = "Sat, 01 Jan 2000 00:00:00 GMT";
        assertEquals((await put({ "if-unmodified-since": old }, method)).status, 412);
      }
      assertEquals(await read("guarded"), "x");
      const again = await put({ "if-match": etag }, "POST");
      assertEquals(again.status, 200, again.text);
      assertEquals((await put({ "if-match": etag })).status, 412);
      assertEquals(
        (await put({ "if-match": `"other", ${again.headers.get("etag")}` })).status,
        200,
      );
      assertEquals((await put({ "content-range": "bytes 0-0/5" })).status, 400);
    });
    await t.step("are refused for a mount that is ro, for a folder, and below a file", async () => {
      const rows: [method: string, path: string, status: number, allow?: string][] = [
        ["PUT", "/mnt/docs/note.md", 405, "GET, HEAD, OPTIONS"],
        ["POST", "/mnt/docs/none", 405, "GET, HEAD, OPTIONS"],
        ["DELETE", "/mnt/works/hello.txt", 405, "GET, HEAD, OPTIONS, POST, PUT"],
        ["MKCOL", "/mnt/works/x", 405, "GET, HEAD, OPTIONS, POST, PUT"],
        ["PUT", "/mnt/works", 409],
        ["PUT", "/mnt/works/", 409],
        ["PUT", "/mnt/works/a%20b", 409],
        ["POST", "/mnt/works/a%20b", 409],
        ["PUT", "/mnt/works/x/", 409],
        ["PUT", "/mnt/works/hello.txt/x", 409],
        ["PUT", "/mnt/none/x", 404],
        ["PUT", `/mnt/works/${"x".repeat(300)}`, 400],
      ];
      for (const [method, path, status, allow] of rows) {
        const found = await send(method, path, method === "MKCOL" ? undefined : "x", T3);
        assertStrictEquals(found.status, status, `${method} ${path}: ${found.text}`);
        if (allow !== undefined) assertStrictEquals(found.headers.get("allow"), allow);
        assert(!found.text.includes(folder), found.text);
      }
      assertEquals(
        (await send("PUT", "/mnt/docs/note.md", "x")).status,
        405,
        "a missing credential does not matter",
      );
      const options = await send("OPTIONS", "/mnt/works/hello.txt");
      assertEquals(options.headers.get("allow"), "GET, HEAD, OPTIONS, POST, PUT");
      assertEquals(
        (await send("OPTIONS", "/mnt/docs/")).headers.get("allow"),
        "GET, HEAD, OPTIONS",
      );
      assertEquals(await read("a b/note.md"), "# note\n");
      const forged = { ...T2, origin: "https://elsewhere.example" };
      assertEquals((await send("PUT", "/mnt/works/forged", "x", forged)).status, 403);
    });
    await t.step("store each of several concurrent writes completely or not at all", async () => {
      const letters = [..."abcdefgh"];
      const size = 200_000;
      const urls = `http://127.0.0.1:${server.port}/mnt/works/contested`;
      await (await fetch(urls, { method: "PUT", headers: T2, body: "z".repeat(size) })).text();
      let writing = true;
      const torn: string[] = [];
      async function watch(): Promise<void> {
        while (writing) {
          const answer = await fetch(urls);
          const text = await answer.text();
          // A reader that meets only changing versions gets 503.
          if (answer.status === 503) continue;
          if (text.length !== size || text !== text[0]?.repeat(size)) torn.push(text.slice(0, 50));
        }
      }
      const watching = [watch(), watch()];
      const statuses = await Promise.all(letters.flatMap((letter) =>
        [1, 2, 3].map(async () => {
          const answer = await fetch(urls, {
            method: "PUT",
            headers: T2,
            body: letter.repeat(size),
          });
          await answer.body?.cancel();
          return answer.status;
        })
      ));
      writing = false;
      await Promise.all(watching);
      assertEquals([torn, [...new Set(statuses)]], [[], [200]]);
      const lines = Array.from({ length: 60 }, (_, at) => `line ${at} ${"-".repeat(at * 40)}\n`);
      await Promise.all(lines.map(async (body) => {
        const target = `http://127.0.0.1:${server.port}/mnt/works/appended`;
        const answer = await fetch(target, { method: "POST", headers: T2, body });
        await answer.body?.cancel();
      }));
      const found = (await read("appended")).split(/(?<=\n)/);
      assertEquals(found.sort(), [...lines].sort());
    });
    await t.step(
      "succeed for one of several writers with the same If-Match; the others get 412",
      async () => {
        const made = await send("PUT", "/mnt/works/contended", "0", T2);
        const etag = made.headers.get("etag") ?? "";
        const statuses = await Promise.all(Array.from({ length: 12 }, async (_, at) => {
          const answer = await fetch(`http://127.0.0.1:${server.port}/mnt/works/contended`, {
            method: at % 2 === 0 ? "PUT" : "POST",
            headers: { ...T2, "if-match": etag },
            body: "1",
          });
          await answer.body?.cancel();
          return answer.status;
        }));
        assertEquals(statuses.filter((status) => status === 200).length, 1, statuses.join());
        assertEquals(statuses.filter((status) => status === 412).length, 11);
      },
    );
    await t.step(
      "change nothing if the client disconnects before the end of the body",
      async () => {
        await Deno.writeTextFile(`${folder}/kept`, "kept");
        for (const method of ["PUT", "POST"]) {
          const connection = await Connection.open(server.port);
          await connection.write(
            `${method} /mnt/works/kept HTTP/1.1\r\nhost: 127.0.0.1:${server.port}\r\n` +
              `authorization: ${T2.authorization}\r\ncontent-length: 900000\r\n\r\n` +
              "x".repeat(300_000),
          );
          if (method === "PUT") {
            await eventually(
              async () => (await partsIn(folder)).length === 1 || undefined,
              "the upload has started",
            );
            assert(!(await get("/mnt/works/")).text.includes(".elastik-"));
            const [part = ""] = await partsIn(folder);
            assertEquals((await get(`/mnt/works/${part}`)).status, 404);
          }
          connection.close();
        }
        await eventually(
          async () => (await partsIn(folder)).length === 0 || undefined,
          "the upload was removed",
        );
        assertEquals(await read("kept"), "kept");
      },
    );
    await t.step("do not create a missing mounted folder", async () => {
      await mount(`${folder}/gone /mnt/gone rw`, `${upstream.origin} /mnt/api ro`);
      assertEquals((await send("PUT", "/mnt/gone/x", "x", T2)).status, 409);
      assertEquals((await send("POST", "/mnt/gone/x/y", "x", T2)).status, 409);
      await Deno.lstat(`${folder}/gone`).then(
        () => assert(false, "it was created"),
        (error) => assert(error instanceof Deno.errors.NotFound),
      );
      await Deno.mkdir(`${folder}/gone`);
      assertEquals((await send("PUT", "/mnt/gone/x", "x", T2)).status, 201);
    });
    await t.step("are refused after the mount has become ro", async () => {
      await mount(`${folder} /mnt/works ro`);
      assertEquals((await send("PUT", "/mnt/works/late", "x", T3)).status, 405);
      assertEquals((await get("/mnt/docs/note.md")).status, 404);
      assertEquals((await get("/mnt/works/hello.txt")).text, "0123456789");
    });
  });
});

async function partsIn(folder: string): Promise<string[]> {
  const parts: string[] = [];
  for await (const { name } of Deno.readDir(folder)) {
    if (name.startsWith(".elastik-")) parts.push(name);
  }
  return parts;
}
