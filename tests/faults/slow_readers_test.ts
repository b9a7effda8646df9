/**
 * Readers of streams that take nothing cost little: what is the same for all is in memory once, and
 * what differs is limited, per reader and in total.
 */

import { assert, assertEquals } from "../support/assert.ts";
import { EventReader } from "../support/event_reader.ts";
import { bearer, CLOSED, type TestServer, TOKEN, withServer } from "../support/test_server.ts";
import { Connection } from "../support/wire.ts";

const MIB = 1024 * 1024;

async function metric(server: TestServer, name: string): Promise<number> {
  const { text } = await server.approve("GET", "/proc/metrics");
  return Number(new RegExp(`^${name} (.*)$`, "m").exec(text)?.[1] ?? NaN);
}

async function openSilent(server: TestServer, target: string, head = ""): Promise<Connection> {
  const connection = await Connection.open(server.port);
  await connection.write(`GET ${target} HTTP/1.1\r\nhost: localhost\r\n${head}\r\n`);
  return connection;
}

async function untilStreams(server: TestServer, count: number): Promise<void> {
  while (await metric(server, "elastik_streams_open") !== count);
}

async function untilNothingWaits(server: TestServer): Promise<void> {
  while (await metric(server, "elastik_stream_buffer_bytes") !== 0);
}

async function putText(server: TestServer, target: string, body: string): Promise<void> {
  const url = `http://127.0.0.1:${server.port}${target}`;
  const response = await fetch(url, { method: "PUT", headers: bearer(TOKEN), body });
  const text = await response.text();
  assert(response.ok, text);
}

Deno.test("many silent readers of one large world hold its event once", async () => {
  await withServer({ env: CLOSED }, async (server) => {
    // Larger than what the kernel buffers for a connection.
    for (let i = 0; i < 4; i++) {
      const request = { method: "POST", target: "/home/large", headers: bearer(TOKEN) };
      await server.send({ ...request, body: "x".repeat(4 * MIB) });
    }
    const silent: Connection[] = [];
    for (let i = 0; i < 20; i++) silent.push(await openSilent(server, "/stream/home/large"));
    await untilStreams(server, 20);
    while (await metric(server, "elastik_stream_buffer_bytes") === 0);
    const bytes = await metric(server, "elastik_stream_buffer_bytes");
    assert(bytes >= 16 * MIB && bytes < 17 * MIB, `${bytes} bytes`);
    for (const connection of silent) connection.close();
    await putText(server, "/home/large", "small");
    await untilStreams(server, 0);
    await untilNothingWaits(server);
  });
});

Deno.test("a reader that resumes and takes nothing holds one missed version, not all of them", async () => {
  const env = { ...CLOSED, ELASTIK_STREAM_LAG: String(1.5 * MIB) };
  await withServer({ env }, async (server) => {
    for (let i = 0; i < 12; i++) await putText(server, "/home/x", `${i}${"x".repeat(MIB)}`);
    const world = await openSilent(server, "/stream/home/x", "last-event-id: 1\r\n");
    await untilStreams(server, 1);
    while (await metric(server, "elastik_stream_buffer_bytes") === 0);
    // Two versions would be more than a reader may lag: it would be disconnected.
    const bytes = await metric(server, "elastik_stream_buffer_bytes");
    assert(bytes < 1.5 * MIB, `${bytes} bytes`);
    assertEquals(await metric(server, "elastik_streams_lagged_total"), 0);
    world.close();
    const reader = await EventReader.open(
      `http://127.0.0.1:${server.port}/stream/home/x`,
      { "last-event-id": "1" },
    );
    for (let version = 2; version <= 12; version++) {
      assertEquals((await reader.next())?.lastEventId, String(version));
    }
    await reader.close();
  });
});

Deno.test("the bytes for all readers together are limited, and readers that keep up are not affected", async () => {
  const env = { ...CLOSED, ELASTIK_STREAM_BUFFER: String(8 * MIB) };
  await withServer({ env }, async (server) => {
    const url = `http://127.0.0.1:${server.port}/stream/home/?brief`;
    const good = await EventReader.open(url);
    assertEquals((await good.next())?.type, "list");
    const silent: Connection[] = [];
    // Each silent reader follows another world, so that no two hold the same events.
    for (let i = 0; i < 4; i++) {
      await putText(server, `/home/x${i}`, "x".repeat(5 * MIB));
      assertEquals((await good.next())?.type, "update");
      silent.push(await openSilent(server, `/stream/home/x${i}`));
      while (await metric(server, "elastik_stream_buffer_bytes") === 0);
      assert(await metric(server, "elastik_stream_buffer_bytes") <= 8 * MIB, "over the limit");
    }
    while (await metric(server, "elastik_streams_lagged_total") === 0);
    await putText(server, "/home/x", "end");
    assertEquals((await good.next())?.type, "update");
    for (const connection of silent) connection.close();
    await good.close();
  });
});

Deno.test("a reader that lags more than ELASTIK_STREAM_LAG is disconnected", async () => {
  const env = { ...CLOSED, ELASTIK_STREAM_LAG: String(MIB) };
  await withServer({ env }, async (server) => {
    await putText(server, "/home/x", "start");
    const silent = await openSilent(server, "/stream/home/");
    await untilStreams(server, 1);
    for (let i = 0; await metric(server, "elastik_streams_lagged_total") === 0; i++) {
      assert(i < 500, "it was not disconnected");
      await putText(server, "/home/x", `${i}${"x".repeat(MIB)}`);
    }
    await untilStreams(server, 0);
    await untilNothingWaits(server);
    silent.close();
  });
});
