/** An error that no code handles does not end the server. */

import { assertEquals, assertMatch } from "../support/assert.ts";
import { pathExists } from "../../lib/world/file/durable_fs.ts";
import { ServerProcess } from "./server_process.ts";
import { withTempFolder } from "../support/temp_folder.ts";

Deno.test("a server continues after an uncaught error and after a rejected promise", () =>
  withTempFolder(async (folder) => {
    const root = new URL("../../", import.meta.url).href;
    Deno.writeTextFileSync(
      `${folder}/main.ts`,
      `import { runCommandLine } from ${JSON.stringify(`${root}lib/cli/main.ts`)};
      // Before the server prints that it listens: without a listener the signal ends the process.
      Deno.addSignalListener("SIGUSR1", () => {
        void Promise.reject(new Error("rejected for the test"));
        setTimeout(() => {
          Deno.writeTextFileSync(${JSON.stringify(`${folder}/thrown`)}, "");
          throw new Error("thrown for the test");
        }, 0);
      });
      await runCommandLine([], {
        storeWorkerUrl: ${JSON.stringify(`${root}lib/world/worker/worker_main.ts`)},
        main: import.meta.url,
      });`,
    );
    const server = await ServerProcess.start({
      data: `${folder}/data`,
      main: `${folder}/main.ts`,
    });
    try {
      await server.ask("/home/x", { method: "PUT", body: "1" });
      Deno.kill(server.pid, "SIGUSR1");
      do {
        assertEquals((await server.ask("/home/x?raw")).text, "1");
      } while (!pathExists(`${folder}/thrown`));
      for (let i = 0; i < 20; i++) {
        assertEquals((await server.ask("/home/x?raw")).text, "1");
      }
      const { code, stderr } = await server.end();
      assertEquals(code, 0, stderr);
      assertMatch(stderr, /failed: rejected promise: Error: rejected for the test/);
      assertMatch(stderr, /failed: uncaught error: Error: thrown for the test/);
    } finally {
      await server.end("SIGKILL");
    }
  }));
