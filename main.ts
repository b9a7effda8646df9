/**
 * The front door: a command line in, an exit code out. It only says where this program's own parts
 * lie when it runs from a checkout or a URL; `lib/tools/bundle.ts` makes the door of the one-file form.
 */

import { runCommandLine } from "./lib/cli/main.ts";

if (import.meta.main) {
  const code = await runCommandLine(Deno.args, {
    storeWorkerUrl: import.meta.resolve("./lib/world/worker/worker_main.ts"),
    main: import.meta.url,
  });
  if (code !== undefined) Deno.exit(code);
}
