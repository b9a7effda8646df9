import { assertEquals, assertMatch } from "../../support/assert.ts";
import { eventually } from "../../plugin/plugin_test_server.ts";
import { APPROVE, bearer, withServer } from "../../support/test_server.ts";

interface NodeRow {
  readonly id: string;
  readonly url?: string;
  readonly version: string;
  readonly seen_at: string;
  readonly readable: boolean;
  readonly plugins: unknown;
}

Deno.test("GET /proc/nodes lists each server to T2, and where it listens to T3 only", async () => {
  await withServer({ env: { ELASTIK_TOKEN: "t2-token-of-a-test" } }, async (server) => {
    const ids = server.isCluster ? ["n0", "n1", "n2"] : [""];
    const get = (headers: Record<string, string>) =>
      server.send({ method: "GET", target: "/proc/nodes", headers });
    assertEquals((await get({})).status, 401);
    // A node tells the others every two seconds, and for the first time before it listens.
    const rows = await eventually(async () => {
      const rows: NodeRow[] = JSON.parse((await get(bearer(APPROVE))).text);
      const isComplete = rows.length === ids.length && rows.every(({ url }) => url !== undefined);
      return isComplete ? rows : undefined;
    }, "each server has a row with its address");
    assertEquals(rows.map(({ id }) => id), ids);
    for (const { url, seen_at, readable, plugins } of rows) {
      assertEquals([readable, plugins], [true, { up: 0, failed: 0 }]);
      assertMatch(url ?? "", /^http:\/\/127\.0\.0\.1:\d+$/);
      assertMatch(seen_at, /^\d{4}-.*Z$/);
    }
    assertEquals(new Set(rows.map(({ url }) => url)).size, ids.length);
    const seen: NodeRow[] = JSON.parse((await get(bearer("t2-token-of-a-test"))).text);
    assertEquals(
      seen.map(({ url, version }) => [url, version]),
      rows.map(({ version }) => [undefined, version]),
    );
    const text = (await get({ ...bearer(APPROVE), accept: "text/plain" })).text;
    assertEquals(
      text.trimEnd().split("\n").map((line) => line.split("\t").slice(0, 3)),
      rows.map(({ id, version }) => [id === "" ? "-" : id, version, "readable"]),
    );
  });
});
