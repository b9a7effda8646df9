import { deepStrictEqual as equal, match } from "node:assert/strict";
import { chooseLaunch } from "../../../lib/plugin/transport/choose_transport.ts";
import { launchWorker } from "../../../lib/plugin/transport/worker_transport.ts";
import { PROGRAM } from "../cell_fixture.ts";

Deno.test("chooseLaunch() takes processes where it may and says what is lost where it may not", () => {
  const processes = chooseLaunch(PROGRAM, true);
  equal([processes.kind, processes.weaker], ["process", undefined]);
  const workers = chooseLaunch(PROGRAM, false);
  equal([workers.kind, workers.launch], ["worker", launchWorker]);
  match(workers.weaker ?? "", /neither their memory nor a busy loop.*--allow-run/);
});
