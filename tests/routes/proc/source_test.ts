import { assert, assertEquals, assertMatch } from "../../support/assert.ts";
import { listSource, readSource } from "../../../lib/routes/proc/source.ts";
import { parseTarget } from "../../../lib/http/path.ts";
import { Problem } from "../../../lib/http/problem.ts";
import { findProgramSource } from "../../../lib/source/find_program_source.ts";
import { APPROVE, bearer, CLOSED, suite, TOKEN } from "../../support/test_server.ts";
import { runScenarios, type Scenario } from "../../support/scenario.ts";

const ROOT = new URL("../../../", import.meta.url);
const T2 = bearer(TOKEN);
const T3 = bearer(APPROVE);

const test = suite("/proc/source sends the source of the program", { env: CLOSED });

test("GET /proc/source sends T3 the files of the program", async (server) => {
  const list = await server.approve("GET", "/proc/source/");
  const files = list.text.trimEnd().split("\n");
  assert(files.includes("main.ts") && files.includes("lib/routes/proc/source.ts"));
  const json = await server.send({
    method: "GET",
    target: "/proc/source/",
    headers: { ...T3, accept: "application/json" },
  });
  assertEquals(JSON.parse(json.text), { main: "main.ts", files });
  const types: Readonly<Record<string, string>> = {
    "main.ts": "text/typescript; charset=utf-8",
    "deno.json": "application/json",
    "LICENSE": "text/plain; charset=utf-8",
    "worlds/usr/lib/shell/app.js": "text/javascript; charset=utf-8",
  };
  for (const [path, type] of Object.entries(types)) {
    // Test sources contain the secrets of this server; these four do not.
    const got = await server.approve("GET", `/proc/source/${path}`);
    assertEquals([got.status, got.headers.get("content-type")], [200, type]);
    assertEquals(got.body, await Deno.readFile(new URL(path, ROOT)));
    assertEquals(got.headers.get("content-length"), String(got.body.length));
  }
});

test(
  "GET /proc/source answers callers below T3 in the same way for existing and other files",
  async (server, t) => {
    const callers: readonly (readonly [Record<string, string>, number])[] = [
      [{}, 401],
      [T2, 403],
      [bearer("wrong"), 401],
      [bearer(server.capability("/", "rw")), 403],
      [bearer(server.capability("/proc/source", "r")), 403],
    ];
    const paths = ["", "/", "/main.ts", "/none.ts", "/.env"];
    await runScenarios(
      t,
      server,
      callers.flatMap(([as, status]) =>
        paths.map((path): Scenario => ({
          title: "is refused below T3",
          send: `GET /proc/source${path}`,
          as,
          status,
          lacks: ["import", "runCommandLine"],
        }))
      ),
    );
  },
);

test("GET /proc/source serves only the files of its list", async (server, t) => {
  const none = [".env", "data/.key", ".git/config", "lib", "none.ts", "lib/none.ts", "deno.jsonc"];
  await runScenarios(t, server, [
    ...none.map((path): Scenario => ({
      title: "answers 404: not a source file",
      send: `GET /proc/source/${path}`,
      as: T3,
      status: 404,
    })),
    ...["../etc/passwd", "%2e%2e/x", "lib%2fcli.ts", "lib//cli.ts"].map((path): Scenario => ({
      title: "rejects an invalid path",
      send: `GET /proc/source/${path}`,
      as: T3,
      status: 400,
    })),
    ...["PUT", "POST", "DELETE"].map((method): Scenario => ({
      title: "answers 405",
      send: `${method} /proc/source/main.ts`,
      as: T3,
      status: 405,
      has: { allow: "GET, HEAD, OPTIONS" },
    })),
    { title: "lists the files", send: "GET /proc/", status: 200, text: /^source\/$/m },
  ]);
});

Deno.test("listSource() and readSource() answer 501 if the program is a compiled binary", async () => {
  const server = { source: () => findProgramSource({ standalone: true, data: "data" }) };
  for (const [path, handler] of [["", listSource], ["/main.ts", readSource]] as const) {
    const request = new Request(`http://localhost/proc/source${path}`);
    const caller = { tier: "T3", by: "T3", authenticated: true } as const;
    const context = { request, target: parseTarget(request.url), caller };
    const failed = await handler(server, context).then(() => undefined, (error: unknown) => error);
    assert(failed instanceof Problem);
    assertEquals(failed.status, 501);
    assertMatch(failed.detail, /^Cannot show the program's source: the program is compiled/);
  }
});
