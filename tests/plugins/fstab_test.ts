/** The mount table: what it grants, and what the list of mounts shows of it. */

import { assert, assertEquals, assertMatch, assertStrictEquals } from "../support/assert.ts";
import { auth, config, permissions, routes } from "../../plugins/fstab.ts";
import { eventually, record } from "../plugin/plugin_test_server.ts";
import { startTestServer } from "../support/test_server.ts";
import { pluginText } from "../support/plugin_server.ts";
import { BEARER, T2, T3, withMountServer } from "./fstab/mount_server.ts";

function permissionsOf(table: string) {
  const { read, write, net, fault } = permissions({ config: { "/etc/fstab": table } });
  return { read, write, net, fault };
}

Deno.test("fstab declares its route for T1 and the mount table as its configuration", () => {
  assertEquals([routes, auth, config], [["/mnt"], "T1", ["/etc/fstab"]]);
});

Deno.test("permissions() are exactly the mounted folders and hosts, and writing only for rw", () => {
  assertEquals(
    permissionsOf(`# comment
      /srv/projects /mnt/works rw

/srv/projects/deep/ /mnt/deep ro
/srv/projects /mnt/again ro
/srv/Library/Application Support/Browser/Default\t/mnt/brave   ro
file:///srv/with%20space /mnt/url rw
file:///srv/50% /mnt/bad ro
https://api.example.com /mnt/api ro,bearer=xyz
https://API.example.com/v2/ /mnt/api2 ro
http://10.0.0.5:8080 /mnt/intra ro
http://[::1]:81/x /mnt/six ro,timeout=3
postgres://db /mnt/pg ro
`),
    {
      read: [
        "/srv/Library/Application Support/Browser/Default",
        "/srv/projects/deep",
        "/srv/with space",
        "/srv/projects",
      ],
      write: ["/srv/with space", "/srv/projects"],
      net: ["api.example.com:443", "10.0.0.5:8080", "[::1]:81"],
      fault:
        "/etc/fstab line 8: /mnt/bad: its file:// URL contains a percent escape that is not valid",
    },
  );
  assertEquals(permissionsOf(""), { read: [], write: [], net: [], fault: undefined });
  assertEquals(permissionsOf("\ufeff/a /mnt/a ro\r\n/b /mnt/b rw\r\n"), {
    read: ["/a", "/b"],
    write: ["/b"],
    net: [],
    fault: undefined,
  });
});

