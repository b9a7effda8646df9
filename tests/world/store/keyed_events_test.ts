import { assertEquals, assertThrows } from "../../support/assert.ts";
import { MAX_WAITING_KEYED_CHARS } from "../../../lib/limits.ts";
import { KeyedEvents } from "../../../lib/world/store/keyed_events.ts";

const A = "a".repeat(22);

function eventOf(key: string, more = "") {
  const payload = JSON.stringify({ by: "T2", idem: `${key}.${A}`, more });
  return { id: 1, timestamp: "t", type: "stage_written", payload };
}

Deno.test("KeyedEvents has nothing of events without a key", () => {
  const events = new KeyedEvents();
  const event = { id: 1, timestamp: "t", type: "stage_written", payload: '{"by":"T2"}' };
  assertEquals(events.add("home/a", [event]), undefined);
  events.remove("home/a", "k");
  assertEquals(events.get("k"), []);
});

Deno.test("KeyedEvents adds the events that waited to those of the index, each once", () => {
  const events = new KeyedEvents();
  for (const name of ["home/a", "home/b"]) assertEquals(events.add(name, [eventOf(A)]), A);
  const waiting = events.get(A);
  const namesOf = (found: readonly { name: string }[]) => found.map(({ name }) => name);
  assertEquals(namesOf(waiting), ["home/a", "home/b"]);
  events.remove("home/a", A);
  assertEquals(namesOf(events.get(A)), ["home/b"]);
  assertEquals(namesOf(events.join(waiting.slice(0, 1), waiting)), ["home/a", "home/b"]);
});

Deno.test("KeyedEvents takes no new key while it is full", () => {
  const events = new KeyedEvents();
  const isFull = () => {
    try {
      events.join([], events.get("new"));
      return false;
    } catch {
      return true;
    }
  };
  const long = "x".repeat(64 * 1024);
  let count = 0;
  const keyOf = (at: number) => String(at).padStart(22, "k");
  while (!isFull()) events.add("home/a", [eventOf(keyOf(count++), long)]);
  assertEquals(count, Math.ceil(MAX_WAITING_KEYED_CHARS / (long.length + 600)));
  const first = keyOf(0);
  assertThrows(() => events.join([], events.get("new")), { code: "busy" });
  assertEquals(events.join([], events.get(first)).length, 1);
  events.remove("home/a", first);
  assertEquals(events.join([], events.get("new")), []);
});
