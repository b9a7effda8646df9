/**
 * Runs a cell as a Worker of the server's process, if the server may not start processes. It limits
 * code, files, network and environment as a process does. It cannot limit memory, and a busy loop
 * continues after `terminate()` (see `/usr/share/doc/plugins.md`).
 */

import { bootstrapUrl, ENTRY_URL } from "./bootstrap.ts";
import type { StartCell } from "./transport.ts";
import { toWorkerPermissions } from "./worker_permissions.ts";

/** Starts a cell in a Worker of this process. */
export const startWorkerCell: StartCell = function startWorker(init, _limits, events) {
  const worker = new Worker(ENTRY_URL, {
    type: "module",
    name: `cell ${init.name}`,
    deno: { permissions: toWorkerPermissions(init.permissions) },
  });
  const { port1, port2 } = new MessageChannel();
  let hasEnded = false;
  const end = (reason: string): void => {
    if (hasEnded) return;
    hasEnded = true;
    port1.close();
    worker.terminate();
    events.onEnd(reason);
  };
  worker.onerror = (event) => {
    event.preventDefault();
    end("its Worker failed with an uncaught error");
  };
  port1.onmessage = (event) => {
    if (!hasEnded) events.onBytes(event.data);
  };
  worker.postMessage({ bootstrap: bootstrapUrl(), init, port: port2 }, [port2]);
  return {
    kind: "worker",
    send: (bytes) => {
      if (!hasEnded) port1.postMessage(bytes);
    },
    kill: () => {
      end("it was terminated");
      return Promise.resolve();
    },
  };
};
