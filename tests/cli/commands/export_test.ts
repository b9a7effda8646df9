import { assert, assertEquals, assertMatch } from "../../support/assert.ts";
import { ask, fromCheckout, runProgram, startProgram } from "../../project/program.ts";
import { withTempFolder } from "../../support/temp_folder.ts";

Deno.test("export of a server that writes can be imported, verified and served", () =>
  withTempFolder(async (folder) => {
    const program = await startProgram(fromCheckout(folder));
    const put = (name: string, body: string) =>
      ask(`${program.url}/home/${name}`, { method: "PUT", body });
    for (let i = 0; i < 20; i++) await put(`w${i}`, `${i}`);
    let writing = true;
    const writer = (async () => {
      for (let i = 0; writing; i++) await put("busy", `${i}`);
    })();
    const exported = await runProgram(fromCheckout(folder, ["export", "all.tar.gz"]));
    writing = false;
    await writer;
    const audit = await ask(`${program.url}/proc/audit/home/busy`);
    assertEquals(JSON.parse(audit.text).ok, true, "the export changed a world of the server");
    await program.stop();
    assertEquals(exported.code, 0, exported.stderr);
    assertMatch(
      exported.stdout,
      /^Exported \d+ worlds to all\.tar\.gz, \d+ KiB, while its server runs$/m,
    );
    assertMatch(
      exported.stdout,
      /^The archive contains the signing key, .*: keep the file secret$/m,
    );
    assertEquals((await Deno.stat(`${folder}/all.tar.gz`)).mode! & 0o777, 0o600);

    const imported = await runProgram(
      fromCheckout(folder, ["import", "all.tar.gz", "--into", "copy"]),
    );
    assertEquals(imported.code, 0, imported.stdout + imported.stderr);
    assertMatch(imported.stdout, /^Imported \d+ worlds into copy$/m);
    assertMatch(imported.stdout, /^The signing key of the source was not adopted, .*--with-key/m);
    const verified = await runProgram(fromCheckout(folder, ["verify", "copy"]));
    assertEquals(verified.code, 0, verified.stdout);
    const copy = await startProgram(fromCheckout(folder, [], { ELASTIK_DATA: "copy" }));
    for (let i = 0; i < 20; i++) {
      assertEquals((await ask(`${copy.url}/home/w${i}?raw`)).text, `${i}`);
    }
    assertMatch((await ask(`${copy.url}/home/busy?raw`)).text, /^\d+$/);
    assert(
      copy.output().includes("approve token (T3), shown once"),
      "the archive contained the old approve token",
    );
    await copy.stop();
  }));

Deno.test("export - writes to a pipe, and tar unpacks it into data/", () =>
  withTempFolder(async (folder) => {
    const program = await startProgram(fromCheckout(folder));
    await ask(`${program.url}/home/x`, { method: "PUT", body: "piped" });
    await program.stop();
    await Deno.mkdir(`${folder}/there`);
    const { command, args, env } = fromCheckout(folder);
    const piped = await runProgram({
      command: "bash",
      args: ["-c", `"$0" "$@" export - --without-key | tar xzf - -C there`, command, ...args],
      cwd: folder,
      env: env ?? {},
    });
    assertEquals([piped.code, piped.stdout], [0, ""]);
    assertMatch(
      piped.stderr,
      /^Exported \d+ worlds to the standard output\nThe archive does not contain the signing key/,
    );
    assertEquals(
      [...Deno.readDirSync(`${folder}/there/data`)].some(({ name }) => name === ".key"),
      false,
    );
    const key = (await Deno.readTextFile(`${folder}/data/.key`)).trim();
    const at = (...words: string[]) =>
      runProgram(fromCheckout(`${folder}/there`, words, { ELASTIK_KEY: key }));
    assertEquals((await at("verify")).code, 0);
  }));

Deno.test("export does not overwrite a file and reports its errors", () =>
  withTempFolder(async (folder) => {
    await Deno.mkdir(`${folder}/data`);
    await Deno.writeTextFile(`${folder}/data/.names.db`, "");
    await Deno.writeTextFile(`${folder}/there`, "precious");
    const rows: readonly [string[], number, RegExp][] = [
      [["there"], 2, /^Cannot write there: the file exists and is not overwritten$/m],
      [["no/such/x.tar.gz"], 2, /^Cannot write no\/such\/x\.tar\.gz: /],
      [["x.tar.gz", "--from", "nowhere"], 2, /^Cannot export nowhere: there is no such folder$/m],
      [["a", "b"], 2, /it takes \[file\|-\]/],
    ];
    for (const [args, code, says] of rows) {
      const ran = await runProgram(fromCheckout(folder, ["export", ...args]));
      assertEquals(ran.code, code, ran.stdout + ran.stderr);
      assertMatch(ran.stderr, says);
    }
    assertEquals(await Deno.readTextFile(`${folder}/there`), "precious");
    assertEquals([...Deno.readDirSync(folder)].map(({ name }) => name).sort(), ["data", "there"]);
    const named = await runProgram(fromCheckout(folder, ["export"]));
    assertMatch(named.stdout, /^Exported 0 worlds to elastik-\d{14}\.tar\.gz, 1 KiB\n/);
  }));
