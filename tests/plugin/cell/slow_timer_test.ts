import { deepEqual, equal, ok } from "node:assert/strict";
import { Patience, type Waiter } from "../../../lib/plugin/cell/slow_timer.ts";

interface Named extends Waiter {
  readonly name: string;
}

/** A Patience whose timer goes off when it is told to. */
function fixture(): {
  patience: Patience;
  waiter: (name: string) => Named;
  tick: () => boolean;
  late: string[];
} {
  const timers: (() => void)[] = [];
  const late: string[] = [];
  return {
    patience: new Patience(50, (callback) => timers.push(callback)),
    waiter: (name) => ({ name, place: -1, seen: false, late: () => void late.push(name) }),
    tick() {
      ok(timers.length <= 1, "one timer at a time");
      const [timer] = timers.splice(0);
      timer?.();
      return timer !== undefined;
    },
    late,
  };
}

Deno.test("Patience.wait() tells once who waited through a whole turn of the timer, and them alone", () => {
  const { patience, waiter, tick, late } = fixture();
  patience.wait(waiter("slow"));
  equal(tick(), true);
  deepEqual(late, []);
  patience.wait(waiter("young"));
  tick();
  deepEqual(late, ["slow"]);
  tick();
  deepEqual(late, ["slow", "young"]);
  equal(tick(), false, "no timer runs for nobody");
});

Deno.test("Patience.done() forgets exactly the one it is told, in any order and twice", () => {
  const { patience, waiter, tick, late } = fixture();
  const waiters = ["a", "b", "c", "d", "e"].map(waiter);
  for (const one of waiters) patience.wait(one);
  const [a, , c, , e] = waiters;
  for (const one of [c, c, a, e, e]) if (one) patience.done(one);
  tick();
  tick();
  deepEqual(late.sort(), ["b", "d"]);
  for (const one of waiters) patience.done(one);
  equal(tick(), false);
});

Deno.test("Patience.wait() takes one who waits again, from within late() as well", () => {
  const { patience, waiter, tick, late } = fixture();
  let times = 0;
  const again = { ...waiter("again"), late: () => void (++times < 3 && patience.wait(again)) };
  patience.wait(again);
  for (let turn = 0; turn < 10; turn++) tick();
  equal(times, 3);
  deepEqual(late, []);
});
