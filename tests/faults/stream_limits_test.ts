/** The number of open event streams is limited, in total and per client, through every entry point. */

import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { EventReader } from "../support/event_reader.ts";
import { APPROVE, bearer, CLOSED, TOKEN, withServer } from "../support/test_server.ts";

Deno.test("GET /stream answers 429 beyond the limit of a client and 503 beyond the limit of all", async () => {
  const env = { ...CLOSED, ELASTIK_STREAMS: "4", ELASTIK_STREAMS_PER_CLIENT: "2" };
  await withServer({ env }, async (server) => {
    const open: EventReader[] = [];
    const take = async (path: string, headers: Record<string, string> = {}) => {
      const reader = await EventReader.open(`http://127.0.0.1:${server.port}${path}`, headers);
      const { status } = reader.response;
      if (status === 200) open.push(reader);
      else {
        assertEquals(reader.response.headers.get("retry-after"), "10");
        await reader.close();
      }
      return status;
    };
    const cap = server.capability("/home/a", "rw");
    const t2 = bearer(TOKEN);
    const capability = bearer(cap);
    assertEquals(await take("/stream/home/x"), 200);
    assertEquals(await take("/bin/stream/home/"), 200);
    assertEquals(await take("/stream/home/"), 429);
    assertEquals(await take("/bin/stream/home/y"), 429);
    assertEquals(await take("/stream/home/x", t2), 200);
    assertEquals(await take("/stream/home/a/", capability), 200);
    assertEquals(await take("/stream/home/a/x", capability), 503);
    assertEquals(await take("/stream/home/x", bearer(APPROVE)), 503);
    // A HEAD request opens no stream.
    assertEquals((await server.send({ method: "HEAD", target: "/stream/home/x" })).status, 200);
    const { text } = await server.approve("GET", "/proc/metrics");
    assertMatch(text, /^elastik_streams_open 4$/m);
    assertMatch(text, /^elastik_streams_refused_total\{limit="client"\} 2$/m);
    assertMatch(text, /^elastik_streams_refused_total\{limit="total"\} 2$/m);
    await open.shift()?.close();
    let status = 429;
    while (status === 429) status = await take("/stream/home/x");
    assertEquals(status, 200);
    for (const reader of open) await reader.close();
  });
});

Deno.test("a stream that is refused or fails takes no place", async () => {
  const env = { ...CLOSED, ELASTIK_STREAMS_PER_CLIENT: "1" };
  await withServer({ env }, async (server) => {
    for (const target of ["/stream/etc/shadow", "/stream/home/a%3Ab", "/stream/boot/"]) {
      const { status } = await server.send({ method: "GET", target });
      assert(status === 400 || status === 401, `${target} ${status}`);
    }
    const reader = await EventReader.open(`http://127.0.0.1:${server.port}/stream/home/x`);
    assertEquals(reader.response.status, 200);
    await reader.close();
  });
});
