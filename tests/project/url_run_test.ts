import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { ask, assertWorks, cacheIn, ROOT, runProgram, startProgram } from "./program.ts";
import { commandsOf } from "./readme.ts";
import { withTempFolder } from "../support/temp_folder.ts";
import { freePort } from "../support/free_port.ts";

const PAGE = "worlds/usr/share/doc/running.md";

/** The checkout as plain files on loopback, as a host of files would serve it. */
function serveFiles(): { url: string; stop: () => Promise<void> } {
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, sendFile);
  return {
    url: `http://127.0.0.1:${server.addr.port}`,
    stop: () => server.shutdown(),
  };
}

async function sendFile(request: Request): Promise<Response> {
  const path = new URL(request.url).pathname;
  // As much of the checkout as a release has: no lock file, no tests.
  if (!/^\/(?:main\.ts|LICENSE|README\.md|deno\.json|(?:lib|plugins|worlds)\/.*)$/.test(path)) {
    return new Response(null, { status: 404 });
  }
  const type = path.endsWith(".ts") ? "application/typescript" : "text/plain";
  try {
    const body = await Deno.readFile(`${ROOT}${decodeURIComponent(path)}`);
    return new Response(body, { headers: { "content-type": type } });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return new Response(null, { status: 404 });
    throw error;
  }
}

Deno.test("main.ts runs from a URL in an empty folder, and again without the network", () =>
  withTempFolder(async (folder) => {
    const files = serveFiles();
    const here = `${folder}/empty`;
    await Deno.mkdir(here);
    const env = { ...await cacheIn(folder), ELASTIK_PORT: "0" };
    const start = {
      command: Deno.execPath(),
      args: ["run", "-A", "--unstable-worker-options", `${files.url}/main.ts`],
      cwd: here,
      env,
    };
    try {
      const program = await startProgram(start);
      await assertWorks(program, `${here}/data`);
      assertEquals((await program.stop()).code, 0);
    } finally {
      await files.stop();
    }
    assertEquals([...Deno.readDirSync(here)].map(({ name }) => name), ["data"]);
    const again = await startProgram(start);
    assertEquals((await ask(`${again.url}/home/x?raw`)).text, "kept");
    await assertWorks(again, `${here}/data`);
    const at = (...args: string[]) => runProgram({ ...start, args: [...start.args, ...args] });
    // What a command needs came with the first start, whichever command that was.
    const installed = await at("install", "example", "--url", again.url);
    assertEquals(installed.code, 0, installed.stderr);
    const minted = await at("mint", "home/x", "--url", again.url);
    assertMatch(minted.stdout, /^[\w-]+\.[\w-]+\n$/);
    assertEquals((await at("boot", again.url)).code, 0);
    assertEquals((await at("export", "all.tar.gz")).code, 0);
    assert(!again.output().includes("Download"), again.output());
    await again.stop();
    assertEquals((await at("import", "all.tar.gz", "--into", "copy")).code, 0);
    const verified = await at("verify", "copy");
    assertEquals(verified.code, 0, verified.stdout);
    for (const { stderr } of [installed, minted, verified]) {
      assert(!stderr.includes("Download"), stderr);
    }
  }));

Deno.test("main.ts runs with the permissions of the line in running.md", () =>
  withTempFolder(async (folder) => {
    const line = commandsOf(PAGE).find((command) => command.includes("--allow-net="));
    assert(line !== undefined, `no such line in ${PAGE}`);
    assert(!/ -A\b|--allow-all/.test(line));
    // The line names a port, so it cannot be 0.
    const port = freePort();
    const files = serveFiles();
    const env = { ...await cacheIn(folder), ELASTIK_PORT: String(port) };
    const flags = line.replaceAll("3005", String(port)).replace(/^deno run/, "");
    try {
      // In the checkout itself, but with the data elsewhere, and from a URL.
      const data = `${folder}/data`;
      const rows = [
        { cwd: ROOT, data, command: flags.replaceAll("=data", `=${data}`) },
        {
          cwd: folder,
          data: "data",
          command: flags.replace(",lib", "").replace(
            / main\.ts$/,
            ` ${files.url}/main.ts`,
          ),
        },
      ];
      for (const { cwd, data, command } of rows) {
        const program = await startProgram({
          command: "bash",
          args: ["-c", `exec deno run ${command}`],
          cwd,
          env: { ...env, ELASTIK_DATA: data, PATH: pathWithDeno() },
        });
        await assertWorks(program, `${folder}/data`);
        assertEquals((await program.stop()).code, 0);
      }
    } finally {
      await files.stop();
    }
  }));

Deno.test("main.ts does not start without a permission of the line in running.md", () =>
  withTempFolder(async (folder) => {
    const line = commandsOf(PAGE).find((command) => command.includes("--allow-net=")) ?? "";
    const needed = [...line.matchAll(/'?--allow-(net|env|read|write)=[^ ]+/g)].map(([flag]) =>
      flag
    );
    assertEquals(needed.length, 4);
    for (const flag of needed) {
      const port = String(freePort());
      const flags = line.replace(flag, "").replaceAll("3005", port).replaceAll(
        "=data",
        `=${folder}/data`,
      );
      const started = startProgram({
        command: "bash",
        args: ["-c", `exec ${flags}`],
        cwd: ROOT,
        env: { ELASTIK_PORT: port, ELASTIK_DATA: `${folder}/data`, PATH: pathWithDeno() },
      });
      const outcome = await started.then((program) => program, (error: Error) => error.message);
      if (typeof outcome !== "string") {
        await outcome.stop();
        throw new Error(`it started without ${flag}`);
      }
      assertMatch(outcome, /the program has no permission|Requires (?:net|env|read|write) access/);
    }
  }));

/** The PATH of a computer on which this very Deno is installed. */
function pathWithDeno(): string {
  return `${Deno.execPath().replace(/\/[^/]+$/, "")}:${Deno.env.get("PATH")}`;
}
