import { assertEquals, assertMatch } from "../../support/assert.ts";
import { restoreWorld, type WantedWorld } from "../../../lib/cli/client/restore_worlds.ts";
import { ServerClient } from "../../../lib/cli/client/server_client.ts";
import { APPROVE, CLOSED, TOKEN, withServer } from "../../support/test_server.ts";

function wanted(body: string, more: Partial<WantedWorld> = {}): WantedWorld {
  return {
    name: "home/x y",
    ext: "md",
    mediaType: "text/markdown",
    meta: [["x-meta-a", "1"]],
    body: new TextEncoder().encode(body),
    ...more,
  };
}

Deno.test("restoreWorld() writes what differs with its extension and metadata, and nothing else", () =>
  withServer({ env: CLOSED }, async ({ port }) => {
    const client = new ServerClient(`http://127.0.0.1:${port}`);
    const restore = async (world: WantedWorld, isDry = false) =>
      (await restoreWorld(client, APPROVE, world, isDry)).text;
    const read = async () => {
      const path = "/home/x%20y";
      const { json, headers } = await client.request("GET", path, { credential: TOKEN });
      return [json, headers.get("x-meta-a")];
    };
    assertEquals(await restore(wanted("one"), true), "would be written again");
    assertEquals(await restore(wanted("one")), "written again, version 1");
    assertEquals(await restore(wanted("one")), "the same already");
    assertEquals(await restore(wanted("two")), "set to its earlier content, version 2");
    assertMatch(JSON.stringify(await read()), /"stage_html":"two","version":2,"ext":"md".*,"1"\]$/);
    for (
      const other of [
        { meta: [] },
        { meta: [["x-meta-a", "2"]] as const },
        { ext: "txt", mediaType: "text/plain" },
      ]
    ) {
      assertEquals(
        await restore(wanted("two", other), true),
        "would be set to its earlier content",
      );
    }
  }));

Deno.test("restoreWorld() reports what the server refuses", () =>
  withServer({ env: CLOSED }, async ({ port }) => {
    const client = new ServerClient(`http://127.0.0.1:${port}`);
    const refused = await restoreWorld(client, "wrong", wanted("one"), false);
    assertEquals(refused.done, false);
    assertMatch(refused.text, /^skipped: .*the credential is unknown or expired/);
    const boot = await restoreWorld(client, TOKEN, wanted("one", { name: "etc/shadow" }), false);
    assertEquals(boot.done, false);
    assertMatch(boot.text, /^skipped: /);
  }));
