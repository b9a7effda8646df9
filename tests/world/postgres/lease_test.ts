import { assertEquals } from "../../support/assert.ts";
import { Lease } from "../../../lib/world/postgres/lease.ts";

function createLease() {
  const now = { monotonic: 1_000, wall: 1_700_000_000_000 };
  const lease = new Lease({ monotonic: () => now.monotonic, wall: () => now.wall }, 2_000);
  const pass = (ms: number) => {
    now.monotonic += ms;
    now.wall += ms;
  };
  return { lease, now, pass };
}

Deno.test("Lease is not held before the first renewal", () => {
  const { lease } = createLease();
  assertEquals(lease.isHeld, false);
  assertEquals(lease.age, Infinity);
});

Deno.test("Lease lasts from the time at which its renewal was sent", () => {
  const { lease, pass } = createLease();
  const sent = lease.stamp();
  pass(1_500);
  lease.renew(sent);
  assertEquals(lease.isHeld, true);
  pass(499);
  assertEquals(lease.isHeld, true);
  pass(1);
  assertEquals(lease.isHeld, false);
});

Deno.test("Lease ends when only one of the clocks has moved", () => {
  for (const clock of ["monotonic", "wall"] as const) {
    const { lease, now } = createLease();
    lease.renew(lease.stamp());
    now[clock] += 2_000;
    assertEquals(lease.isHeld, false, clock);
  }
});

Deno.test("Lease ends when the wall clock was set back", () => {
  const { lease, now } = createLease();
  lease.renew(lease.stamp());
  now.wall -= 3_600_000;
  assertEquals(lease.isHeld, false);
  lease.renew(lease.stamp());
  assertEquals(lease.isHeld, true);
});

Deno.test("Lease is not shortened by an answer that was overtaken", () => {
  const { lease, pass } = createLease();
  const first = lease.stamp();
  pass(1_000);
  const second = lease.stamp();
  lease.renew(second);
  lease.renew(first);
  assertEquals(lease.age, 0);
});

Deno.test("Lease.end() ends it until the next renewal", () => {
  const { lease } = createLease();
  lease.renew(lease.stamp());
  lease.end();
  assertEquals(lease.isHeld, false);
  lease.renew(lease.stamp());
  assertEquals(lease.isHeld, true);
});
