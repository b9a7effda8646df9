import { assert, assertEquals } from "../../support/assert.ts";
import { SlowTimer, type SlowTimerEntry } from "../../../lib/plugin/cell/slow_timer.ts";

interface NamedEntry extends SlowTimerEntry {
  readonly name: string;
}

/** A SlowTimer whose timer the test fires. */
function fixture(): {
  timer: SlowTimer;
  waiter: (name: string) => NamedEntry;
  tick: () => boolean;
  late: string[];
} {
  const timers: (() => void)[] = [];
  const late: string[] = [];
  return {
    timer: new SlowTimer(50, (callback) => timers.push(callback)),
    waiter: (name) => ({ name, index: -1, hasTicked: false, onSlow: () => void late.push(name) }),
    tick() {
      assert(timers.length <= 1, "one timer at a time");
      const [fire] = timers.splice(0);
      fire?.();
      return fire !== undefined;
    },
    late,
  };
}

Deno.test("SlowTimer.add() calls onSlow once for an entry that waited for a whole interval", () => {
  const { timer, waiter, tick, late } = fixture();
  timer.add(waiter("slow"));
  assertEquals(tick(), true);
  assertEquals(late, []);
  timer.add(waiter("young"));
  tick();
  assertEquals(late, ["slow"]);
  tick();
  assertEquals(late, ["slow", "young"]);
  assertEquals(tick(), false, "no timer runs without entries");
});

Deno.test("SlowTimer.remove() removes exactly the given entry, in any order, and twice", () => {
  const { timer, waiter, tick, late } = fixture();
  const waiters = ["a", "b", "c", "d", "e"].map(waiter);
  for (const one of waiters) timer.add(one);
  const [a, , c, , e] = waiters;
  for (const one of [c, c, a, e, e]) if (one) timer.remove(one);
  tick();
  tick();
  assertEquals(late.sort(), ["b", "d"]);
  for (const one of waiters) timer.remove(one);
  assertEquals(tick(), false);
});

Deno.test("SlowTimer.add() accepts an entry again, also inside its onSlow", () => {
  const { timer, waiter, tick, late } = fixture();
  let times = 0;
  const again = { ...waiter("again"), onSlow: () => void (++times < 3 && timer.add(again)) };
  timer.add(again);
  for (let turn = 0; turn < 10; turn++) tick();
  assertEquals(times, 3);
  assertEquals(late, []);
});
