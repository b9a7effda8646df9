/**
 * Reads the manifest and the permissions of a plugin by running it once, in a cell without
 * permissions and with a time limit. The cell is ended afterwards. The result is untrusted JSON and
 * is validated here. The plugin must not be able to reach anything during this run.
 */

import type { CellLimits } from "../../cell_limits.ts";
import { MAX_MANIFEST_CHARS, MAX_MANIFEST_STRING_CHARS } from "../../limits.ts";
import { createBareInit } from "../wire/cell_init.ts";
import { cronFault } from "../manifest/cron_expression.ts";
import { type Manifest, ManifestError, parseManifest } from "../manifest/manifest.ts";
import { RpcError } from "../wire/rpc_calls.ts";
import { parsePermissions, type Permissions } from "../manifest/permissions.ts";
import { CellEndedError, CellRun, ResponseTimeoutError } from "../cell/cell_run.ts";
import type { StartCell } from "../transport/transport.ts";

/** Inputs of {@link probeManifest}. */
export interface ProbeOptions {
  readonly name: string;
  /** JavaScript of the plugin, as `validateSource` returned it. */
  readonly code: string;
  readonly startCell: StartCell;
  readonly limits: CellLimits;
  readonly now: () => number;
  /** Returns why a path must not be a route, or undefined if it may be one. */
  routeFault(path: string): string | undefined;
  /** Returns the text of a config world, or undefined if it does not exist. */
  readConfig(path: string): Promise<string | undefined>;
}

/** What a plugin declares. */
export interface ProbeResult {
  readonly manifest: Manifest;
  readonly permissions: Permissions;
  /** Text of the config worlds that `permissions` received, by path. */
  readonly config: Readonly<Record<string, string>>;
  /** What the plugin reports about them, if they are invalid. Text of the plugin. */
  readonly fault?: string | undefined;
}

/**
 * Reads the manifest and the permissions of a plugin.
 *
 * @throws {ManifestError} a field is invalid
 * @throws {CellEndedError} the source cannot be loaded, or not in time
 */
export async function probeManifest(options: ProbeOptions): Promise<ProbeResult> {
  const { name, code, startCell, now } = options;
  // The time limit also applies to each response: `permissions` may never return.
  const limits = { ...options.limits, responseTimeoutMs: options.limits.startTimeoutMs };
  const run = new CellRun<undefined>({
    startCell,
    limits,
    now,
    answerSubrequest: () =>
      Promise.reject(
        new Error(
          "Cannot run the subrequest: the server is not available while the manifest is read",
        ),
      ),
    log: () => {},
    onEnd: () => {},
    onIdle: () => {},
  }, createBareInit("probe", name, code));
  try {
    await run.ready;
    const manifest = parseManifest(
      await send(run, "manifest", null),
      options.routeFault,
      cronFault,
    );
    const config: Record<string, string> = {};
    for (const path of manifest.config) {
      const text = await options.readConfig(path);
      if (text !== undefined) config[path] = text;
    }
    const body = new TextEncoder().encode(JSON.stringify(config));
    const { fault, declared } = splitFault(await send(run, "permissions", body));
    const permissions = parsePermissions(declared);
    return { manifest, permissions, config, ...(fault === undefined ? {} : { fault }) };
  } finally {
    await run.kill();
  }
}

/**
 * Separates the member `fault` from the permissions. A plugin sets it if its configuration is
 * invalid. The plugin is started all the same, and T3 sees the text.
 */
export function splitFault(
  value: unknown,
): { readonly fault?: string; readonly declared: unknown } {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return { declared: value };
  }
  const { fault, ...declared }: Record<string, unknown> = Object.fromEntries(Object.entries(value));
  if (fault === undefined) return { declared };
  if (typeof fault !== "string" || fault.length > MAX_MANIFEST_STRING_CHARS) {
    const message = `it must be a string of at most ${MAX_MANIFEST_STRING_CHARS} characters`;
    throw new ManifestError("permissions.fault", message);
  }
  return { fault, declared };
}

async function send(
  run: CellRun<undefined>,
  part: "manifest" | "permissions",
  body: Uint8Array<ArrayBuffer> | null,
): Promise<unknown> {
  const caller = { authority: undefined, tier: "T1", by: "probe", depth: 0 };
  const call = run.send(
    {
      method: body ? "POST" : "GET",
      url: `http://probe/${part}`,
      headers: [],
      body: body && new Blob([body]).stream(),
    },
    caller,
    () => {},
  );
  try {
    const response = await call.response;
    const text = await readBounded(response, MAX_MANIFEST_CHARS);
    return JSON.parse(text);
  } catch (error) {
    call.cancel(new Error("The manifest is not needed any more"));
    if (error instanceof RpcError) {
      throw new ManifestError(part, `the plugin threw ${error.message}`);
    }
    if (error instanceof ResponseTimeoutError) {
      throw new ManifestError(part, error.message);
    }
    if (error instanceof CellEndedError || error instanceof ManifestError) throw error;
    throw new ManifestError(
      part,
      `it is not JSON of at most ${MAX_MANIFEST_CHARS} characters`,
    );
  }
}

async function readBounded(response: Response, limit: number): Promise<string> {
  let text = "";
  for await (
    const chunk of (response.body ?? new ReadableStream()).pipeThrough(new TextDecoderStream())
  ) {
    text += chunk;
    if (text.length > limit) throw new RangeError("The manifest is too long");
  }
  return text;
}
