import { deepStrictEqual as equal, match } from "node:assert/strict";
import { chooseTransport } from "../../../lib/plugin/transport/choose_transport.ts";
import { startWorkerCell } from "../../../lib/plugin/transport/worker_transport.ts";
import { PROGRAM } from "../cell_fixture.ts";

Deno.test("chooseTransport() chooses processes if permitted, otherwise Workers with a warning", () => {
  const processes = chooseTransport(PROGRAM, true);
  equal([processes.kind, processes.warning], ["process", undefined]);
  const workers = chooseTransport(PROGRAM, false);
  equal([workers.kind, workers.startCell], ["worker", startWorkerCell]);
  match(workers.warning ?? "", /their memory and busy loops are not limited.*--allow-run/);
});
