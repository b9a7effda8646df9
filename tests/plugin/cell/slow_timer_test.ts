import { deepEqual, equal, ok } from "node:assert/strict";
import { SlowTimer, type SlowTimerEntry } from "../../../lib/plugin/cell/slow_timer.ts";

interface Named extends SlowTimerEntry {
  readonly name: string;
}

/** A Patience whose timer goes off when it is told to. */
function fixture(): {
  patience: SlowTimer;
  waiter: (name: string) => Named;
  tick: () => boolean;
  late: string[];
} {
  const timers: (() => void)[] = [];
  const late: string[] = [];
  return {
    patience: new SlowTimer(50, (callback) => timers.push(callback)),
    waiter: (name) => ({ name, index: -1, hasTicked: false, onSlow: () => void late.push(name) }),
    tick() {
      ok(timers.length <= 1, "one timer at a time");
      const [timer] = timers.splice(0);
      timer?.();
      return timer !== undefined;
    },
    late,
  };
}

Deno.test("SlowTimer.wait() tells once who waited through a whole turn of the timer, and them alone", () => {
  const { patience, waiter, tick, late } = fixture();
  patience.add(waiter("slow"));
  equal(tick(), true);
  deepEqual(late, []);
  patience.add(waiter("young"));
  tick();
  deepEqual(late, ["slow"]);
  tick();
  deepEqual(late, ["slow", "young"]);
  equal(tick(), false, "no timer runs for nobody");
});

Deno.test("SlowTimer.done() forgets exactly the one it is told, in any order and twice", () => {
  const { patience, waiter, tick, late } = fixture();
  const waiters = ["a", "b", "c", "d", "e"].map(waiter);
  for (const one of waiters) patience.add(one);
  const [a, , c, , e] = waiters;
  for (const one of [c, c, a, e, e]) if (one) patience.remove(one);
  tick();
  tick();
  deepEqual(late.sort(), ["b", "d"]);
  for (const one of waiters) patience.remove(one);
  equal(tick(), false);
});

Deno.test("SlowTimer.add() adds an entry again, also from within onSlow()", () => {
  const { patience, waiter, tick, late } = fixture();
  let times = 0;
  const again = { ...waiter("again"), onSlow: () => void (++times < 3 && patience.add(again)) };
  patience.add(again);
  for (let turn = 0; turn < 10; turn++) tick();
  equal(times, 3);
  deepEqual(late, []);
});
