/** Plugins that call the server without a grant, or too often. Not a test itself. */

import { assertEquals } from "../../support/assert.ts";
import { type Attack, attack } from "./attack.ts";

const GRANTS = `export const grants = { "/var/cache/hostile/": "rw" };`;

type Row = readonly [
  authority: "machine" | "caller",
  method: string,
  path: string,
  asT1: readonly number[],
  asT2: readonly number[],
];
const NO = [401, 403];

/** Requests and their allowed statuses, for a caller without a credential and for one with T2. */
const ASKED: readonly Row[] = [
  ...([
    ["machine", "PUT", "/var/cache/hostile/x", [200, 201]],
    // The URL class resolves the dots inside the cell; the result is outside the grant.
    ["machine", "PUT", "/var/cache/hostile/../other", [400, ...NO]],
    ["machine", "PUT", "/var/cache/hostile/%2e%2e/other", [400, ...NO]],
    ["machine", "PUT", "/var/cache/hostile%2fx", [400, ...NO]],
    ["machine", "PUT", "/var/cache/hostiles", NO],
    ["machine", "PUT", "/home/hostile", NO],
    ["machine", "PUT", "/etc/hostile", NO],
    ["machine", "PUT", "/lib/calls", NO],
    ["machine", "PUT", "/lib/calls/state", NO],
    ["machine", "GET", "/home/secret", NO],
    ["machine", "GET", "/etc/shadow", NO],
    ["machine", "GET", "/boot/env", NO],
    ["machine", "POST", "/auth/mint?prefix=/home&ttl=60&mode=rw", NO],
    ["machine", "DELETE", "/home/probe/1", NO],
  ] as const).map((
    [authority, method, path, statuses],
  ): Row => [authority, method, path, statuses, statuses]),
  ["caller", "PUT", "/home/hostile", NO, [200, 201]],
  ["caller", "PUT", "/etc/hostile", NO, NO],
  ["caller", "PUT", "/lib/calls/state", NO, NO],
  ["caller", "GET", "/boot/env", NO, NO],
  ["caller", "DELETE", "/home/hostile", NO, NO],
  ["caller", "POST", "/auth/mint?prefix=/home&ttl=60&mode=rw", NO, NO],
];

/** The attacks. */
export const CALLS: readonly Attack[] = [
  attack(
    "calls",
    `const found = [];
    for (const [who, method, path] of ${JSON.stringify(ASKED)}) {
      const body = method === "PUT" ? "owned" : undefined;
      const headers = { authorization: "Bearer hostile-t3-token", "x-forwarded-for": "127.0.0.1" };
      try {
        const answer = await env[who].fetch("http://machine" + path, { method, body, headers });
        await answer.body?.cancel();
        found.push(answer.status);
      } catch (error) { found.push(String(error)); }
    }
    return Response.json(found);`,
    {
      top: GRANTS,
      status: [200],
      cellEnds: false,
      check: async (server) => {
        const statusesFor = async (by?: "t2") =>
          JSON.parse((await server.ask("GET", "/hostile/calls", by)).text);
        const check = (found: number[], column: 3 | 4): void => {
          const wrong = ASKED.filter((row, at) => !row[column].includes(found[at] ?? 0));
          assertEquals(wrong, [], JSON.stringify(found));
        };
        check(await statusesFor(), 3);
        for (const path of ["/home/hostile", "/etc/hostile", "/var/cache/other"]) {
          assertEquals((await server.ask("GET", path, "t3")).status, 404, path);
        }
        // For a T2 caller, `env.caller` has the rights of T2 and no more.
        check(await statusesFor("t2"), 4);
        assertEquals((await server.ask("GET", "/etc/hostile", "t3")).status, 404);
      },
    },
  ),
  attack(
    "call-flood",
    `const end = Date.now() + 700; let done = 0;
    await Promise.all(Array.from({ length: 200 }, async (_, i) => {
      while (Date.now() < end) {
        const init = i % 4 ? {} : { method: "PUT", body: "x".repeat(1000) };
        await (await env.machine.fetch("/var/cache/hostile/" + i, init)).text();
        done++;
      }
    }));
    return new Response("done " + (done > 20));`,
    { top: GRANTS, status: [200], cellEnds: false },
  ),
  attack(
    "call-itself",
    `const answer = await env.caller.fetch(pathname); return new Response(answer.body, answer);`,
    { status: [508], cellEnds: false },
  ),
  attack(
    "call-tree",
    // Each request sends two to itself: the limit of the cell bounds the open requests, not the tree.
    `const [a, b] = await Promise.all([1, 2].map(() => env.machine.fetch(pathname)));
    await Promise.all([a.text(), b.text()]); return new Response("leaf");`,
    { status: [200, 504], isLate: true },
  ),
  attack(
    "unread-calls",
    `for (let i = 0; i < 300; i++) env.machine.fetch("/usr/share/doc/http.md").catch(() => {});
    return new Response("left them");`,
    { top: `export const grants = { "/usr/": "r" };`, status: [200] },
  ),
];
