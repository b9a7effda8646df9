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
