import { deepStrictEqual as equal, match } from "node:assert/strict";
import { chooseTransport } from "../../../lib/plugin/transport/choose_transport.ts";
import { startWorkerCell } from "../../../lib/plugin/transport/worker_transport.ts";
import { PROGRAM } from "../cell_fixture.ts";

Deno.test("chooseTransport() takes processes where it may and says what is lost where it may not", () => {
  const processes = chooseTransport(PROGRAM, true);
  equal([processes.kind, processes.warning], ["process", undefined]);
  const workers = chooseTransport(PROGRAM, false);
  equal([workers.kind, workers.startCell], ["worker", startWorkerCell]);
  match(workers.warning ?? "", /neither their memory nor a busy loop.*--allow-run/);
});
