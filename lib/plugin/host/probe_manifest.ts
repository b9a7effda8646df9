/**
 * Reads a plugin's manifest by running it where it can do nothing: a cell without any permission, with
 * a deadline, ended as soon as it has spoken. What comes back is a stranger's JSON and is checked here.
 */

import { type CellLimits, MAX_MANIFEST_STRING_CHARS } from "../../limits.ts";
import { createBareInit } from "../wire/cell_init.ts";
import { type Manifest, ManifestError, parseManifest } from "../manifest/manifest.ts";
import { RpcError } from "../wire/rpc_calls.ts";
import { parsePermissions, type Permissions } from "../manifest/permissions.ts";
import { CellEndedError, CellRun, ResponseTimeoutError } from "../cell/cell_run.ts";
import type { StartCell } from "../transport/transport.ts";

/** What a probe needs. */
export interface ProbeOptions {
  readonly name: string;
  /** The plugin as `readSource` gave it. */
  readonly code: string;
  readonly startCell: StartCell;
  readonly limits: CellLimits;
  readonly now: () => number;
  /** Why a path may not be a route, or `undefined`. */
  routeFault(path: string): string | undefined;
  /** Text of a config world by its path, or `undefined` when it does not exist. */
  readConfig(path: string): Promise<string | undefined>;
}

/** What a plugin wants to be. */
export interface ProbeResult {
  readonly manifest: Manifest;
  readonly permissions: Permissions;
  /** The config worlds as `permissions` saw them. */
  readonly config: Readonly<Record<string, string>>;
  /** What the plugin finds wrong with them, in its own words. */
  readonly fault?: string | undefined;
}

/** Longest manifest in bytes. */
const MANIFEST_BYTES = 64 * 1024;

/**
 * Runs the probe.
 *
 * @throws {ManifestError} a field does not fit
 * @throws {CellEndedError} the source cannot be loaded, or not in time
 */
export async function probeManifest(options: ProbeOptions): Promise<ProbeResult> {
  const { name, code, startCell: launch, now } = options;
  // The deadline of the whole probe: a plugin that loads may still never return its permissions.
  const limits = { ...options.limits, responseTimeoutMs: options.limits.startTimeoutMs };
  const run = new CellRun<undefined>({
    startCell: launch,
    limits,
    now,
    answerSubrequest: () => Promise.reject(new Error("A probe has no machine")),
    log: () => {},
    onEnd: () => {},
    onIdle: () => {},
  }, createBareInit("probe", name, code));
  try {
    await run.ready;
    const manifest = parseManifest(await ask(run, "manifest", null), options.routeFault);
    const config: Record<string, string> = {};
    for (const path of manifest.config) {
      const text = await options.readConfig(path);
      if (text !== undefined) config[path] = text;
    }
    const body = new TextEncoder().encode(JSON.stringify(config));
    const { fault, asked } = faultIn(await ask(run, "permissions", body));
    const permissions = parsePermissions(asked);
    return { manifest, permissions, config, ...(fault === undefined ? {} : { fault }) };
  } finally {
    await run.kill();
  }
}

/**
 * Beside what it asks for, a plugin may say why its configuration is of no use to it: it comes up all
 * the same, to tell its callers so, and who approves it is told here.
 */
function faultIn(value: unknown): { readonly fault?: string; readonly asked: unknown } {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return { asked: value };
  const { fault, ...asked }: Record<string, unknown> = Object.fromEntries(Object.entries(value));
  if (fault === undefined) return { asked };
  if (typeof fault !== "string" || fault.length > MAX_MANIFEST_STRING_CHARS) {
    const words = `it is a sentence of at most ${MAX_MANIFEST_STRING_CHARS} characters`;
    throw new ManifestError("permissions.fault", words);
  }
  return { fault, asked };
}

async function ask(
  run: CellRun<undefined>,
  what: "manifest" | "permissions",
  body: Uint8Array<ArrayBuffer> | null,
): Promise<unknown> {
  const visit = { authority: undefined, tier: "T1", by: "probe", depth: 0 };
  const call = run.send(
    {
      method: body ? "POST" : "GET",
      url: `http://probe/${what}`,
      headers: [],
      body: body && new Blob([body]).stream(),
    },
    visit,
    () => {},
  );
  try {
    const response = await call.response;
    const text = await readBounded(response, MANIFEST_BYTES);
    return JSON.parse(text);
  } catch (error) {
    call.cancel(new Error("The probe is over"));
    if (error instanceof RpcError) throw new ManifestError(what, `it threw ${error.message}`);
    if (error instanceof ResponseTimeoutError) {
      throw new ManifestError(what, `it gave ${error.message}`);
    }
    if (error instanceof CellEndedError || error instanceof ManifestError) throw error;
    throw new ManifestError(what, "it is no JSON of a sensible length");
  }
}

async function readBounded(response: Response, limit: number): Promise<string> {
  let text = "";
  for await (
    const chunk of (response.body ?? new ReadableStream()).pipeThrough(new TextDecoderStream())
  ) {
    text += chunk;
    if (text.length > limit) throw new RangeError("Too long");
  }
  return text;
}
