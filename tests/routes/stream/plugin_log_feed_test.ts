/** The stream of the log of a plugin, read as a browser does. */

import { assertEquals, assertMatch } from "../../support/assert.ts";
import {
  APPROVE,
  bearer,
  CLOSED,
  type TestServer,
  TOKEN,
  withServer,
} from "../../support/test_server.ts";
import { EventReader } from "../../support/event_reader.ts";
import { get, plugin, setState } from "../../plugin/plugin_test_server.ts";

const T2 = bearer(TOKEN);
const T3 = bearer(APPROVE);
const SOURCE = plugin({}, "console.log('called', url.search); return new Response('x');");

function open(server: TestServer, headers: Record<string, string>): Promise<EventReader> {
  return EventReader.open(`http://127.0.0.1:${server.port}/stream/proc/plugins/p/log`, headers);
}

async function nextText(reader: EventReader): Promise<string> {
  const event = await reader.next();
  if (event === undefined) return "the end";
  const data = JSON.parse(event.data);
  assertEquals([event.type, event.lastEventId], ["line", data.id]);
  return data.text;
}

Deno.test("GET /stream/proc/plugins/<name>/log sends kept lines, then new ones, and resumes", async () => {
  const env = { ...CLOSED, ELASTIK_WRITERS: "1", ELASTIK_SYNC: "normal" };
  const atOneNode = "a node keeps the lines of its own processes";
  await withServer({ env, atOneNode }, async (server) => {
    await server.send({ method: "PUT", target: "/lib/p", body: SOURCE, headers: T2 });
    assertEquals((await setState(server, "p", "active")).status, 200);
    await get(server, "/p?1", T2);
    const reader = await open(server, T2);
    assertMatch(reader.response.headers.get("content-type") ?? "", /^text\/event-stream/);
    assertEquals(await nextText(reader), "called ?1");
    await get(server, "/p?2", T2);
    const second = await reader.next();
    assertEquals(JSON.parse(second?.data ?? "").text, "called ?2");
    await get(server, "/p?3", T2);
    const resumed = await open(server, { ...T2, "last-event-id": second?.lastEventId ?? "" });
    assertEquals(await nextText(resumed), "called ?3");
    await resumed.close();

    // T3 replaces the source: the earlier writer gets no further line.
    assertEquals(await nextText(reader), "called ?3");
    const operator = await open(server, T3);
    for (let i = 1; i <= 3; i++) assertEquals(await nextText(operator), `called ?${i}`);
    await server.approve("PUT", "/lib/p", SOURCE.replace("called", "replaced"));
    assertEquals((await setState(server, "p", "active")).status, 200);
    await get(server, "/p?4", T2);
    assertEquals(await nextText(reader), "the end");
    assertEquals(await nextText(operator), "replaced ?4");
    await operator.close();
  });
});
