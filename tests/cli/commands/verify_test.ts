import { assertEquals, assertMatch } from "../../support/assert.ts";
import { DatabaseSync } from "node:sqlite";
import { ask, fromCheckout, runProgram, startProgram } from "../../project/program.ts";
import { withTempFolder } from "../../support/temp_folder.ts";

Deno.test("verify exits with 0 if all worlds verify, 1 if some do not, 2 if it cannot check", () =>
  withTempFolder(async (folder) => {
    const verify = (...args: string[]) => runProgram(fromCheckout(folder, ["verify", ...args]));
    const program = await startProgram(fromCheckout(folder));
    await ask(`${program.url}/home/x`, { method: "PUT", body: "true" });
    const held = await verify();
    assertEquals(held.code, 2);
    assertMatch(held.stderr, /^Cannot use the data folder data: /);
    await program.stop();

    const fine = await verify();
    assertEquals(fine.code, 0, fine.stderr);
    assertMatch(fine.stdout, /^\d+ worlds checked, 0 broken\n$/);

    const db = new DatabaseSync(`${folder}/data/home%2Fx/universe.db`);
    db.exec("UPDATE stage_meta SET stage_html = CAST('false' AS BLOB)");
    db.close();
    const broken = await verify("data");
    assertEquals(broken.code, 1);
    assertMatch(broken.stdout, /^home\/x: .*\n\d+ worlds checked, 1 broken\n$/);

    const absent = await verify("nowhere");
    assertEquals(absent.code, 2);
    assertMatch(absent.stderr, /^Cannot verify nowhere: there is no such folder$/m);
  }));
