/**
 * Runs a cell as a child process with one Worker: the default. The child runs this program with the
 * command `cell`. It has the permissions that the plugin declared and no others: no environment, no
 * prompts, no imports. It must always be possible to end it: SIGKILL frees everything it uses.
 */

import { bootstrapUrl, ENTRY_URL } from "./bootstrap.ts";
import type { CellInit, ProcessInit } from "../wire/cell_init.ts";
import { FrameWriter, SIDE, VERB } from "../wire/frames.ts";
import { MEMORY_EXIT_CODE, type StartCell, type Transport } from "./transport.ts";

/** How to start this program as a cell. */
export interface CellProgram {
  /** `Deno.execPath()`. */
  readonly execPath: string;
  /** URL or path of the main module; absent in a compiled binary, which accepts no Deno flags. */
  readonly main?: string;
  /** Arguments that make the program run as a cell. */
  readonly args: readonly string[];
  /** Variables by which Deno finds its cache: `HOME`, `DENO_DIR` and the like, if set. */
  readonly env?: Readonly<Record<string, string>>;
  /**
   * Addresses of this server as `host:port`. No cell may connect to them, even if it declares them.
   */
  readonly denyNet?: readonly string[];
}

/** Bytes that one read of the child's output requests. */
const READ_BYTES = 128 * 1024;
/** Longest part of the child's stderr that is kept for the log, in characters. */
const MAX_STDERR_CHARS = 4096;

/**
 * Creates the function that starts cells as child processes.
 *
 * @param program how to start this program as a cell
 */
export function createProcessStarter(program: CellProgram): StartCell {
  return function startProcess(init, limits, events): Transport {
    const child = new Deno.Command(program.execPath, {
      args: [...runtimeFlags(program, init, limits.heapMiB), ...program.args],
      clearEnv: true,
      env: {
        ...program.env,
        NO_COLOR: "1",
        DENO_NO_UPDATE_CHECK: "1",
        // A binary accepts no flags. If its Deno version reads this variable, it limits the heap.
        ...(program.main === undefined && { DENO_V8_FLAGS: v8Flags(limits.heapMiB) }),
      },
      ...(Deno.build.os !== "windows" && { cwd: "/" }),
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const stdin = child.stdin.getWriter();
    let hasEnded = false;
    const stderr = readStderr(child.stderr);
    const ended = child.status.then(async (status) => {
      hasEnded = true;
      const output = await stderr;
      const reason = `${formatStatus(status)}${output && `: ${output}`}`;
      events.onEnd(reason, status.code === MEMORY_EXIT_CODE ? "memory" : undefined);
    });
    void readAll(child.stdout, (chunk) => !hasEnded && events.onBytes(chunk));
    const transport: Transport = {
      kind: "process",
      pid: child.pid,
      send(bytes) {
        // A write fails if the child is gone; `child.status` reports that.
        if (!hasEnded) stdin.write(bytes).then(() => freeBuffer(bytes), ignoreBrokenPipe);
      },
      async kill() {
        if (!hasEnded) {
          hasEnded = true;
          try {
            child.kill("SIGKILL");
          } catch (error) {
            // The child has exited in the meantime.
            if (!(error instanceof TypeError || error instanceof Deno.errors.NotFound)) throw error;
          }
        }
        stdin.abort().catch(ignoreBrokenPipe);
        await ended;
      },
    };
    const bootstrap: ProcessInit = {
      entry: ENTRY_URL,
      bootstrap: bootstrapUrl(),
      residentMiB: limits.residentMiB,
      init: { ...init, permissions: { ...init.permissions, net: allowedNet(program, init) } },
    };
    const writer = new FrameWriter();
    writer.writeText(VERB.INIT, SIDE.HOST, 0, JSON.stringify(bootstrap));
    transport.send(writer.take());
    return transport;
  };
}

function runtimeFlags(program: CellProgram, init: CellInit, heapMiB: number): string[] {
  if (program.main === undefined) return [];
  const { read, write } = init.permissions;
  const net = allowedNet(program, init);
  const remote = /^https?:/.test(program.main);
  const flags = [
    "run",
    "--quiet",
    "--no-prompt",
    "--no-config",
    "--no-lock",
    "--no-npm",
    "--cached-only",
    "--no-check",
    "--unstable-worker-options",
    // A list replaces Deno's default import hosts. A bare --deny-import would leave them allowed.
    `--allow-import=${remote ? new URL(program.main).host : "nowhere.invalid"}`,
    `--v8-flags=${v8Flags(heapMiB)}`,
  ];
  if (!remote) flags.push("--no-remote");
  if (net.length > 0) flags.push(`--allow-net=${net.join(",")}`);
  if (program.denyNet?.length) flags.push(`--deny-net=${program.denyNet.join(",")}`);
  if (read.length > 0) flags.push(`--allow-read=${read.map(escapeComma).join(",")}`);
  if (write.length > 0) flags.push(`--allow-write=${write.map(escapeComma).join(",")}`);
  return [...flags, program.main];
}

function v8Flags(heapMiB: number): string {
  return `--max-old-space-size=${heapMiB},--disallow-code-generation-from-strings`;
}

/** Removes denied hosts: a Worker must not have a permission that its process does not have. */
function allowedNet(program: CellProgram, init: CellInit): string[] {
  return init.permissions.net.filter((host) => !program.denyNet?.includes(host));
}

function escapeComma(path: string): string {
  return path.replaceAll(",", ",,");
}

/** Frees the memory now. Otherwise about 60 MiB accumulate until the next garbage collection. */
function freeBuffer(bytes: Uint8Array<ArrayBuffer>): void {
  bytes.buffer.transfer(0);
}

/** Reads a stream to its end through one buffer, for the same reason. */
async function readAll(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  take: (chunk: Uint8Array<ArrayBuffer>) => void,
): Promise<void> {
  try {
    const reader = stream.getReader({ mode: "byob" });
    let buffer = new ArrayBuffer(READ_BYTES);
    for (;;) {
      const { done, value } = await reader.read(new Uint8Array(buffer));
      if (done || value === undefined) return;
      take(value);
      buffer = value.buffer;
    }
  } catch (error) {
    // The pipe of a killed child breaks; `child.status` reports the reason.
    ignoreBrokenPipe(error);
  }
}

async function readStderr(stream: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<string> {
  let kept = "";
  const decoder = new TextDecoder();
  await readAll(stream, (chunk) => {
    if (kept.length < MAX_STDERR_CHARS) kept += decoder.decode(chunk, { stream: true });
  });
  const text = kept.slice(0, MAX_STDERR_CHARS).trim();
  // The dump of a fatal error of V8 has addresses and the path of the program.
  return /^# (Fatal .+)$/m.exec(text)?.[1] ?? text;
}

function formatStatus({ code, signal }: Deno.CommandStatus): string {
  return signal ? `its process was killed by ${signal}` : `its process exited with code ${code}`;
}

function ignoreBrokenPipe(_error: unknown): void {
  // A broken pipe means that the child is gone; `child.status` reports it.
}
