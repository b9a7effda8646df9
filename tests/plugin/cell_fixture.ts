/** Shared by the tests of cells: a cell of a few lines of source, short limits, and process checks. */

import { CELL_LIMITS, type CellLimits } from "../../lib/cell_limits.ts";
import { Cell, type CellEvent } from "../../lib/plugin/cell/cell.ts";
import type { CellInit } from "../../lib/plugin/wire/cell_init.ts";
import { buildCellInit } from "../../lib/plugin/cell/build_cell_init.ts";
import { parsePermissions, type Permissions } from "../../lib/plugin/manifest/permissions.ts";
import {
  type CellProgram,
  createProcessStarter,
} from "../../lib/plugin/transport/process_transport.ts";
import type { CallerContext, Subrequest } from "../../lib/plugin/cell/cell_run.ts";
import { validateSource } from "../../lib/plugin/manifest/validate_source.ts";
import { createStripTypes } from "../../lib/plugin/host/strip_types.ts";
import type { StartCell } from "../../lib/plugin/transport/transport.ts";
import { startWorkerCell } from "../../lib/plugin/transport/worker_transport.ts";

/** How the tests start a cell's process. */
export const PROGRAM: CellProgram = {
  execPath: Deno.execPath(),
  main: new URL("../../lib/plugin/transport/cell_main.ts", import.meta.url).href,
  args: [],
  env: homeOnly(),
};

/** Both transports. */
export const LAUNCHES = {
  process: createProcessStarter(PROGRAM),
  worker: startWorkerCell,
} as const;
/** Name of a transport. */
export type LaunchName = keyof typeof LAUNCHES;

/** Limits short enough for tests that wait for them. */
export const SHORT: CellLimits = {
  ...CELL_LIMITS,
  // A test that waits for one of these limits sets its own: a busy computer can need seconds for a start,
  // a response or a heartbeat.
  startTimeoutMs: 30_000,
  responseTimeoutMs: 20_000,
  heartbeatMs: 150,
  heartbeatTimeoutMs: 20_000,
  maxRequests: 8,
  maxWaiting: 8,
  maxCalls: 8,
  idleMs: 0,
  drainTimeoutMs: 30_000,
  backoffMs: 20,
  maxBackoffMs: 40,
  residentMiB: 300,
  heapMiB: 64,
};

/** How long the tests wait for what a busy computer does slowly, in milliseconds. It limits no speed. */
export const WAIT_MS = 60_000;

/**
 * The clock of a cell whose limit must be exceeded: the limit is long, and the test sets the clock forward
 * after the attack began. With a short limit, a slow computer would exceed it with a correct request.
 */
export class LimitClock {
  #aheadMs = 0;

  /** Returns the time of the cell. */
  readonly now = (): number => Date.now() + this.#aheadMs;

  /** Sets the clock forward until `holds` returns true. */
  async until(holds: () => boolean, what: string): Promise<void> {
    await until(
      () => {
        if (holds()) return true;
        this.#aheadMs += 1000;
        return false;
      },
      WAIT_MS,
      what,
    );
  }

  /** Sets the clock forward until `promise` has settled, and returns it. */
  async settle<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false;
    const settled = () => {
      isSettled = true;
    };
    promise.then(settled, settled);
    await this.until(() => isSettled, "the limit ends it");
    return await promise;
  }
}

/** A cell with what it has reported. */
export interface Fixture {
  readonly cell: Cell<string>;
  readonly events: CellEvent[];
  readonly lines: string[];
  /** Sends a request for a path to the plugin. */
  ask(path: string, init?: RequestInit, caller?: Partial<CallerContext<string>>): Promise<Response>;
  /** Sends a request for a path and reads the response as text. */
  text(path: string, init?: RequestInit): Promise<string>;
}

/** Options of {@link makeCell}. */
export interface FixtureOptions {
  readonly launch?: LaunchName;
  /** Starts the cell in place of `launch`. */
  readonly startCell?: StartCell;
  readonly limits?: Partial<CellLimits>;
  /** The clock of the cell; `Date.now` if absent. */
  readonly now?: () => number;
  readonly permissions?: Partial<Permissions>;
  readonly config?: Record<string, string>;
  readonly variables?: Record<string, string>;
  readonly answerSubrequest?: (call: Subrequest<string>) => Promise<Response>;
}

/** Creates the init of a plugin from its source. */
export async function makeInit(source: string, options: FixtureOptions = {}): Promise<CellInit> {
  return await buildCellInit({
    name: "test",
    code: await validateSource(
      new TextEncoder().encode(source),
      createStripTypes(LAUNCHES.process, SHORT, Date.now),
    ),
    permissions: parsePermissions(options.permissions ?? {}),
    config: options.config ?? {},
    limits: { ...SHORT, ...options.limits },
    readVariable: (name) => options.variables?.[name],
    realPath: Deno.realPath,
    forbiddenFolders: [],
  });
}

/** Creates a cell of a source without starting it. */
export async function makeCell(source: string, options: FixtureOptions = {}): Promise<Fixture> {
  const events: CellEvent[] = [];
  const lines: string[] = [];
  const cell = new Cell<string>({
    init: await makeInit(source, options),
    startCell: options.startCell ?? LAUNCHES[options.launch ?? "process"],
    limits: { ...SHORT, ...options.limits },
    now: options.now ?? Date.now,
    answerSubrequest: options.answerSubrequest ??
      (() => Promise.resolve(new Response("no server"))),
    log: (level, line) => lines.push(`${level} ${line}`),
    onEvent: (event) => events.push(event),
  });
  const ask = (path: string, init?: RequestInit, caller: Partial<CallerContext<string>> = {}) =>
    cell.request(new Request(`http://localhost${path}`, init), {
      authority: "caller's",
      tier: "T2",
      by: "T2",
      depth: 0,
      ...caller,
    });
  return {
    cell,
    events,
    lines,
    ask,
    text: async (path, init) => await (await ask(path, init)).text(),
  };
}

/** Runs `body` with a cell and stops the cell afterwards. */
export async function withCell(
  source: string,
  options: FixtureOptions,
  body: (fixture: Fixture) => Promise<void>,
): Promise<void> {
  const fixture = await makeCell(source, options);
  try {
    await body(fixture);
  } finally {
    await fixture.cell.stop({ drain: false });
  }
}

/** Returns whether a process exists and is not a zombie (Linux). */
export function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(Deno.readTextFileSync(`/proc/${pid}/status`));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Waits until `holds` returns true; throws after `ms` milliseconds. */
export async function until(holds: () => boolean, ms: number, what: string): Promise<void> {
  const end = Date.now() + ms;
  while (!holds()) {
    if (Date.now() > end) throw new Error(`Expected within ${ms} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

function homeOnly(): Record<string, string> {
  const home = Deno.env.get("HOME");
  const cache = Deno.env.get("DENO_DIR");
  return { ...(home && { HOME: home }), ...(cache && { DENO_DIR: cache }) };
}
