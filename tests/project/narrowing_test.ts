/**
 * The code with which a page lets the holder of a capability narrow it without the server, in Python
 * and in the shell, creates tokens that the server accepts.
 */

import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { createCapabilityId, mint, verify } from "../../lib/auth/capability.ts";
import { onPath } from "./program.ts";

/** Pages that contain the code. */
const PAGES = ["worlds/usr/share/doc/auth.md"];
const KEY = "key";
const PYTHON_LINES = 8;

const TOOLS = ["python3", "bash", "openssl"].filter((tool) => !onPath(tool));
const missing = TOOLS.length === 0 ? "" : ` (skipped: no ${TOOLS.join(", ")} here)`;

for (const page of PAGES) {
  Deno.test({
    name: `${page} narrows a capability in Python and in the shell${missing}`,
    ignore: missing !== "",
    fn: async () => {
      const text = await Deno.readTextFile(new URL(`../../${page}`, import.meta.url));
      const python = /^```python\n(.*?)^```$/ms.exec(text)?.[1] ?? "";
      assertEquals(python.trim().split("\n").length, PYTHON_LINES);
      const shell = /^b64\(\).*?^narrow\(\) \{.*?^\}\n/ms.exec(text)?.[0] ?? "";
      assertMatch(shell, /openssl dgst/);
      const programs: readonly (readonly [string, string[]])[] = [
        ["python3", ["-c", python]],
        ["bash", ["-c", `${shell}\nnarrow "$@"`, "narrow"]],
      ];
      for (const [command, start] of programs) {
        const narrow = async (...args: string[]): Promise<string> => {
          const { stdout, stderr, code } = await new Deno.Command(command, {
            args: [...start, ...args],
          }).output();
          assertEquals(code, 0, new TextDecoder().decode(stderr));
          return new TextDecoder().decode(stdout).trim();
        };
        // Payloads of each length have each kind of padding.
        for (const name of ["k", "ke", "kes"]) {
          const now = Math.floor(Date.now() / 1000);
          const id = createCapabilityId(now * 1000, new Uint8Array(8));
          const minted = { key: KEY, prefix: "/home/té", mode: "rwd", name, id } as const;
          const token = mint({ ...minted, exp: now + 3600 });
          const named = await narrow(token, "/home/té/a", "60", "rw", "junior");
          const scope = verify(KEY, named, now);
          assertEquals(scope?.names, [name, "junior"], command);
          assertEquals(scope?.prefixes, ["/home/té", "/home/té/a"], command);
          assertEquals(scope?.mode, "rw", command);
          assert(Math.abs((scope?.exp ?? 0) - now - 60) < 20, command);
          const again = verify(KEY, await narrow(named, "/home/té/a", "30", "r"), now);
          assertEquals([again?.mode, again?.names], ["r", [name, "junior"]], command);
        }
      }
    },
  });
}