Deno.test("permissions() grant nothing for a line that cannot be used, and report it without its secrets", () => {
  const lines: [line: string, found: RegExp][] = [
    ["/srv", /it is not `source/],
    ["/ /mnt/x rw", /a whole disk cannot be mounted/],
    ["/srv,/etc /mnt/x rw", /contains a comma/],
    ["file:///srv%2C/etc /mnt/x rw", /contains a comma/],
    ["https://u:hunter2@example.com /mnt/x ro", /contains a user or a password/],
    ["https://example.com/?key=hunter2 /mnt/x ro", /contains a query or a fragment/],
    ["/srv /mnt/x ro,bearer=hunter2", /unknown option/],
  ];
  for (const [line, found] of lines) {
    const { fault = "", ...granted } = permissionsOf(`${line}\n/good /mnt/good ro`);
    assertEquals(granted, { read: ["/good"], write: [], net: [] }, line);
    assertMatch(fault, /^\/etc\/fstab line 1: /, line);
    assertMatch(fault, found, line);
    assert(!fault.includes("hunter2"), line);
  }
});

Deno.test("GET /mnt/ lists the mounts and the faults of the table, without a secret", async (t) => {
  await withMountServer(async ({ server, folder, upstream, get, send, mount }) => {
    await t.step("answers as text and as JSON, to HEAD, and with 304", async () => {
      const plain = await get("/mnt/");
      assertMatch(plain.text, /^api\/\ndocs\/\nt\d+\/\nworks\/\n$/);
      assertStrictEquals((await get("/mnt")).text, plain.text);
      assertEquals(plain.headers.get("content-type"), "text/plain; charset=utf-8");
      const etag = plain.headers.get("etag") ?? "";
      assertEquals((await get("/mnt/", { "if-none-match": etag })).status, 304);
      const head = await send("HEAD", "/mnt/");
      assertStrictEquals(head.headers.get("content-length"), String(plain.body.length));
      const json = await get("/mnt/", { accept: "application/json" });
      const rows: unknown = JSON.parse(json.text);
      assert(Array.isArray(rows));
      const [api, docs, , work] = rows.map(record);
      assertEquals([api?.name, api?.dir, api?.kind, api?.mode], ["api", true, "http", "ro"]);
      assertEquals([docs?.kind, docs?.mode, work?.mode], ["file", "ro", "rw"]);
    });
    await t.step("sends a browser the shell's page", async () => {
      const page = await get("/mnt/", { accept: "text/html,*/*;q=0.8" });
      assertEquals(page.text, "<!doctype html><title>the shell</title>");
      assertMatch(
        page.headers.get("content-security-policy") ?? "",
        /script-src 127\.0\.0\.1:\d+\/usr/,
      );
      assertEquals(page.headers.get("x-show"), undefined);
    });
    await t.step("answers 405 to methods that would change it", async () => {
      const options = await send("OPTIONS", "/mnt/");
      assertEquals([options.status, options.headers.get("allow")], [204, "GET, HEAD, OPTIONS"]);
      for (const method of ["PUT", "POST", "DELETE", "PROPFIND"]) {
        const reply = await send(method, "/mnt/", undefined, T3);
        assertEquals(reply.status, 405, method);
        assertEquals(reply.headers.get("allow"), "GET, HEAD, OPTIONS");
      }
    });
    await t.step("lists lines that cannot be used, and the other mounts still work", async () => {
      await mount(
        `${folder} /mnt/works rw`,
        "nonsense",
        `${upstream.origin} /mnt/works ro,bearer=${BEARER}`,
        "s3://bucket /mnt/s3 ro",
        `${folder}/gone /mnt/gone ro`,
        `https://x /mnt/y ro,what=${BEARER}`,
      );
      const { text } = await get("/mnt/");
      assertMatch(
        text,
        /^gone\/\ns3\/\nt\d+\/\nworks\/\n# line 2: .*\n# line 3: .*\n# line 6: .*\n$/,
      );
      assertEquals((await get("/mnt/works/hello.txt")).text, "0123456789");
      assertEquals((await get("/mnt/s3/x")).status, 501);
      assertEquals((await send("PUT", "/mnt/s3/x", "x", T2)).status, 501);
      assertEquals((await get("/mnt/gone/")).status, 404);
      assertEquals((await get("/mnt/none/x")).status, 404);
      const rows: unknown = JSON.parse(
        (await get("/mnt/", { accept: "application/json" })).text,
      );
      assert(Array.isArray(rows));
      assertEquals(record(rows[0]).problem, "it does not exist");
      assertMatch(String(record(rows[1]).problem), /no adapter/);
      assertEquals(record(rows.at(-1)).line, 6);
      const state = record(JSON.parse((await send("GET", "/lib/fstab/state", undefined, T3)).text));
      assertMatch(String(state.fault), /line 2/);
    });
    await t.step("hides the bearer in /etc/fstab below T3", async () => {
      await mount(`${upstream.origin} /mnt/api ro,bearer=${BEARER}`);
      assertMatch((await get("/etc/fstab?raw")).text, /bearer=\*\*\*/);
      assertMatch((await get("/etc/fstab?raw", T2)).text, /bearer=\*\*\*/);
      const whole = await server.send(
        { method: "GET", target: "/etc/fstab?raw", headers: T3 },
        true,
      );
      assert(whole.text.includes(BEARER));
      assertEquals((await send("PUT", "/etc/fstab", "/ /mnt/x rw", T2)).status, 403);
    });
  });
});

Deno.test("PUT /etc/fstab with a mount of the server's data is refused, and the earlier table stays", async (t) => {
  await withMountServer(async ({ server, folder, get, send }) => {
    const { data } = server;
    await Deno.symlink(data, `${folder}/data-link`);
    for (
      const source of [data, `${data}/..`.replace(/\/[^/]+\/\.\.$/, ""), `${folder}/data-link`]
    ) {
      await t.step(
        source === data
          ? "the data folder"
          : source.startsWith(folder)
          ? "a symlink to it"
          : "a folder above it",
        async () => {
          const put = await send("PUT", "/etc/fstab", `${source} /mnt/data rw`, T3);
          assertEquals(put.status, 200, put.text);
          await eventually(async () => {
            const { text } = await send("GET", "/lib/fstab/state", undefined, T3);
            return text.includes(`${source} overlaps the server's own data`) || undefined;
          }, "the table is refused");
          assertEquals((await get("/mnt/data/.approve-token")).status, 404);
          assertEquals((await get("/mnt/works/hello.txt")).text, "0123456789");
        },
      );
    }
    // A symlink that is created later cannot be followed either.
    assertEquals((await get("/mnt/works/data-link/")).status, 403);
    assertEquals((await get("/mnt/works/data-link/.signing-key")).status, 403);
  });
});

Deno.test("fstab is not activated with a mount of the server's data", async () => {
  const server = await startTestServer();
  try {
    await server.approve("PUT", "/etc/fstab", `${server.data} /mnt/data ro`);
    await server.approve("PUT", "/lib/fstab", await pluginText("fstab"));
    const reply = await server.approve("PUT", "/lib/fstab/state", "active");
    assertEquals(reply.status, 422);
    assertMatch(reply.text, /own data/);
  } finally {
    await server.close();
  }
});
