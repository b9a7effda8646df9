/**
 * What runs in a cell's process, outside the plugin's Worker: it reads the init from stdin, makes the
 * Worker, and then only passes bytes on in both directions. It watches the process's memory, and it
 * exits when stdin ends, which is how a cell learns that its server is gone. It must import as little
 * as possible: every module here is start-up time of every cell.
 */

import type { ProcessInit } from "../wire/cell_init.ts";
import { FrameReader, FrameWriter, SIDE, VERB } from "../wire/frames.ts";
import { toWorkerPermissions } from "./worker_permissions.ts";

/** Longest INIT frame in bytes: the plugin's text, escaped, and what surrounds it. */
const INIT_BYTES = 64 * 1024 * 1024;
const READ_BYTES = 256 * 1024;
/** Pause between looks at the process's own memory, in milliseconds. */
const LOOK_MS = 100;
/** Exit codes, for the log of the server. */
const EXIT = { done: 0, memory: 81, worker: 82, input: 83 } as const;

/** Runs the cell until stdin ends. Never returns. */
export async function runCell(): Promise<never> {
  try {
    await relay();
  } catch (error) {
    console.error(error instanceof Error ? error.message : "Cannot go on");
    Deno.exit(EXIT.input);
  }
  Deno.exit(EXIT.done);
}

async function relay(): Promise<void> {
  const reader = new FrameReader(INIT_BYTES);
  let port: MessagePort | undefined;
  let buffer = new Uint8Array(READ_BYTES);
  for (;;) {
    const count = await Deno.stdin.read(buffer);
    if (count === null) return;
    if (port) {
      port.postMessage(buffer.slice(0, count));
      continue;
    }
    // The host sends nothing after INIT until the Worker says READY, so the frame ends its piece.
    reader.push(buffer.slice(0, count), (frame) => {
      if (frame.verb !== VERB.INIT || port) throw new Error("Cannot start: not an INIT frame");
      port = start(JSON.parse(new TextDecoder().decode(frame.payload)));
      buffer = new Uint8Array(READ_BYTES);
    });
  }
}

function start({ entry, bootstrap, init, residentMiB }: ProcessInit): MessagePort {
  const worker = new Worker(entry, {
    type: "module",
    name: "cell",
    deno: { permissions: toWorkerPermissions(init.permissions) },
  });
  worker.onerror = (event) => {
    event.preventDefault();
    console.error(event.message);
    Deno.exit(EXIT.worker);
  };
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = (event) => writeAll(event.data);
  worker.postMessage({ bootstrap, init, port: port2 }, [port2]);
  const writer = new FrameWriter();
  let reported = 0;
  setInterval(() => {
    const kib = Math.round(Deno.memoryUsage().rss / 1024);
    if (kib > residentMiB * 1024) {
      console.error(`resident memory of ${Math.round(kib / 1024)} MiB is past ${residentMiB} MiB`);
      Deno.exit(EXIT.memory);
    }
    if (Math.abs(kib - reported) < 1024) return;
    reported = kib;
    writer.writeBytes(VERB.RESIDENT, SIDE.HOST, kib);
    writeAll(writer.take());
  }, LOOK_MS);
  return port1;
}

/** Blocks when the server is slow to read, which is the back-pressure there is. */
function writeAll(bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) at += Deno.stdout.writeSync(bytes.subarray(at));
}
