import { assert, assertEquals, assertMatch } from "../../support/assert.ts";
import { createClosedUrl } from "../client/impostor.ts";
import {
  APPROVE,
  bearer,
  CLOSED,
  TOKEN,
  TWO_WRITERS,
  withServer,
} from "../../support/test_server.ts";
import { fromCheckout, runProgram } from "../../project/program.ts";
import { withTempFolder } from "../../support/temp_folder.ts";

const T2 = bearer(TOKEN);
const T3 = bearer(APPROVE);

Deno.test("undo takes back what one caller did, skips what others changed, and can be undone", () =>
  withServer({ env: { ...CLOSED, ...TWO_WRITERS } }, (server) =>
    withTempFolder(async (folder) => {
      const url = `http://127.0.0.1:${server.port}`;
      const undo = (...args: string[]) =>
        runProgram(
          fromCheckout(folder, ["undo", ...args, "--url", url], { ELASTIK_APPROVE_TOKEN: APPROVE }),
        );
      const send = async (
        method: string,
        target: string,
        headers: Record<string, string>,
        body?: string,
      ): Promise<void> => {
        const request = { method, target, headers };
        const { status, text } = await server.send(
          body === undefined ? request : { ...request, body },
        );
        assert(status < 300, `${method} ${target}: ${status} ${text}`);
      };
      const read = async (path: string): Promise<string | number> => {
        const { status, text } = await server.send({
          method: "GET",
          target: `${path}?raw`,
          headers: T3,
        });
        return status === 200 ? text : status;
      };
      const texts = () =>
        Promise.all(
          ["changed", "deleted", "moved", "renamed", "created", "both", "outside"].map((name) =>
            read(name === "outside" ? "/home/outside" : `/home/t/${name}`)
          ),
        );
      for (const name of ["changed", "deleted", "moved", "both"]) {
        await send("PUT", `/home/t/${name}`, { ...T2, "x-meta-a": "1" }, `${name} before`);
      }
      const start = new Date(Date.now() + 5).toISOString();
      while (Date.now() <= Date.parse(start)) await new Promise((resume) => setTimeout(resume, 1));
      const minted = await server.approve("POST", "/auth/mint?prefix=/home&mode=rwd&name=kestrel");
      const token = String(JSON.parse(minted.text).token);
      const kestrel = bearer(token);
      await send("PUT", "/home/t/changed", { ...kestrel, "x-meta-a": "2" }, "by kestrel");
      await send("POST", "/home/t/changed", kestrel, ", twice");
      await send("DELETE", "/home/t/deleted", kestrel);
      await send("MOVE", "/home/t/moved", { ...kestrel, destination: "/home/t/renamed" });
      await send("PUT", "/home/t/created", kestrel, "new");
      await send("PUT", "/home/t/both", kestrel, "by kestrel");
      await send("PUT", "/home/t/both", T2, "by another caller");
      await send("PUT", "/home/outside", kestrel, "outside");
      const after = await texts();

      const dry = await undo("/home/t", "--by", "#kestrel", "--since", start, "--dry-run");
      assertEquals(dry.code, 1, dry.stderr);
      assertEquals(await texts(), after);
      const done = await undo("/home/t", "--by", "#kestrel", "--since", start);
      assertEquals(done.code, 1, done.stderr);
      assertEquals(done.stdout.trim().split("\n").sort(), [
        "/home/t/both: skipped: T2 changed it since",
        "/home/t/changed: set to its earlier version",
        "/home/t/created: deleted",
        "/home/t/deleted: restored from the trash",
        "/home/t/renamed: moved back to /home/t/moved",
      ]);
      assertEquals(await texts(), [
        "changed before",
        "deleted before",
        "moved before",
        404,
        404,
        "by another caller",
        "outside",
      ]);
      const changed = await server.send({ method: "HEAD", target: "/home/t/changed", headers: T3 });
      assertEquals(changed.headers.get("x-meta-a"), "1");

      const again = await undo("home/t/", "--by", "T3", "--since", start);
      assertEquals(again.code, 0, again.stdout);
      assertEquals(await texts(), after);
      await server.audit();

      const nothing = await undo("/home/t", "--by", "stranger", "--since", "2h");
      assertEquals([nothing.code, nothing.stdout], [0, ""]);
      assertMatch(
        nothing.stderr,
        /^Nothing to undo: stranger changed nothing below \/home\/t since/,
      );
      const refused: readonly [string[], number, RegExp][] = [
        [["/home/t", "--since", "2h"], 2, /^Cannot run undo: --by is missing/],
        [["/home/t", "--by", "T2"], 2, /^Cannot run undo: --since is missing/],
        [["/home/t", "--by", "T2", "--since", "soon"], 2, /^Cannot run undo: --since is soon/],
        [["/x", "--by", "T2", "--since", "2h"], 2, /no world has such a name/],
      ];
      for (const [args, code, says] of refused) {
        const ran = await undo(...args);
        assertEquals([ran.code, ran.stdout], [code, ""]);
        assertMatch(ran.stderr, says);
      }
    })));

Deno.test("undo reports a server that it cannot reach", () =>
  withTempFolder(async (folder) => {
    const url = createClosedUrl();
    const args = ["undo", "/home/t", "--by", "T2", "--since", "2h", "--url", url];
    const { code, stderr } = await runProgram(
      fromCheckout(folder, args, { ELASTIK_APPROVE_TOKEN: APPROVE }),
    );
    assertEquals(code, 3);
    assertMatch(stderr, /^Cannot reach/);
  }));
