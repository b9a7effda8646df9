/**
 * What the tests of cells share: a cell made of a few lines of source, short limits, and a look at the
 * processes that are left. Not a test itself.
 */

import { CELL_LIMITS, type CellLimits } from "../../lib/limits.ts";
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
import { startWorkerCell } from "../../lib/plugin/transport/worker_transport.ts";

/** How the tests start a cell's process. */
export const PROGRAM: CellProgram = {
  execPath: Deno.execPath(),
  main: new URL("../../lib/plugin/transport/cell_main.ts", import.meta.url).href,
  args: [],
  env: homeOnly(),
};

/** Both ways to run a cell. */
export const LAUNCHES = {
  process: createProcessStarter(PROGRAM),
  worker: startWorkerCell,
} as const;
/** One of them. */
export type LaunchName = keyof typeof LAUNCHES;

/** Limits short enough for tests that wait for them. */
export const SHORT: CellLimits = {
  ...CELL_LIMITS,
  startTimeoutMs: 8000,
  responseTimeoutMs: 1200,
  heartbeatMs: 150,
  heartbeatTimeoutMs: 900,
  maxRequests: 8,
  maxWaiting: 8,
  maxCalls: 8,
  idleMs: 0,
  drainTimeoutMs: 3000,
  backoffMs: 20,
  maxBackoffMs: 40,
  residentMiB: 300,
  heapMiB: 64,
};

/** See {@link makeCell}. */
export interface Fixture {
  readonly cell: Cell<string>;
  readonly events: CellEvent[];
  readonly lines: string[];
  /** Asks the plugin for a path. */
  ask(path: string, init?: RequestInit, visit?: Partial<CallerContext<string>>): Promise<Response>;
  /** Asks for a path and reads the answer as text. */
  text(path: string, init?: RequestInit): Promise<string>;
}

/** See {@link makeCell}. */
export interface FixtureOptions {
  readonly launch?: LaunchName;
  readonly limits?: Partial<CellLimits>;
  readonly permissions?: Partial<Permissions>;
  readonly config?: Record<string, string>;
  readonly variables?: Record<string, string>;
  readonly callBack?: (call: Subrequest<string>) => Promise<Response>;
}

/** The init of a plugin given as text. */
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

/** A cell around a source; nothing is started yet. */
export async function makeCell(source: string, options: FixtureOptions = {}): Promise<Fixture> {
  const events: CellEvent[] = [];
  const lines: string[] = [];
  const cell = new Cell<string>({
    init: await makeInit(source, options),
    startCell: LAUNCHES[options.launch ?? "process"],
    limits: { ...SHORT, ...options.limits },
    now: Date.now,
    answerSubrequest: options.callBack ?? (() => Promise.resolve(new Response("no machine"))),
    log: (level, line) => lines.push(`${level} ${line}`),
    onEvent: (event) => events.push(event),
  });
  const ask = (path: string, init?: RequestInit, visit: Partial<CallerContext<string>> = {}) =>
    cell.request(new Request(`http://localhost${path}`, init), {
      authority: "caller's",
      tier: "T2",
      by: "T2",
      depth: 0,
      ...visit,
    });
  return {
    cell,
    events,
    lines,
    ask,
    text: async (path, init) => await (await ask(path, init)).text(),
  };
}

/** Runs `body` with a cell and leaves nothing of it behind. */
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

/** Whether a process exists and is not a zombie (Linux). */
export function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(Deno.readTextFileSync(`/proc/${pid}/status`));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Waits until `holds`, looking often; throws after `ms`. */
export async function until(holds: () => boolean, ms: number, what: string): Promise<void> {
  const end = Date.now() + ms;
  while (!holds()) {
    if (Date.now() > end) throw new Error(`Not so after ${ms} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

function homeOnly(): Record<string, string> {
  const home = Deno.env.get("HOME");
  const cache = Deno.env.get("DENO_DIR");
  return { ...(home && { HOME: home }), ...(cache && { DENO_DIR: cache }) };
}
