/**
 * A cell as a child process that holds one Worker: the ordinary case. The child is this same program
 * with the `cell` command, its permissions narrowed to what the plugin declared, without environment,
 * without prompts, without anything to import. SIGKILL ends it and gives back all it took.
 */

import { bootstrapUrl, ENTRY_URL } from "./bootstrap.ts";
import type { CellInit, ProcessInit } from "../wire/cell_init.ts";
import { FrameWriter, SIDE, VERB } from "../wire/frames.ts";
import type { StartCell, Transport } from "./transport.ts";

/** How this program is started once more. */
export interface CellProgram {
  /** `Deno.execPath()`. */
  readonly execPath: string;
  /** The main module as a URL or path; absent in a compiled binary, which takes no runtime flags. */
  readonly main?: string;
  /** Arguments by which the program knows that it is to be a cell. */
  readonly args: readonly string[];
  /** What the runtime itself needs to find its cache: `HOME`, `DENO_DIR` and the like, if set. */
  readonly env?: Readonly<Record<string, string>>;
  /** `host:port` of the machine itself, which no cell may dial whatever it declared. */
  readonly denyNet?: readonly string[];
}

const READ_BYTES = 128 * 1024;
/** Bytes of the child's stderr that are kept to say how it ended. */
const LAST_WORDS = 4096;

/** Makes the {@link StartCell} that starts cells as processes of `program`. */
export function createProcessStarter(program: CellProgram): StartCell {
  return function launch(init, limits, events): Transport {
    const child = new Deno.Command(program.execPath, {
      args: [...runtimeFlags(program, init, limits.heapMiB), ...program.args],
      clearEnv: true,
      env: {
        ...program.env,
        NO_COLOR: "1",
        DENO_NO_UPDATE_CHECK: "1",
        // A binary takes no flags; where it heeds this, its heap is bounded like any other's.
        ...(program.main === undefined && { DENO_V8_FLAGS: v8Flags(limits.heapMiB) }),
      },
      ...(Deno.build.os !== "windows" && { cwd: "/" }),
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const stdin = child.stdin.getWriter();
    let over = false;
    const lastWords = keepLast(child.stderr);
    const gone = child.status.then(async (status) => {
      over = true;
      const words = await lastWords;
      events.onEnd(`${statusInWords(status)}${words && `: ${words}`}`);
    });
    void pump(child.stdout, (chunk) => !over && events.onBytes(chunk));
    const transport: Transport = {
      kind: "process",
      pid: child.pid,
      send(bytes) {
        // A write fails when the child is gone, and `status` says that it is.
        if (!over) stdin.write(bytes).then(() => release(bytes), gonePipe);
      },
      async kill() {
        if (!over) {
          over = true;
          try {
            child.kill("SIGKILL");
          } catch (error) {
            // It ended by itself between the two lines.
            if (!(error instanceof TypeError || error instanceof Deno.errors.NotFound)) throw error;
          }
        }
        stdin.abort().catch(gonePipe);
        await gone;
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
    // An explicit list replaces the default import hosts, which a bare --deny-import leaves open.
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

/** What is both asked and denied would make the Worker's permissions more than its process's. */
function allowedNet(program: CellProgram, init: CellInit): string[] {
  return init.permissions.net.filter((host) => !program.denyNet?.includes(host));
}

function escapeComma(path: string): string {
  return path.replaceAll(",", ",,");
}

/** Gives the memory back now: the collector would let some 60 MiB of it pile up. */
function release(bytes: Uint8Array<ArrayBuffer>): void {
  bytes.buffer.transfer(0);
}

/** Reads to the end through one buffer, for the same reason. */
async function pump(
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
    // The pipe of a killed child breaks; its status tells the story.
    gonePipe(error);
  }
}

async function keepLast(stream: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<string> {
  let kept = "";
  const decoder = new TextDecoder();
  await pump(stream, (chunk) => {
    if (kept.length < LAST_WORDS) kept += decoder.decode(chunk, { stream: true });
  });
  return kept.slice(0, LAST_WORDS).trim();
}

function statusInWords({ code, signal }: Deno.CommandStatus): string {
  return signal ? `its process was ended by ${signal}` : `its process exited with code ${code}`;
}

function gonePipe(_error: unknown): void {
  // A broken pipe means the child is gone, which `child.status` reports.
}
