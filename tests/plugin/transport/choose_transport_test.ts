import { assertEquals, assertMatch } from "../../support/assert.ts";
import { chooseTransport } from "../../../lib/plugin/transport/choose_transport.ts";
import { startWorkerCell } from "../../../lib/plugin/transport/worker_transport.ts";
import { PROGRAM } from "../cell_fixture.ts";

Deno.test("chooseTransport() chooses processes if permitted, otherwise Workers with a warning", () => {
  const processes = chooseTransport(PROGRAM, true);
  assertEquals([processes.kind, processes.warning], ["process", undefined]);
  const workers = chooseTransport(PROGRAM, false);
  assertEquals([workers.kind, workers.startCell], ["worker", startWorkerCell]);
  assertMatch(workers.warning ?? "", /their memory and busy loops are not limited.*--allow-run/);
});
