import { assertThrows } from "../../support/assert.ts";
import { RateLimit } from "../../../lib/plugin/cell/rate_limit.ts";
import { ProtocolError } from "../../../lib/plugin/wire/frames.ts";

Deno.test("RateLimit.count() throws a ProtocolError beyond the limit of a second", () => {
  let now = 5000;
  const meter = new RateLimit(3, "frames", () => now);
  for (let i = 0; i < 3; i++) meter.count();
  assertThrows(() => meter.count(), ProtocolError);
  now += 999;
  assertThrows(() => meter.count(), /more than 3 frames per second/);
  now += 1;
  for (let i = 0; i < 3; i++) meter.count();
  assertThrows(() => meter.count(), ProtocolError);
});

Deno.test("RateLimit.count() accepts at once what a server missed while it was busy, up to ten seconds of it", () => {
  let now = 5000;
  const meter = new RateLimit(3, "frames", () => now);
  for (let i = 0; i < 3; i++) meter.count();
  for (const [ms, accepted] of [[4000, 12], [3_600_000, 30], [1000, 3]] as const) {
    now += ms;
    for (let i = 0; i < accepted; i++) meter.count();
    assertThrows(() => meter.count(), ProtocolError);
  }
});

Deno.test("RateLimit.count() counts anew if the clock is set back", () => {
  let now = 3_600_000;
  const meter = new RateLimit(3, "frames", () => now);
  for (let i = 0; i < 3; i++) meter.count();
  now = 0;
  for (let i = 0; i < 3; i++) meter.count();
  assertThrows(() => meter.count(), ProtocolError);
});
