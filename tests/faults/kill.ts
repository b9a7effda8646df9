/**
 * Kills a server many times: `deno task test:kill --rounds 1000 --seed 1`. Prints progress and a
 * summary; exits 1 at the first fault and keeps the data folder then.
 */

import { runKills } from "./kill_rounds.ts";

/** Rounds between two lines of progress. */
const ROUNDS_PER_LINE = 25;

function option(name: string, fallback: number): number {
  const at = Deno.args.indexOf(`--${name}`);
  const value = at < 0 ? fallback : Number(Deno.args[at + 1]);
  if (!Number.isInteger(value) || value < 1) throw new Error(`--${name} must be a number`);
  return value;
}

if (import.meta.main) {
  const rounds = option("rounds", 1000);
  const seed = option("seed", crypto.getRandomValues(new Uint32Array(1))[0] ?? 1);
  const folder = await Deno.makeTempDir({ prefix: "kill-" });
  const start = performance.now();
  console.log(`${rounds} rounds, seed ${seed}, ${folder}`);
  let last = 0;
  try {
    const counts = await runKills({
      data: `${folder}/data`,
      rounds,
      seed,
      onRound(round, { acknowledged, applied, lost, moves }) {
        last = round + 1;
        if (last % ROUNDS_PER_LINE !== 0) return;
        console.log(
          `round ${last}: ${acknowledged} acknowledged; unanswered: ${applied} applied, ${lost} not, ` +
            `${moves} moves; ${Math.round((performance.now() - start) / last)} ms per round`,
        );
      },
    });
    console.log(`OK after ${rounds} rounds, seed ${seed}: ${JSON.stringify(counts)}`);
    await Deno.remove(folder, { recursive: true });
  } catch (error) {
    console.error(`FAULT in round ${last}, seed ${seed}, data folder ${folder}`);
    throw error;
  }
}
