import { assertEquals } from "../../support/assert.ts";
import { type EventPlace, selectLaterEvents } from "../../../lib/world/worker/chain_rewind.ts";

/** Places from `id@time` texts, oldest first; their numbers begin with 1. */
function placesOf(...texts: string[]): EventPlace[] {
  return texts.map((text, at) => {
    const [event, time = ""] = text.split("@");
    return { seq: at + 1, event: Number(event), at: time };
  }).reverse();
}

Deno.test("selectLaterEvents() selects the events after the one that is kept", () => {
  const places = placesOf("1@10", "2@11", "3@12", "4@13");
  const later = { event: 4, at: "13", keep: 2, since: "11" };
  assertEquals(selectLaterEvents(places, later), [4, 3]);
  assertEquals(selectLaterEvents(places, { ...later, keep: 4 }), []);
  assertEquals(selectLaterEvents(places, { ...later, keep: 0, since: "" }), [4, 3, 2, 1]);
});

Deno.test("selectLaterEvents() leaves the events of other chains of the name", () => {
  // An earlier world of the name, of which the end was indexed late, and a later one.
  const places = placesOf("1@10", "2@11", "1@20", "2@21", "3@12", "3@22", "4@23", "1@30", "2@31");
  const later = { event: 4, at: "23", keep: 1, since: "20" };
  assertEquals(selectLaterEvents(places, later), [7, 6, 4]);
});

Deno.test("selectLaterEvents() continues after an event that was never indexed", () => {
  const places = placesOf("1@10", "2@11", "4@13");
  assertEquals(selectLaterEvents(places, { event: 4, at: "13", keep: 1, since: "10" }), [3, 2]);
});
