import { assert, assertEquals, assertMatch, assertNotEquals } from "../support/assert.ts";
import { ask, cleanEnv, fromCheckout, runProgram, startProgram } from "../project/program.ts";
import { withTempFolder } from "../support/temp_folder.ts";

const START_LINE = /^elastik \d+\.\d+\.\d+ at http:\/\/127\.0\.0\.1:\d+, worlds in data\/$/m;

Deno.test("serve prints its URL, and a generated approve token only once", () =>
  withTempFolder(async (folder) => {
    const first = await startProgram(fromCheckout(folder));
    await first.stop();
    assertMatch(first.output(), START_LINE);
    const shown = /^approve token \(T3\), .*: ([0-9a-f]{64})$/m.exec(first.output())?.[1];
    assertEquals(`${shown}\n`, await Deno.readTextFile(`${folder}/data/.approve-token`));
    const second = await startProgram(fromCheckout(folder));
    await second.stop();
    assertMatch(second.output(), START_LINE);
    assert(!second.output().includes(shown ?? ""), "shown again");
  }));

Deno.test("serve prints a command that works as it is", () =>
  withTempFolder(async (folder) => {
    const program = await startProgram(fromCheckout(folder));
    const command = /^try: (.*)$/m.exec(program.output())?.[1] ?? "";
    const { code, stdout } = await runProgram({
      command: "bash",
      args: ["-c", command],
      cwd: folder,
    });
    await program.stop();
    assertEquals(code, 0);
    assertEquals(stdout, '{"version":1,"ext":"html"}\n');
  }));

Deno.test("serve exits with 0 on SIGTERM and SIGINT, and keeps every confirmed write", () =>
  withTempFolder(async (folder) => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) {
      const program = await startProgram(fromCheckout(folder));
      const put = await ask(`${program.url}/home/${signal}`, { method: "PUT", body: signal });
      assertEquals(put.status, 201);
      assertEquals((await program.stop(signal)).code, 0);
    }
    const program = await startProgram(fromCheckout(folder));
    assertEquals((await ask(`${program.url}/home/SIGTERM?raw`)).text, "SIGTERM");
    assertEquals((await ask(`${program.url}/home/SIGINT?raw`)).text, "SIGINT");
    await program.stop("SIGKILL");
    const again = await startProgram(fromCheckout(folder));
    assertEquals((await ask(`${again.url}/home/SIGINT?raw`)).text, "SIGINT");
    await again.stop();
  }));

Deno.test("serve writes only JSON objects to its standard output with ELASTIK_LOG=json", () =>
  withTempFolder(async (folder) => {
    const { command, args, cwd, env } = fromCheckout(folder, [], { ELASTIK_LOG: "json" });
    const child = new Deno.Command(command, {
      args: [...args],
      cwd,
      env: cleanEnv(env),
      clearEnv: true,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const written = new Response(child.stdout).text();
    let output = "";
    for await (const text of child.stderr.pipeThrough(new TextDecoderStream())) {
      output += text;
      const url = /^elastik \S+ at (http:\S+), [\s\S]*^try: .*\n/m.exec(output)?.[1];
      if (url === undefined) continue;
      assertEquals((await ask(`${url}/home/x`, { method: "PUT", body: "x" })).status, 201);
      assertEquals((await ask(`${url}/proc/version`)).status, 200);
      child.kill("SIGTERM");
      break;
    }
    assertEquals((await child.status).code, 0);
    const rows = (await written).trimEnd().split("\n").map((line) => JSON.parse(line));
    // A line is written when the response was sent, which the client can see before the server.
    assertEquals(rows.map(({ method, path, status }) => `${method} ${path} ${status}`).sort(), [
      "GET /proc/version 200",
      "PUT /home/x 201",
    ]);
  }));

Deno.test("serve continues if the reader of its access log closes the pipe", () =>
  withTempFolder(async (folder) => {
    const { command, args, cwd, env } = fromCheckout(folder, [], { ELASTIK_LOG: "line" });
    const child = new Deno.Command(command, {
      args: [...args],
      cwd,
      env: cleanEnv(env),
      clearEnv: true,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const errors = new Response(child.stderr).text();
    let output = "";
    let url = "";
    for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
      output += text;
      url = /^elastik \S+ at (http:\S+), [\s\S]*^try: .*\n/m.exec(output)?.[1] ?? "";
      // Leaving the loop closes the pipe.
      if (url !== "") break;
    }
    for (let i = 0; i < 20; i++) assertEquals((await ask(`${url}/proc/version`)).status, 200);
    child.kill("SIGTERM");
    assertEquals((await child.status).code, 0);
    assertMatch(await errors, /cannot write the access log: /);
  }));

Deno.test("serve exits with one sentence if it cannot start", () =>
  withTempFolder(async (folder) => {
    const program = await startProgram(fromCheckout(folder));
    const { port } = new URL(program.url);
    const rows: readonly [Record<string, string>, RegExp][] = [
      [
        { ELASTIK_DATA: "other", ELASTIK_PORT: port },
        /^Cannot listen on 127\.0\.0\.1:\d+: another/,
      ],
      [{}, /^Cannot use the data folder data: another server holds it \(process \d+\)/],
      [
        { ELASTIK_PORT: "http" },
        /^Cannot use ELASTIK_PORT="http": a whole number of at most 65535 is needed/,
      ],
      [
        { ELASTIK_HOST: "0.0.0.0" },
        /^Cannot listen on 0\.0\.0\.0: an address that other computers can reach/,
      ],
    ];
    try {
      for (const [env, sentence] of rows) {
        const { code, stderr } = await runProgram(fromCheckout(folder, [], env));
        assertEquals(code, 1, stderr);
        assertMatch(stderr, sentence);
        assertEquals(stderr.trim().split("\n").length, 1, stderr);
      }
    } finally {
      await program.stop();
    }
  }));

Deno.test("serve reads .env of the working folder; the environment has priority", () =>
  withTempFolder(async (folder) => {
    const token = "the-token-of-the-file";
    await Deno.writeTextFile(
      `${folder}/.env`,
      `ELASTIK_TOKEN=${token}\nELASTIK_APPROVE_TOKEN=x\nELASTIK_DATA=from-file\n`,
    );
    const program = await startProgram(fromCheckout(folder, [], { ELASTIK_DATA: "from-env" }));
    try {
      assertMatch(program.output(), /worlds in from-env\//);
      const put = (authorization: string) =>
        ask(`${program.url}/home/x`, { method: "PUT", body: "x", headers: { authorization } });
      assertEquals((await put("Bearer nope")).status, 401);
      assertEquals((await put(`Bearer ${token}`)).status, 201);
      assertNotEquals((await ask(`${program.url}/boot/env`)).status, 200);
      assert(!program.output().includes(token), "the token was printed");
    } finally {
      await program.stop();
    }
  }));
