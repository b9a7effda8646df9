/**
 * The rules of the checker and a search for an order of the calls agree on small histories of one
 * world. Where they judge different things: the search compares no contents of reads without
 * `no-cache`, no locks and no moves, so the histories have none.
 */

import { assert, assertEquals, assertThrows } from "../support/assert.ts";
import { createRandom } from "../support/random.ts";
import { checkCalls } from "./checker.ts";
import type { Call, Entry } from "./history.ts";
import { isLinearizable } from "./linearizable.ts";
import { mutateCall, mutateTimeline, randomHistory } from "./random_history.ts";

const WORLD = "home/w0";
const HISTORIES = 1_000;
const MUTATIONS = 4;
const SEED = crypto.getRandomValues(new Uint32Array(1))[0] ?? 1;

function call(kind: Call["kind"], version: number, began: number, ended: number): Call {
  const id = `${kind}-${version}`;
  const text = `<${version}>`;
  return {
    id,
    kind,
    world: WORLD,
    node: 0,
    began,
    ended,
    outcome: "ok",
    version,
    text,
    fresh: true,
  };
}

Deno.test("isLinearizable() accepts concurrent calls in either order", () => {
  assert(isLinearizable([call("put", 2, 0, 5), call("put", 1, 1, 4), call("read", 2, 3, 6)]));
});

Deno.test("isLinearizable() refuses a read that is older than a write that ended before", () => {
  const calls = [call("put", 1, 0, 1), call("put", 2, 2, 3), call("read", 1, 4, 5)];
  assertEquals(isLinearizable(calls), false);
  assert(isLinearizable(calls.slice(0, 2)));
});

Deno.test("isLinearizable() lets a call of unknown outcome happen late or never, not early", () => {
  const lost: Call = { ...call("put", 2, 2, 3), outcome: "unknown" };
  const first = call("put", 1, 0, 1);
  const late = call("read", 2, 9, 10);
  assert(isLinearizable([first, lost, late]));
  assert(isLinearizable([first, lost, call("read", 1, 9, 10)]));
  assertEquals(isLinearizable([first, { ...lost, began: 11, ended: 12 }, late]), false);
});

Deno.test("isLinearizable() refuses an order that is not the one of the chain", () => {
  const calls = [call("put", 2, 0, 5), call("put", 1, 1, 4)];
  const chain: Entry[] = [1, 2].map((version) => ({ kind: "put", version, text: `<${version}>` }));
  assert(isLinearizable(calls, { chain }));
  assertEquals(isLinearizable(calls, { chain: chain.toReversed() }), false);
  assertEquals(isLinearizable(calls, { chain: chain.slice(0, 1) }), false);
});

Deno.test("isLinearizable() takes 31 calls, and not 32", () => {
  const calls = Array.from({ length: 32 }, (_, i) => call("put", i + 1, 2 * i, 2 * i + 1));
  assert(isLinearizable(calls.slice(0, 31)));
  assertThrows(() => isLinearizable(calls), RangeError);
});

Deno.test(`the rules and the search agree on random histories, valid and changed (seed ${SEED})`, () => {
  const counts = { valid: 0, wrong: 0, changed: 0 };
  for (let seed = SEED; seed < SEED + HISTORIES; seed++) {
    const random = createRandom(seed);
    const options = { seed, clients: 2 + seed % 3, calls: 3, worlds: 1, nodes: 1, isWhole: false };
    const history = randomHistory(options);
    let calls: readonly Call[] = history.calls;
    let chain: readonly Entry[] = history.final.timelines.get(WORLD) ?? [];
    for (let changes = 0; changes <= MUTATIONS; changes++) {
      if (changes > 0 && random() < 0.6) calls = mutateCall(calls, random);
      else if (changes > 0) chain = mutateTimeline(chain, random);
      const timelines = new Map([[WORLD, chain]]);
      const violations = checkCalls({ calls, locks: [] }, { timelines, faults: [] });
      const isRight = isLinearizable(calls, { chain });
      const shown = JSON.stringify({ seed, changes, violations, calls, chain });
      assertEquals(violations.length === 0, isRight, shown);
      assert(isRight || changes > 0, `a correct history: ${shown}`);
      // What the rules accept is linearizable without the knowledge of the chain, too.
      if (isRight) assert(isLinearizable(calls), shown);
      counts[isRight ? changes > 0 ? "changed" : "valid" : "wrong"] += 1;
    }
  }
  assertEquals(counts.valid, HISTORIES);
  assert(counts.wrong > HISTORIES / 2 && counts.changed > HISTORIES / 2, JSON.stringify(counts));
});
