import { assertEquals, assertMatch } from "../../support/assert.ts";
import { APPROVE, bearer, requireOneServer, withServer } from "../../support/test_server.ts";

Deno.test("GET /proc/nodes lists the server to T2, and where it listens to T3 only", async () => {
  await withServer({ env: { ELASTIK_TOKEN: "t2-token-of-a-test" } }, async (server) => {
    requireOneServer("it has a row for each server");
    const get = (headers: Record<string, string>) =>
      server.send({ method: "GET", target: "/proc/nodes", headers });
    assertEquals((await get({})).status, 401);
    const [row, ...others] = JSON.parse((await get(bearer(APPROVE))).text);
    assertEquals([others, row.id, row.readable, row.plugins], [[], "", true, { up: 0, failed: 0 }]);
    assertMatch(row.url, /^http:\/\/127\.0\.0\.1:\d+$/);
    assertMatch(row.seen_at, /^\d{4}-.*Z$/);
    const [seen] = JSON.parse((await get(bearer("t2-token-of-a-test"))).text);
    assertEquals([seen.url, seen.version], [undefined, row.version]);
    const text = (await get({ ...bearer(APPROVE), accept: "text/plain" })).text;
    assertEquals(text.split("\t").slice(0, 3), ["-", row.version, "readable"]);
  });
});
