/**
 * Property: a name in text that a person writes or approves means what the person sees. A name with
 * invisible characters, with a character that looks like a separator, or with two alphabets in one
 * word is refused or reported with its line, wherever such text is read.
 */

import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { sha256Hex } from "../../lib/base/hash.ts";
import { eventually, plugin } from "../plugin/plugin_test_server.ts";
import { installPlugin, putWorld, withPluginServer } from "../support/plugin_server.ts";
import { basic, bearer, TOKEN } from "../support/test_server.ts";

const MISLEADING = [
  "a\u200bb",
  "a\u00a0b",
  "a\u202eb",
  "\u3164",
  "a\u2044b",
  "\u0430dmin",
  "a\u2060b",
];

Deno.test("POST /auth/mint answers 400 to a prefix that can be mistaken", () =>
  withPluginServer({ plugins: [] }, async (server) => {
    for (const name of MISLEADING) {
      const target = `/auth/mint?prefix=${encodeURIComponent(`/home/${name}`)}`;
      const { status, text } = await server.approve("POST", target);
      assertEquals(status, 400, JSON.stringify(name));
      assertMatch(text, /can be mistaken for another path/);
    }
    const joined = encodeURIComponent("/home/\u{1f469}\u200d\u{1f4bb}");
    assertEquals((await server.approve("POST", `/auth/mint?prefix=${joined}`)).status, 200);
  }));

Deno.test("/dev/fanout writes to no target that can be mistaken, and reports its line", () =>
  withPluginServer({ plugins: [] }, async (server) => {
    const lines = ["home/plain", ...MISLEADING.map((name) => `home/${name}x`)];
    await putWorld(server, "/etc/fanout.conf", lines.join("\n"));
    await installPlugin(server, "fanout");
    const headers = { ...bearer(TOKEN), accept: "application/json" };
    const listed = await server.send({ method: "GET", target: "/dev/fanout", headers });
    const rows: { line: number; fault?: string }[] = JSON.parse(listed.text);
    assertEquals(rows.length, lines.length);
    for (const { line, fault } of rows) assertEquals(fault === undefined, line === 1, `${line}`);
    await server.send({ method: "POST", target: "/dev/fanout", headers, body: "text" });
    const { text } = await server.approve("GET", "/home/");
    assertEquals(text, "plain\n");
  }));

Deno.test("/etc/fstab mounts no name that can be mistaken, and reports its line", () =>
  withPluginServer({ plugins: [] }, async (server) => {
    await putWorld(
      server,
      "/etc/fstab",
      "https://e.com /mnt/a\u034fb ro\nhttps://e.com /mnt/c ro\n",
    );
    await installPlugin(server, "fstab");
    const { text } = await server.approve("GET", "/lib/fstab/state");
    assertMatch(JSON.parse(text).fault, /line 1: the name of the mount can be mistaken: .*U\+034F/);
  }));

Deno.test("an account whose name can be mistaken does not exist, and its line is logged", () =>
  withPluginServer({ plugins: [] }, async (server) => {
    const names = ["ada", "a\u200bda", "\u0430da"];
    await putWorld(
      server,
      "/etc/shadow",
      names.map((name) => `${name}:${sha256Hex("pw")}`).join("\n"),
    );
    await putWorld(server, "/etc/passwd", names.map((name) => `${name}:T2`).join("\n"));
    const tierOf = async (name: string) =>
      (await server.send({ method: "GET", target: "/auth/whoami", headers: basic(name, "pw") }))
        .status;
    await eventually(
      () =>
        Promise.resolve(
          server.log.find((line) => /passwd has lines that are ignored.*: 2, 3/.test(line)),
        ),
      "the lines are logged",
    );
    assertEquals(await tierOf("ada"), 200);
    for (const name of names.slice(1)) assertEquals(await tierOf(name), 401, JSON.stringify(name));
  }));

Deno.test("PUT /lib/x/state answers 422 to a route or a grant that can be mistaken", () =>
  withPluginServer({ plugins: [] }, async (server) => {
    for (
      const source of [
        plugin({ routes: ["/g\u200bpu"] }, ""),
        plugin({ routes: ["/x"], grants: { "/home/\u0430dmin/": "rw" } }, ""),
        plugin({ routes: ["/x"], config: ["/etc/x\u2060.conf"] }, ""),
      ]
    ) {
      await server.approve("PUT", "/lib/x", source);
      const { status, text } = await server.approve("PUT", "/lib/x/state", "active");
      assertEquals(status, 422, text);
      assert(text.includes("can be mistaken for another path"), text);
    }
  }));
