/** Plugins whose responses are invalid, endless or unsafe to pass on. Not a test itself. */

import { assert, assertEquals, assertRejects } from "../../support/assert.ts";
import { type Attack, attack } from "./attack.ts";

const FAILED = { status: [502], cellEnds: false };

/** Invalid response headers; Deno's HTTP server panics when it writes some of them (2.9.6). */
const HEADERS: Readonly<Record<string, string>> = {
  "header-control": "{ 'x-a': 'a\\x01b' }",
  "header-delete": "{ 'x-a': 'a\\x7fb' }",
  "header-long": "{ 'x-a': 'y'.repeat(1 << 20) }",
  "header-many": "Array.from({ length: 2000 }, (_, i) => ['x' + i, 'y'])",
};

/** The attacks. */
export const RESPONSES: readonly Attack[] = [
  attack("throw", "throw new Error('boom');", FAILED),
  attack("throw-odd", "throw { toString() { throw 1; }, get message() { throw 2; } };", FAILED),
  attack("throw-import", "", { top: "throw new Error('boom');", refused: /boom/ }),
  attack("throw-permissions", "", {
    top: "export const permissions = () => { throw new Error('boom'); };",
    refused: /`permissions`/,
  }),
  attack("no-response", "return { status: 200, headers: {}, body: 'x' };", FAILED),
  attack("error-response", "return Response.error();", FAILED),
  ...Object.entries(HEADERS).map(([name, headers]) =>
    attack(name, `return new Response('x', { headers: ${headers} });`, FAILED)
  ),
  attack(
    "throw-stream",
    `let n = 0; return new Response(new ReadableStream({ pull(c) {
      if (n++ < 3) c.enqueue(new Uint8Array(10)); else throw new Error('boom');
    } }));`,
    {
      cellEnds: false,
      check: async ({ url }) => {
        // The connection can be closed before the head was sent.
        await assertRejects(async () => {
          const answer = await fetch(`${url}/hostile/throw-stream`);
          if (answer.status === 200) await answer.bytes();
          else await answer.body?.cancel();
        }, TypeError);
      },
    },
  ),
  attack(
    "endless",
    "return new Response(new ReadableStream({ pull(c) { c.enqueue(new Uint8Array(65536)); } }));",
    {
      cellEnds: false,
      check: async ({ url }) => {
        const answer = await fetch(`${url}/hostile/endless`);
        const reader = answer.body!.getReader();
        for (let got = 0; got < 16 << 20;) got += (await reader.read()).value?.length ?? Infinity;
        await reader.cancel();
      },
    },
  ),
  attack(
    "length-lie",
    `const body = new ReadableStream({ start(c) { c.enqueue(new Uint8Array(10)); c.close(); } });
    return new Response(body, { headers: { 'content-length': searchParams.get('n') } });`,
    {
      cellEnds: false,
      check: async (server) => {
        // A longer body is cut; a shorter one closes the connection, so that no other response follows on it.
        for (const n of ["3", "1000", "abc"]) {
          await server.ask("GET", `/hostile/length-lie?n=${n}`).catch((error) => {
            assert(error instanceof TypeError, String(error));
          });
          assertEquals((await server.ask("GET", "/proc/version")).status, 200);
        }
      },
    },
  ),
  attack(
    "log-flood",
    "for (let i = 0; i < 100000; i++) console.log('flood ' + i); return new Response('done');",
    {
      status: [200],
      cellEnds: false,
      check: async ({ program }) => {
        await untilLogged(program, /^.*plugin log-flood: .*flood \d+\n/m);
        const times = [...program.output().matchAll(/^(\S+) plugin log-flood: .*flood \d+$/gm)]
          .map(([, time = ""]) => Date.parse(time));
        // 20 lines per second; a slow computer needs more seconds for the flood.
        const seconds = (Math.max(...times) - Math.min(...times)) / 1000;
        const most = 20 * Math.max(3, seconds + 2);
        assert(times.length > 0 && times.length <= most, `${times.length} lines in ${seconds} s`);
      },
    },
  ),
  attack(
    "log-forgery",
    `console.log('x\\n2026-01-01T00:00:00.000Z forged\\r\\x1b[2Jforged\\u2028forged\\u202eforged');
    console.error(new Error('boom\\n2026-01-01T00:00:00.000Z forged'));
    throw new Error('boom\\n2026-01-01T00:00:00.000Z forged');`,
    {
      status: [502],
      cellEnds: false,
      check: async ({ program }) => {
        await untilLogged(program, /forged.*\n/);
        const output = program.output();
        // deno-lint-ignore no-control-regex -- the output must not contain these characters
        const forged = /^2026-01-01|[\r\u001b\u2028\u202e]/m;
        assert(!forged.test(output), "a plugin wrote lines of its own");
      },
    },
  ),
];

/** Waits until the log contains a line: the server writes its log after it answers. */
async function untilLogged(program: { output(): string }, line: RegExp): Promise<void> {
  const end = performance.now() + 60_000;
  while (!line.test(program.output())) {
    assert(performance.now() < end, `the log does not contain ${line}`);
    await new Promise((resume) => setTimeout(resume, 20));
  }
}
