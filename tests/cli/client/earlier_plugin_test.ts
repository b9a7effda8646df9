import { assert, assertEquals } from "../../support/assert.ts";
import {
  checkInstallation,
  type InstallAccess,
  readEarlierPlugin,
  restoreEarlierPlugin,
} from "../../../lib/cli/client/earlier_plugin.ts";
import { ServerClient } from "../../../lib/cli/client/server_client.ts";

interface Call {
  readonly method: string;
  readonly path: string;
  readonly body: string;
  readonly condition: string | null;
}

/** Runs a test against a fake server that answers with the given status and JSON. */
async function withAnswers(
  answer: (call: Call) => readonly [status: number, json: unknown],
  test: (access: InstallAccess, calls: readonly Call[]) => Promise<void>,
): Promise<void> {
  const calls: Call[] = [];
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, async (request) => {
    const { pathname, search } = new URL(request.url);
    const call = {
      method: request.method,
      path: pathname + search,
      body: await request.text(),
      condition: request.headers.get("if-match") ?? request.headers.get("if-none-match"),
    };
    calls.push(call);
    const [status, json] = answer(call);
    return Response.json(json, { status });
  });
  const client = new ServerClient(`http://127.0.0.1:${server.addr.port}`);
  try {
    await test({ client, token: "t2", approve: "t3" }, calls);
  } finally {
    await server.shutdown();
  }
}

const NET = { net: ["a.example"] };

Deno.test("readEarlierPlugin() reads version and state, and a digest only of what the plugin has", async () => {
  const rows: readonly (readonly [status: number, json: unknown, expected: unknown])[] = [
    [404, {}, { version: 0, state: "" }],
    [200, { version: 3, state: "disabled" }, { version: 3, state: "disabled" }],
    [
      200,
      { version: 3, state: "active", permissions: NET, asks: { permissions: NET, digest: "d" } },
      { version: 3, state: "active", asks: "d" },
    ],
    [
      200,
      { version: 3, state: "active", permissions: NET, asks: { permissions: {}, digest: "d" } },
      { version: 3, state: "active" },
    ],
    [200, { version: 3, state: "active", asks: { digest: "d" } }, { version: 3, state: "active" }],
  ];
  for (const [status, json, expected] of rows) {
    await withAnswers(() => [status, json], async (access) => {
      assertEquals(await readEarlierPlugin(access, "x"), expected);
    });
  }
  await withAnswers(() => [500, {}], async (access) => {
    assert("refused" in await readEarlierPlugin(access, "x"));
  });
});

Deno.test("checkInstallation() sends the source to the dry run, and stores nothing", async () => {
  for (const status of [200, 422]) {
    await withAnswers(() => [status, {}], async (access, calls) => {
      const response = await checkInstallation(access, "x", { text: "source", ext: "ts" });
      assertEquals(response.status, status);
      assertEquals(
        calls.map(({ method, path, body }) => [method, path, body]),
        [["POST", "/lib/?check&name=x", "source"]],
      );
    });
  }
});

Deno.test("restoreEarlierPlugin() puts back what was there, unless the source changed again", async () => {
  const active = { version: 3, state: "active", asks: "d" };
  const rows = [
    [{ version: 0, state: "" }, ["DELETE /lib/x"], "x was removed again"],
    [{ version: 3, state: "pending" }, ["PUT /lib/x?from=3"], "version 3 of x is stored again"],
    [
      { version: 3, state: "disabled" },
      ["PUT /lib/x?from=3", "PUT /lib/x/state disabled"],
      "version 3 of x is disabled again",
    ],
    [
      active,
      ["PUT /lib/x?from=3", 'PUT /lib/x/state {"state":"active","asks":"d"}'],
      "version 3 of x is active again",
    ],
  ] as const;
  for (const [earlier, sent, outcome] of rows) {
    await withAnswers(() => [200, {}], async (access, calls) => {
      assertEquals(await restoreEarlierPlugin(access, "x", 4, earlier), outcome);
      assertEquals(
        calls.map(({ method, path, body }) => `${method} ${path} ${body}`.trim()),
        [...sent],
      );
      assertEquals(calls[0]?.condition, '"4"');
    });
  }
  await withAnswers(() => [412, { detail: "changed" }], async (access, calls) => {
    const outcome = await restoreEarlierPlugin(access, "x", 4, active);
    assertEquals(
      outcome,
      "x is stored but not active, and version 3 cannot be restored: changed",
    );
    assertEquals(calls.length, 1);
  });
});
