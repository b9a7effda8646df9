import { assertEquals, assertMatch } from "../../support/assert.ts";
import { ask, fromCheckout, runProgram, startProgram } from "../../project/program.ts";
import { withTempFolder } from "../../support/temp_folder.ts";

Deno.test("restore brings worlds back to the running server, and into a new folder, at a time", () =>
  withTempFolder(async (folder) => {
    const program = await startProgram(fromCheckout(folder));
    const send = (method: string, name: string, body?: string) =>
      ask(`${program.url}/home/${name}`, { method, ...(body === undefined ? {} : { body }) });
    const run = (...words: string[]) =>
      runProgram(fromCheckout(folder, [...words, "--url", program.url]));
    const read = async (name: string) => (await ask(`${program.url}/home/${name}?raw`)).text;
    await send("PUT", "t/a", "before");
    await send("PUT", "t/b", "stays");
    await send("PUT", "other", "before");
    await new Promise((resume) => setTimeout(resume, 5));
    const at = new Date().toISOString();
    await new Promise((resume) => setTimeout(resume, 5));
    await send("PUT", "t/a", "after");
    await send("PUT", "other", "after");
    await send("PUT", "t/new", "after");
    const backup = await runProgram(fromCheckout(folder, ["backup", "copies"]));
    assertEquals(backup.code, 0, backup.stderr);

    const dry = await run("restore", "copies", "/home/t/", "--at", at, "--dry-run");
    assertEquals(
      dry.stdout,
      "/home/t/a: would be set to its earlier content\n/home/t/b: the same already\n",
    );
    assertEquals(await read("t/a"), "after");
    const done = await run("restore", "copies", "home/t", "--at", at);
    assertEquals(done.code, 0, done.stderr);
    assertMatch(done.stdout, /^\/home\/t\/a: set to its earlier content, version 3$/m);
    assertEquals(
      [await read("t/a"), await read("t/new"), await read("other")],
      ["before", "after", "after"],
    );
    await program.stop();

    const into = await runProgram(
      fromCheckout(folder, ["restore", "copies", "--into", "then", "--at", at]),
    );
    assertEquals(into.code, 0, into.stderr);
    const then = await startProgram(fromCheckout(folder, [], { ELASTIK_DATA: "then" }));
    assertEquals((await ask(`${then.url}/home/other?raw`)).text, "before");
    assertEquals((await ask(`${then.url}/home/t/new?raw`)).status, 404);
    await then.stop();
  }));

Deno.test("restore reports its errors in one sentence", () =>
  withTempFolder(async (folder) => {
    const restore = async (...words: string[]) => {
      const { code, stderr } = await runProgram(fromCheckout(folder, ["restore", ...words]));
      assertEquals(stderr.split("\n").length, 2, stderr);
      return `${code} ${stderr.trim()}`;
    };
    assertMatch(await restore("copies"), /^2 Cannot run restore: a path is missing; /);
    assertMatch(await restore("copies", "/", "--at", "soon"), /^2 .*--at is soon; a time such as/);
    assertEquals(
      await restore("copies", "--into", "new"),
      "2 Cannot restore from copies: there is no such file or folder",
    );
    assertMatch(await restore("x", "--into", "y", "--url", "http://z"), /exclude each other/);
    await Deno.mkdir(`${folder}/empty`);
    assertMatch(await restore("empty", "--into", "new"), /^2 .*neither a backup nor a data folder/);
  }));

Deno.test("restore says that worlds can be missing if no run of the backup has ended", () =>
  withTempFolder(async (folder) => {
    const program = await startProgram(fromCheckout(folder));
    await ask(`${program.url}/home/a`, { method: "PUT", body: "x" });
    await program.stop();
    assertEquals((await runProgram(fromCheckout(folder, ["backup", "copies"]))).code, 0);
    // As a kill before the end leaves it.
    await Deno.writeTextFile(`${folder}/copies/elastik-backup.json`, '{"format":1}\n');
    const early = await runProgram(fromCheckout(folder, ["restore", "copies", "--into", "new"]));
    assertEquals(early.code, 1);
    assertMatch(early.stdout, /^Restored \d+ worlds into new\n$/);
    assertMatch(early.stderr, /^Worlds can be missing: no run of this backup has ended; .*\n$/);
    assertEquals((await runProgram(fromCheckout(folder, ["backup", "copies"]))).code, 0);
    const later = await runProgram(fromCheckout(folder, ["restore", "copies", "--into", "new2"]));
    assertEquals([later.code, later.stderr], [0, ""]);
  }));
