import { assertEquals, assertThrows } from "../../support/assert.ts";
import { ANONYMOUS, LOCAL } from "../../../lib/auth/authenticate.ts";
import type { Caller } from "../../../lib/auth/caller.ts";
import { Problem } from "../../../lib/http/problem.ts";
import { StreamPlaces } from "../../../lib/routes/stream/stream_places.ts";

const T2: Caller = { tier: "T2", by: "T2", authenticated: true };

/** Returns the status with which a place is refused, or "ok". */
function take(places: StreamPlaces, caller: Caller, address?: string): number | "ok" {
  try {
    places.take("/stream/home/", caller, address);
    return "ok";
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    assertEquals(error.headers, { "retry-after": "10" });
    return error.status;
  }
}

Deno.test("StreamPlaces refuses one stream more than the limits, and counts it", () => {
  const places = new StreamPlaces({ maxStreams: 3, maxStreamsPerClient: 2 });
  const leave = places.take("/stream/home/", T2, "192.0.2.1");
  assertEquals([take(places, T2, "192.0.2.2"), take(places, T2, "192.0.2.3")], ["ok", 429]);
  assertEquals([take(places, ANONYMOUS, "192.0.2.1"), take(places, ANONYMOUS, "192.0.2.2")], [
    "ok",
    503,
  ]);
  assertEquals(places.refused, { total: 1, client: 1 });
  leave();
  leave();
  assertEquals([take(places, T2), take(places, ANONYMOUS, "192.0.2.3")], ["ok", 503]);
});

Deno.test("StreamPlaces counts callers without a credential by address, IPv6 by network", () => {
  const places = new StreamPlaces({ maxStreams: 100, maxStreamsPerClient: 1 });
  const rows: readonly [Caller, string | undefined, number | "ok"][] = [
    [ANONYMOUS, "192.0.2.1", "ok"],
    [LOCAL, "192.0.2.1", 429],
    [ANONYMOUS, "::ffff:192.0.2.1", 429],
    [ANONYMOUS, "192.0.2.2", "ok"],
    [ANONYMOUS, "2001:db8::1", "ok"],
    [ANONYMOUS, "2001:db8:0:0:ffff::1", 429],
    [ANONYMOUS, "2001:db8:0:1::1", "ok"],
    [ANONYMOUS, undefined, "ok"],
    [ANONYMOUS, undefined, 429],
    [T2, "192.0.2.1", "ok"],
    [T2, "192.0.2.77", 429],
  ];
  for (const [caller, address, expected] of rows) {
    assertEquals(take(places, caller, address), expected, `${caller.by} ${address}`);
  }
});

Deno.test("StreamPlaces says what was found and what is allowed", () => {
  const places = new StreamPlaces({ maxStreams: 0, maxStreamsPerClient: 5 });
  assertThrows(
    () => places.take("/stream/home/x", T2, undefined),
    /Cannot open \/stream\/home\/x: the server has 0 open streams; at most 0 are allowed/,
  );
});
