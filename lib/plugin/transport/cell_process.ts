/**
 * Main thread of a cell process, outside the plugin's Worker. It reads the init from stdin, starts
 * the Worker, and then copies bytes in both directions without reading them. It exits if the
 * process exceeds its memory limit, and when stdin ends, because then the server is gone. It must
 * import as little as possible: every module adds to the start-up time of every cell.
 */

import { CELL_MEMORY_CHECK_MS, MAX_CELL_INIT_BYTES } from "../../cell_limits.ts";
import type { ProcessInit } from "../wire/cell_init.ts";
import { FrameReader, FrameWriter, SIDE, VERB } from "../wire/frames.ts";
import { MEMORY_EXIT_CODE } from "./transport.ts";
import { toWorkerPermissions } from "./worker_permissions.ts";

/** Bytes that one read of stdin requests. */
const READ_BYTES = 256 * 1024;
/** Exit codes; the server logs them. */
const EXIT = { done: 0, memory: MEMORY_EXIT_CODE, worker: 82, input: 83 } as const;

/** Runs the cell until stdin ends, then exits the process. */
export async function runCell(): Promise<never> {
  try {
    await relay();
  } catch (error) {
    console.error(error instanceof Error ? error.message : "Cannot run the cell: stdin failed");
    Deno.exit(EXIT.input);
  }
  Deno.exit(EXIT.done);
}

async function relay(): Promise<void> {
  const reader = new FrameReader(MAX_CELL_INIT_BYTES);
  let port: MessagePort | undefined;
  let buffer = new Uint8Array(READ_BYTES);
  for (;;) {
    const count = await Deno.stdin.read(buffer);
    if (count === null) return;
    if (port) {
      port.postMessage(buffer.slice(0, count));
      continue;
    }
    // The server sends no frame between INIT and READY, so no bytes follow INIT in this piece.
    reader.push(buffer.slice(0, count), (frame) => {
      if (frame.verb !== VERB.INIT || port) {
        throw new Error("Cannot start the cell: the first frame is not INIT");
      }
      port = startWorker(JSON.parse(new TextDecoder().decode(frame.payload)));
      buffer = new Uint8Array(READ_BYTES);
    });
  }
}

function startWorker({ entry, bootstrap, init, residentMiB }: ProcessInit): MessagePort {
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
      console.error(
        `the process has ${
          Math.round(kib / 1024)
        } MiB of resident memory; at most ${residentMiB} MiB are allowed`,
      );
      Deno.exit(EXIT.memory);
    }
    if (Math.abs(kib - reported) < 1024) return;
    reported = kib;
    writer.writeBytes(VERB.RESIDENT, SIDE.HOST, kib);
    writeAll(writer.take());
  }, CELL_MEMORY_CHECK_MS);
  return port1;
}

/** Writes synchronously. It blocks while the server reads slowly, which is the back-pressure. */
function writeAll(bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) at += Deno.stdout.writeSync(bytes.subarray(at));
}
