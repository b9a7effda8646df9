import { assertEquals, assertMatch } from "../support/assert.ts";
import { requireTool, runTool } from "../dav/tool.ts";
import { APPROVE } from "../support/test_server.ts";
import { type MountServer, T2, T3, withMountServer } from "./fstab/mount_server.ts";
import { withTempFolder } from "../support/temp_folder.ts";

function hrefs(text: string): string[] {
  return [...text.matchAll(/<D:href>([^<]*)<\/D:href>/g)].map(([, href = ""]) => href);
}

async function propfind(place: MountServer, path: string, headers: Record<string, string> = T3) {
  return await place.send("PROPFIND", path, undefined, { depth: "1", ...headers });
}

Deno.test("PROPFIND, GET and PUT /dav/mnt/ reach the mounts with the rights of the caller", () =>
  withMountServer(async (place) => {
    const { folder, upstream } = place;
    await Deno.mkdir(`${folder}/dav/sub`, { recursive: true });
    await Deno.writeTextFile(`${folder}/dav/a b.md`, "# one");
    await place.mount(`${folder}/dav /mnt/notes rw`, `${upstream.origin} /mnt/api ro`);
    assertMatch((await propfind(place, "/dav/")).text, /<D:href>\/dav\/mnt\/<\/D:href>/);
    const mounts = hrefs((await propfind(place, "/dav/mnt/")).text);
    assertEquals(mounts.slice(0, 3), ["/dav/mnt/", "/dav/mnt/api/", "/dav/mnt/notes/"]);
    assertEquals(hrefs((await propfind(place, "/dav/mnt/notes/")).text), [
      "/dav/mnt/notes/",
      "/dav/mnt/notes/a%20b.md",
      "/dav/mnt/notes/sub/",
    ]);
    const part = await place.get("/dav/mnt/notes/a%20b.md", { ...T3, range: "bytes=2-4" });
    assertEquals([part.status, part.text], [206, "one"]);

    const put = await place.send("PUT", "/dav/mnt/notes/new.txt", "new", T2);
    assertEquals(put.status, 201, put.text);
    assertEquals(await Deno.readTextFile(`${folder}/dav/new.txt`), "new");
    assertEquals((await place.send("PUT", "/dav/mnt/notes/new.txt", "newer", T2)).status, 204);
    assertEquals((await place.send("PUT", "/dav/mnt/api/x", "new", T2)).status, 405);
    assertEquals((await place.send("PUT", "/dav/mnt/notes/../../secret", "x", T2)).status, 400);
    assertEquals((await propfind(place, "/dav/mnt/none/")).status, 404);

    upstream.answer = (_request, path) =>
      path === "/users/42"
        ? Response.json({ id: 42 }, { headers: { etag: '"v1"' } })
        : new Response("nothing", { status: 404 });
    const user = await place.send("PROPFIND", "/dav/mnt/api/users/42", undefined, {
      depth: "0",
      ...T3,
    });
    assertEquals(user.status, 207, user.text);
    assertMatch(user.text, /<D:getcontenttype>application\/json/);
    assertEquals((await place.get("/dav/mnt/api/users/42", T3)).text, '{"id":42}');
  }));

Deno.test({
  ...requireTool("rclone", "rclone reads and writes a mount over WebDAV"),
  fn: () =>
    withMountServer((place) =>
      withTempFolder(async (home) => {
        const { folder, server } = place;
        await Deno.mkdir(`${folder}/dav/deep/er`, { recursive: true });
        await Deno.writeTextFile(`${folder}/dav/deep/er/file.txt`, "at the bottom");
        await Deno.writeFile(`${folder}/dav/bytes.bin`, new Uint8Array(300_000).fill(7));
        await place.mount(`${folder}/dav /mnt/notes rw`);
        const rclone = async (...args: string[]) => {
          const { code, text } = await runTool("rclone", ["--config", `${home}/none`, ...args], {
            cwd: home,
            env: {
              RCLONE_CONFIG_DAV_TYPE: "webdav",
              RCLONE_CONFIG_DAV_URL: `http://127.0.0.1:${server.port}/dav/mnt/notes`,
              RCLONE_CONFIG_DAV_HEADERS: `Authorization,Basic ${btoa(`rclone:${APPROVE}`)}`,
            },
          });
          assertEquals(code, 0, text);
          return text;
        };
        await rclone("copy", "dav:", "down");
        assertEquals(await Deno.readTextFile(`${home}/down/deep/er/file.txt`), "at the bottom");
        assertEquals((await Deno.readFile(`${home}/down/bytes.bin`)).length, 300_000);
        await Deno.writeTextFile(`${home}/up.txt`, "uploaded");
        await rclone("copyto", "up.txt", "dav:up.txt");
        assertEquals(await Deno.readTextFile(`${folder}/dav/up.txt`), "uploaded");
      })
    ),
});
