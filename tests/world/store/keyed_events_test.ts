import { assertEquals } from "../../support/assert.ts";
import { KeyedEvents } from "../../../lib/world/store/keyed_events.ts";

Deno.test("KeyedEvents has nothing of events without a key", () => {
  const events = new KeyedEvents();
  const event = { id: 1, timestamp: "t", type: "stage_written", payload: '{"by":"T2"}' };
  assertEquals(events.add("home/a", [event]), undefined);
  events.remove("home/a", "k");
  assertEquals(events.get("k"), []);
});
