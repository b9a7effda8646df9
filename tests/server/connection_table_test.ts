import { assert, assertEquals, assertStrictEquals } from "../support/assert.ts";
import { EDGE_LIMITS, type EdgeLimits, MAX_REFUSED_CONNECTIONS } from "../../lib/limits.ts";
import { ConnectionTable, watchedLength } from "../../lib/server/connection_table.ts";

const MIB = 1024 * 1024;

/** A table with few connections, and a clock that the test sets. */
function createTable(limits: Partial<EdgeLimits> = {}) {
  const clock = { now: 0 };
  const closed: string[] = [];
  const table = new ConnectionTable(
    { ...EDGE_LIMITS, maxConnections: 2, maxClientConnections: 1, ...limits },
    () => clock.now,
  );
  return {
    table,
    clock,
    closed,
    add: (name: string, client?: string) => table.add(client, false, () => void closed.push(name)),
  };
}

Deno.test("ConnectionTable.decide() admits up to the limit, then refuses, then lets wait", () => {
  const { table, add } = createTable();
  assertStrictEquals(table.decide(undefined), "admitted");
  const first = add("a");
  add("b");
  for (let i = 0; i < MAX_REFUSED_CONNECTIONS; i++) {
    assertStrictEquals(table.decide(undefined), "refused");
    table.add(undefined, true, () => {});
  }
  assertStrictEquals(table.decide(undefined), "wait");
  table.remove(first);
  assertStrictEquals(table.decide(undefined), "admitted");
});

Deno.test("ConnectionTable.decide() closes an idle connection for a new one, and no busy one", () => {
  const { table, clock, closed, add } = createTable();
  add("busy").busy = 1;
  add("idle").hasRequested = true;
  clock.now = 999;
  assertStrictEquals(table.decide(undefined), "refused");
  clock.now = 1200;
  assertStrictEquals(table.decide(undefined), "admitted");
  assertEquals(closed, ["idle"]);
  add("silent");
  clock.now = 1399;
  assertStrictEquals(table.decide(undefined), "refused");
  clock.now = 1500;
  assertStrictEquals(table.decide(undefined), "admitted");
  assertEquals(closed, ["idle", "silent"]);
});

Deno.test("ConnectionTable.decide() limits the connections of one client address", () => {
  const { table, add } = createTable({ maxConnections: 1000 });
  const first = add("a", "192.0.2.1");
  assertStrictEquals(table.decide("192.0.2.1"), "refused");
  assertStrictEquals(table.decide("192.0.2.2"), "admitted");
  for (let i = 0; i < MAX_REFUSED_CONNECTIONS; i++) table.add("192.0.2.1", true, () => {});
  assertStrictEquals(table.decide("192.0.2.1"), "closed");
  assertStrictEquals(table.decide("192.0.2.2"), "admitted");
  table.remove(first);
  assertStrictEquals(table.decide("192.0.2.1"), "admitted");
});

Deno.test("ConnectionTable.check() closes a connection without a complete head in time", () => {
  const { table, clock, closed, add } = createTable({ headTimeoutMs: 10, idleTimeoutMs: 20 });
  const used = add("used");
  used.hasRequested = true;
  add("silent");
  clock.now = 9;
  table.check();
  assertEquals(closed, []);
  clock.now = 10;
  table.check();
  assertEquals(closed, ["silent"]);
  clock.now = 20;
  used.busy = 1;
  table.check();
  assertEquals(closed.filter((name) => name === "used"), []);
  used.busy = 0;
  table.check();
  assertEquals(closed.filter((name) => name === "used"), ["used"]);
});

Deno.test("ConnectionTable.check() closes a connection whose response is not read in time", () => {
  const limits = { idleTimeoutMs: 1000, minBytesPerSecond: MIB };
  const { table, clock, closed, add } = createTable(limits);
  const connection = add("slow");
  assert(table.send(connection, 4 * MIB) !== undefined);
  const stream = add("stream");
  assert(table.send(stream, undefined) !== undefined);
  clock.now = 4999;
  table.check();
  assertEquals(closed.length, 0);
  clock.now = 5000;
  table.check();
  assertEquals(closed, ["slow"]);
});

Deno.test("ConnectionTable.send() limits the bytes of large responses", () => {
  const { table, add } = createTable({ maxResponseBytesInFlight: 40 * MIB });
  const connection = add("a");
  const sent = table.send(connection, 20 * MIB);
  assert(table.send(connection, 20 * MIB) !== undefined);
  assertStrictEquals(table.send(connection, 9 * MIB), undefined);
  // A response that the cache shares does not count.
  assert(table.send(connection, 8 * MIB) !== undefined);
  sent?.();
  sent?.();
  assert(table.send(connection, 20 * MIB) !== undefined);
  assertStrictEquals(table.counts().responseBytes, 40 * MIB);
  assertStrictEquals(table.counts().responsesRefused, 1);
});

Deno.test("ConnectionTable.send() admits one response of any length", () => {
  const { table, add } = createTable({ maxResponseBytesInFlight: 1 });
  assert(table.send(add("a"), 20 * MIB) !== undefined);
});

Deno.test("ConnectionTable.closeSoon() closes a connection after a delay, also a busy one", () => {
  const { table, clock, closed, add } = createTable();
  const connection = add("a");
  connection.busy = 1;
  table.closeSoon(connection);
  clock.now = 999;
  table.check();
  assertEquals(closed, []);
  clock.now = 1000;
  table.check();
  assertEquals(closed, ["a"]);
});

Deno.test("watchedLength() names large responses and streams", () => {
  const of = (status: number, length?: number) =>
    watchedLength(
      new Response(null, {
        status,
        ...(length === undefined ? {} : { headers: { "content-length": String(length) } }),
      }),
    );
  assertStrictEquals(of(304), undefined);
  assertStrictEquals(of(200, 65_536), undefined);
  assertStrictEquals(of(200, 65_537), 65_537);
  assertStrictEquals(of(200), "stream");
});
