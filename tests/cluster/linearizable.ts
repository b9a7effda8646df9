/**
 * Decides by search whether a small history of one world is linearizable (Wing and Gong 1993, with the
 * memory of Lowe 2017): whether all calls can take effect one after the other, each between its begin
 * and its end, so that a register with versions gives the same answers. It knows nothing of the rules of
 * `checker.ts`, whose oracle it is. Exponential in the number of concurrent calls.
 *
 * A call of unknown outcome takes effect at any time after its begin, or never.
 */

import type { Call, Entry } from "./history.ts";

/** Most calls of a history: one bit for each in a number. */
const MAX_CALLS = 31;

/** The state of a world. */
interface Register {
  /** The last version that the name had. */
  readonly version: number;
  /** Absent if there is no world. */
  readonly text?: string;
  /** Writes that have taken effect. */
  readonly writes: number;
}

/** What is compared with the chain of the world. */
export interface LinearizableOptions {
  /** The writes in their order, all of them. Without it, only answers are compared. */
  readonly chain?: readonly Entry[];
}

/**
 * Whether there is an order of all calls that explains their answers.
 *
 * @param calls all of one world, without moves
 * @throws {RangeError} if there are more than 31
 */
export function isLinearizable(
  calls: readonly Call[],
  { chain }: LinearizableOptions = {},
): boolean {
  // A refusal for another reason than the state of the world says nothing.
  const known = calls.filter(({ outcome, status }) =>
    outcome !== "refused" || status === 404 || status === 412
  ).filter(({ kind, outcome }) => kind !== "read" || outcome !== "unknown");
  if (known.length > MAX_CALLS) throw new RangeError(`${known.length} calls are too many`);
  const failed = new Set<string>();

  /** @param open bits of the calls that have not taken effect */
  function search(open: number, state: Register): boolean {
    const left = known.filter((_, i) => (open & (1 << i)) !== 0);
    if (left.every(({ outcome }) => outcome === "unknown")) {
      if (chain === undefined || state.writes === chain.length) return true;
    }
    const memory = JSON.stringify([open, state]);
    if (failed.has(memory)) return false;
    // The next call began before all others that are left ended.
    const firstEnd = Math.min(
      ...left.map(({ outcome, ended }) => outcome === "unknown" ? Infinity : ended),
    );
    for (const [i, call] of known.entries()) {
      if ((open & (1 << i)) === 0 || call.began > firstEnd) continue;
      const next = step(state, call, chain);
      if (next !== undefined && search(open & ~(1 << i), next)) return true;
    }
    failed.add(memory);
    return false;
  }

  return search(2 ** known.length - 1, { version: 0, writes: 0 });
}

/** The state after a call; undefined if its answer does not fit the state. */
function step(
  state: Register,
  call: Call,
  chain: readonly Entry[] | undefined,
): Register | undefined {
  const { kind, outcome, status, condition } = call;
  const isPresent = state.text !== undefined;
  const holds = condition === undefined ||
    (condition === "absent" ? !isPresent : isPresent && state.version === condition);
  if (outcome === "refused") {
    const isRight = status === 404 ? !isPresent : condition !== undefined && !holds;
    return isRight ? state : undefined;
  }
  if (kind === "read") {
    return isPresent && call.version === state.version && call.text === state.text
      ? state
      : undefined;
  }
  const next = holds ? write(state, call) : undefined;
  if (next === undefined) return undefined;
  if (outcome === "ok" && kind !== "delete" && call.version !== next.version) return undefined;
  if (chain === undefined) return next;
  const entry = chain[state.writes];
  if (entry === undefined || entry.version !== next.version) return undefined;
  if ((entry.kind === "delete") !== (kind === "delete")) return undefined;
  if (kind === "delete") return outcome === "ok" && call.trash !== entry.trash ? undefined : next;
  return entry.text === next.text ? next : undefined;
}

/** The state after a write whose condition holds; undefined if the world does not exist. */
function write(state: Register, { kind, text = "" }: Call): Register | undefined {
  const { version, text: old } = state;
  const writes = state.writes + 1;
  if (kind === "delete") return old === undefined ? undefined : { version, writes };
  if (kind === "prepend" && old === undefined) return undefined;
  const made = kind === "append"
    ? `${old ?? ""}${text}`
    : kind === "prepend"
    ? `${text}${old}`
    : text;
  return { version: version + 1, text: made, writes };
}
