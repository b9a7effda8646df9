/**
 * The module of the store's Workers, as tests start it. Deno compiles every module of a Worker again:
 * 66 ms of CPU for each Worker, and 38 ms if its modules are bundled (Deno 2.9.6). A test server has
 * five, so a run of many test files bundles them once. The processes that tests start use the modules.
 */

/** Environment variable with the URL of the bundled module. */
export const TEST_STORE_WORKER = "TEST_STORE_WORKER";

/** URL of the module. */
export const STORE_WORKER: string = Deno.env.get(TEST_STORE_WORKER) ??
  import.meta.resolve("../../lib/world/worker/worker_main.ts");
