import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import reality from "../../plugins/reality.ts";
import { narrow } from "../../lib/auth/capability.ts";
import { APPROVE, bearer, type TestServer, TOKEN } from "../support/test_server.ts";
import { runScenarios, type Scenario } from "../support/scenario.ts";
import { fetchTar, filesBelow, untar, withReality } from "./reality/archives.ts";
import { withTempFolder } from "../support/temp_folder.ts";

const ROOT = new URL("../../", import.meta.url);
const T2 = bearer(TOKEN);
const T3 = bearer(APPROVE);

/** A capability that was narrowed to another prefix. */
function narrowed(server: TestServer, prefix: string, to: string): string {
  const exp = Math.floor(Date.now() / 1000) + 600;
  return narrow(server.capability(prefix, "rw"), { prefix: to, mode: "r", exp });
}

Deno.test("/self packs the listed source, with programs executable", () =>
  withReality(async (server) => {
    const list = (await server.approve("GET", "/proc/source")).text.trimEnd().split("\n");
    await withTempFolder(async (folder) => {
      await untar(await fetchTar(server, "/self"), folder);
      const files = filesBelow(folder);
      assertEquals([...files.keys()].sort(), list);
      for (const [path, { bytes, mode }] of files) {
        const program = bytes[0] === 0x23 && bytes[1] === 0x21;
        assertEquals(mode & 0o700, program ? 0o700 : 0o600, path);
      }
      assert((files.get(".ci/run")?.mode ?? 0) & 0o100);
      for (const path of ["main.ts", "plugins/reality.ts", "tests/browser/axe_test.ts"]) {
        assertEquals(files.get(path)?.bytes, await Deno.readFile(new URL(path, ROOT)), path);
      }
    });
  }));

Deno.test("/self and /__reality__ require T3 or a capability minted for them", (t) =>
  withReality(async (server) => {
    const over = bearer(server.capability("/self", "r"));
    const part = bearer(server.capability("/self/lib", "r"));
    const rows: readonly (readonly [string, Record<string, string>, string, number])[] = [
      ["T3", T3, "/self/main.ts", 200],
      ["T3", T3, "/self/lib/none.ts", 404],
      ["T3", T3, "/self/.env", 404],
      ["T3", T3, "/self/data/.key", 404],
      ["a capability for /self", over, "/self/main.ts", 200],
      ["a capability for /self", over, "/self/lib/cli/main.ts", 200],
      ["a capability for /self", over, "/self/worlds/usr/bin/boot.ts", 200],
      ["a capability for /self", over, "/bin/self/main.ts", 200],
      ["a capability for /self", over, "/__reality__", 403],
      ["a capability for /self", over, "/proc/source/main.ts", 403],
      ["a capability for /self/lib", part, "/self/lib/cli/main.ts", 200],
      ["a capability for /self/lib", part, "/self/main.ts", 403],
      ["no credential", {}, "/self/main.ts", 401],
      ["no credential", {}, "/self", 401],
      ["no credential", {}, "/__reality__", 401],
      ["an unknown credential", bearer("wrong"), "/self", 401],
      ["T2", T2, "/self", 403],
      ["T2", T2, "/self/main.ts", 403],
      ["T2", T2, "/__reality__", 403],
      ["a capability for /home", bearer(server.capability("/home", "rw")), "/self/main.ts", 403],
      ["a capability for /", bearer(server.capability("/", "rw")), "/self/main.ts", 403],
      ["a capability for /", bearer(server.capability("/", "rw")), "/__reality__", 403],
      [
        "a capability for / narrowed to /self",
        bearer(narrowed(server, "/", "/self")),
        "/self/main.ts",
        403,
      ],
      [
        "a capability for / narrowed to /self",
        bearer(narrowed(server, "/", "/self")),
        "/self",
        403,
      ],
      [
        "a capability for /self narrowed to /self/lib",
        bearer(narrowed(server, "/self", "/self/lib")),
        "/self/main.ts",
        403,
      ],
      [
        "a capability for /self narrowed to /self/lib",
        bearer(narrowed(server, "/self", "/self/lib")),
        "/self/lib/cli/main.ts",
        200,
      ],
      [
        "a capability for /__reality__",
        bearer(server.capability("/__reality__", "rw")),
        "/__reality__",
        403,
      ],
    ];
    await runScenarios(
      t,
      server,
      rows.map(([title, as, path, status]): Scenario => ({
        title,
        send: `GET ${path}`,
        as,
        status,
        ...(status === 401 ? { has: { "www-authenticate": /Bearer/ } } : {}),
        ...(status > 400 ? { lacks: ["runCommandLine"] } : {}),
      })),
    );
  }));

Deno.test("/self and /__reality__ are read-only and send types", (t) =>
  withReality(async (server) => {
    await runScenarios(t, server, [
      ...["/self", "/self/main.ts", "/__reality__"].flatMap((path) =>
        ["POST", "PUT", "DELETE"].map((method): Scenario => ({
          title: "is only read",
          send: `${method} ${path}`,
          as: T3,
          status: 405,
          has: { allow: "GET, HEAD" },
        }))
      ),
      {
        title: "is an archive",
        send: "HEAD /self",
        as: T3,
        status: 200,
        has: {
          "content-type": "application/gzip",
          "content-disposition": 'attachment; filename="elastik.tar.gz"',
        },
      },
      {
        title: "is a module",
        send: "GET /self/lib/cli/main.ts",
        as: T3,
        status: 200,
        has: { "content-type": "application/typescript", "cache-control": "no-store" },
      },
      {
        title: "is a module",
        send: "HEAD /self/lib/cli/main.ts",
        as: T3,
        status: 200,
        has: { "content-type": "application/typescript" },
      },
      {
        title: "is text",
        send: "GET /self/worlds/usr/lib/shell/index.html",
        as: T3,
        status: 200,
        has: { "content-type": /^text\/html/, "content-security-policy": /sandbox/ },
      },
      {
        title: "is JSON",
        send: "GET /self/deno.json",
        as: T3,
        status: 200,
        has: { "content-type": "application/json" },
      },
    ]);
  }));

Deno.test("/self/main.ts redirects to the single file of the program", async () => {
  const fetch = (path: string) =>
    Promise.resolve(
      path === "/proc/source/"
        ? Response.json({ main: "my machine.js", files: ["my machine.js"] })
        : new Response("absent", { status: path.endsWith("main.ts") ? 404 : 200 }),
    );
  const env = { caller: { tier: "T3", fetch }, machine: { fetch } };
  const answer = await reality.fetch(new Request("http://server/self/main.ts"), env);
  assertEquals([answer.status, answer.headers.get("location")], [307, "./my%20machine.js"]);
  const other = await reality.fetch(new Request("http://server/self/lib/main.ts"), env);
  assertEquals(other.status, 404);
});

Deno.test("/self passes on the refusal of a server without source", async () => {
  const refused = () => Promise.resolve(new Response("one binary", { status: 501 }));
  const env = { caller: { tier: "T3", fetch: refused }, machine: { fetch: refused } };
  for (const path of ["/self", "/self/", "/self/main.ts"]) {
    const answer = await reality.fetch(new Request(`http://server${path}`), env);
    assertEquals(answer.status, 501);
    assertMatch(await answer.text(), /one binary/);
  }
});
