import { assert, assertEquals, assertStrictEquals } from "../support/assert.ts";
import { EDGE_LIMITS, type EdgeLimits, MAX_REFUSED_CONNECTIONS } from "../../lib/limits.ts";
import {
  ConnectionTable,
  type ResponseToSend,
  watchedLength,
} from "../../lib/server/connection_table.ts";

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
  // The time of use can be that of the last check, which was up to a second earlier.
  clock.now = 1999;
  assertStrictEquals(table.decide(undefined), "refused");
  clock.now = 2100;
  assertStrictEquals(table.decide(undefined), "admitted");
  assertEquals(closed, ["idle"]);
  add("silent");
  clock.now = 2299;
  assertStrictEquals(table.decide(undefined), "refused");
  clock.now = 2400;
  assertStrictEquals(table.decide(undefined), "admitted");
  assertEquals(closed, ["idle", "silent"]);
});

Deno.test("ConnectionTable.decide() closes one without a request before one that is used again", () => {
  const { table, clock, closed, add } = createTable();
  add("used").hasRequested = true;
  add("silent");
  clock.now = 5000;
  assertStrictEquals(table.decide(undefined), "admitted");
  assertStrictEquals(table.decide(undefined), "admitted");
  assertEquals(closed, ["silent"]);
});

Deno.test("ConnectionTable.decide() limits the connections of one client address", () => {
  const { table, add } = createTable({ maxConnections: 1000 });
  const first = add("a", "192.0.2.1");
  assertStrictEquals(table.decide("192.0.2.1"), "refused");
  assertStrictEquals(table.decide("192.0.2.2"), "admitted");
  for (let i = 0; i < MAX_REFUSED_CONNECTIONS; i++) table.add("192.0.2.1", true, () => {});
  assertStrictEquals(table.decide("192.0.2.1"), "closed");
  assertStrictEquals(table.decide("192.0.2.2"), "admitted");
  assertEquals(table.counts().refused, { total: 0, client: MAX_REFUSED_CONNECTIONS + 1 });
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
  const limits = { unreadTimeoutMs: 1000, minBytesPerSecond: MIB };
  const { table, clock, closed, add } = createTable({ ...limits, maxConnections: 10 });
  const start = (name: string, progress: { taken: number; hasUnread: boolean }, length?: number) =>
    table.startSending(add(name), {
      bytes: 4 * MIB,
      progress,
      ...(length === undefined ? {} : { length }),
    });
  const slow = { taken: 0, hasUnread: true };
  start("stalled", { taken: 0, hasUnread: true }, 4 * MIB);
  start("slow", slow, 4 * MIB);
  start("stream without events", { taken: 0, hasUnread: false });
  for (clock.now = 500; clock.now < 5000; clock.now += 500) {
    slow.taken++;
    table.check();
    assertEquals(closed, clock.now < 1000 ? [] : ["stalled"]);
  }
  table.check();
  assertEquals(closed, ["stalled", "slow"]);
});

Deno.test("ConnectionTable.check() closes a connection whose response without progress takes too long", () => {
  const limits = { unreadTimeoutMs: 1000, minBytesPerSecond: MIB };
  const { table, clock, closed, add } = createTable(limits);
  table.startSending(add("a"), { bytes: 0, length: 2 * MIB });
  clock.now = 2999;
  table.check();
  assertEquals(closed, []);
  clock.now = 3000;
  table.check();
  assertEquals(closed, ["a"]);
});

Deno.test("ConnectionTable.allowTime() prolongs the time for the next request by that for the response", () => {
  const limits = { idleTimeoutMs: 1000, minBytesPerSecond: MIB };
  const { table, clock, closed, add } = createTable(limits);
  const connection = add("a");
  connection.hasRequested = true;
  table.allowTime(connection, 2 * MIB);
  clock.now = 2999;
  table.check();
  assertEquals(closed.length, 0);
  clock.now = 3000;
  table.check();
  assertEquals(closed, ["a"]);
});

/** A response of which the client takes nothing. */
function unread(bytes: number): ResponseToSend {
  return { bytes, length: bytes, progress: { taken: 0, hasUnread: true } };
}

Deno.test("ConnectionTable.startSending() limits the bytes, and gives up a stalled response", () => {
  const { table, clock, closed, add } = createTable({ maxResponseBytesInFlight: 40 * MIB });
  const first = table.startSending(add("first"), unread(20 * MIB));
  assert(first !== undefined);
  assert(table.startSending(add("second"), unread(20 * MIB)) !== undefined);
  assertStrictEquals(table.startSending(add("third"), unread(1)), undefined);
  table.endSending(first);
  table.endSending(first);
  assertStrictEquals(table.counts().responseBytes, 20 * MIB);
  assert(table.startSending(add("third"), unread(20 * MIB)) !== undefined);
  assertStrictEquals(table.counts().responsesRefused, 1);
  clock.now = 4999;
  assertStrictEquals(table.startSending(add("fourth"), unread(1)), undefined);
  clock.now = 5000;
  assert(table.startSending(add("fourth"), unread(1)) !== undefined);
  assertEquals(closed, ["second"]);
});

Deno.test("ConnectionTable.startSending() admits one response of any length", () => {
  const { table, add } = createTable({ maxResponseBytesInFlight: 1 });
  assert(table.startSending(add("a"), unread(20 * MIB)) !== undefined);
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
  assertStrictEquals(of(200), "unknown");
});
