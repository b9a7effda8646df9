import { assertEquals, assertMatch } from "../../support/assert.ts";
import { ask, fromCheckout, runProgram, startProgram } from "../../project/program.ts";
import { withTempFolder } from "../../support/temp_folder.ts";

Deno.test("backup of a server that writes is consistent, incremental, and can be served", () =>
  withTempFolder(async (folder) => {
    const program = await startProgram(fromCheckout(folder));
    const put = (name: string, body: string) =>
      ask(`${program.url}/home/${name}`, { method: "PUT", body });
    for (let i = 0; i < 10; i++) await put(`w${i}`, `${i}`);
    let writing = true;
    const writer = (async () => {
      for (let i = 0; writing; i++) await put("busy", `${i}`);
    })();
    const backUp = (...words: string[]) => runProgram(fromCheckout(folder, ["backup", ...words]));
    const first = await backUp("copies");
    assertEquals(first.code, 0, first.stderr);
    assertMatch(
      first.stdout,
      /^Backed up \d+ worlds to copies: \d+ copied and verified, while its server runs\n/,
    );
    assertMatch(first.stdout, /^The backup contains the signing key, .*: keep it secret$/m);
    writing = false;
    await writer;
    // Until the files have settled, a change in the same moment could be missed.
    await new Promise((resume) => setTimeout(resume, 2100));
    await backUp("copies");
    await put("w1", "changed");
    // The server can have moved the log of another world into its file.
    assertMatch((await backUp("copies")).stdout, /: [1-3] copied and verified, while/);
    const archive = await backUp("all.tar.gz");
    assertEquals(archive.code, 0, archive.stderr);
    assertMatch(archive.stdout, /^Read back: \d+ worlds checked, 0 broken$/m);
    await program.stop();

    const verified = await runProgram(fromCheckout(folder, ["verify", "copies"]));
    assertEquals(verified.code, 0, verified.stdout + verified.stderr);
    const copy = await startProgram(fromCheckout(folder, [], { ELASTIK_DATA: "copies/data" }));
    assertEquals((await ask(`${copy.url}/home/w1?raw`)).text, "changed");
    const inUse = await backUp("copies");
    assertEquals(inUse.code, 2);
    assertMatch(inUse.stderr, /^Cannot back up into copies: another backup or a server uses it/);
    await copy.stop();
  }));

Deno.test("commands that read worlds refuse a folder in which no server has kept any", () =>
  withTempFolder(async (folder) => {
    await Deno.mkdir(`${folder}/data`);
    await Deno.writeTextFile(`${folder}/data/.key-retired`, "a-retired-key-of-a-node\n", {
      mode: 0o600,
    });
    for (const words of [["backup", "copies"], ["backup", "a.tgz"], ["export", "-"], ["verify"]]) {
      const run = fromCheckout(folder, words, { ELASTIK_KEY: "a-key-of-a-node" });
      const { code, stdout, stderr } = await runProgram(run);
      assertEquals([code, stdout], [2, ""], words.join(" "));
      assertEquals(
        stderr,
        "Cannot use the data folder data: no server has kept worlds in it; name another folder, or " +
          "set ELASTIK_DATA or ELASTIK_STORE\n",
      );
    }
    assertEquals([...Deno.readDirSync(folder)].map(({ name }) => name), ["data"]);
  }));

Deno.test("backup reports its errors in one sentence", () =>
  withTempFolder(async (folder) => {
    const backUp = async (...words: string[]) => {
      const { code, stderr } = await runProgram(fromCheckout(folder, ["backup", ...words]));
      assertEquals(stderr.split("\n").length, 2, stderr);
      return `${code} ${stderr.trim()}`;
    };
    assertEquals(
      await backUp("copies"),
      "2 Cannot back up data into copies: there is no such folder",
    );
    assertEquals(
      await backUp("copies", "--keep", "long"),
      "2 Cannot run backup: --keep is long; a time such as 90d is needed",
    );
    assertEquals(
      await backUp("-"),
      "2 Cannot run backup: - is not a folder or file; elastik export - writes to the standard output",
    );
    assertMatch(await backUp("all.tar.gz", "--keep", "9d"), /^2 .* --keep is for a folder/);
    await Deno.mkdir(`${folder}/data`);
    await Deno.writeTextFile(`${folder}/data/.names.db`, "");
    await Deno.mkdir(`${folder}/mine`);
    await Deno.writeTextFile(`${folder}/mine/file`, "");
    assertMatch(await backUp("mine"), /^2 Cannot back up into mine: it contains other files/);
  }));
