/**
 * Entry point of a checkout and of a run from a URL: passes the command line to `lib/cli/main.ts`
 * and exits with its code. It contributes only the URLs of the modules that are started later. The
 * one-file build has an entry point of its own, which `lib/tools/bundle.ts` generates.
 */

import { runCommandLine } from "./lib/cli/main.ts";

if (import.meta.main) {
  const code = await runCommandLine(Deno.args, {
    storeWorkerUrl: import.meta.resolve("./lib/world/worker/worker_main.ts"),
    main: import.meta.url,
  });
  if (code !== undefined) Deno.exit(code);
}
