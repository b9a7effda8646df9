/**
 * The access policy over HTTP: the status of each request for each kind of caller, written out in one
 * table. Nothing in it is computed. A change of the policy changes a cell.
 */

import { assert, assertEquals, assertMatch, assertStrictEquals } from "../support/assert.ts";
import { mint, narrow } from "../../lib/auth/capability.ts";
import { sha256Hex } from "../../lib/base/hash.ts";
import {
  APPROVE,
  basic,
  bearer,
  CLOSED,
  suite,
  type TestServer,
  TOKEN,
} from "../support/test_server.ts";

const test = suite("the policy applies to every request over HTTP", { env: CLOSED });

const PASSWORD = "correct horse";
const HASH = sha256Hex(PASSWORD);

/** The callers, in the order of the columns. */
function callers(server: TestServer): readonly (readonly [string, Record<string, string>])[] {
  const exp = Math.floor(Date.now() / 1000) + 600;
  const cap = (prefix: string, mode: "r" | "rw") => server.capability(prefix, mode);
  const good = cap("/home/s", "rw");
  const flipped = good.endsWith("A") ? "B" : "A";
  const line = btoa(`/|${exp}|rw`).replaceAll("=", "");
  return [
    ["ano", {}],
    ["T2", bearer(TOKEN)],
    ["T3", bearer(APPROVE)],
    ["aT1", basic("one", PASSWORD)],
    ["aT2", basic("two", PASSWORD)],
    ["aT3", basic("three", PASSWORD)],
    ["c/w", bearer(cap("/", "rw"))],
    ["c/r", bearer(cap("/", "r"))],
    ["csw", bearer(good)],
    ["csr", basic("", cap("/home/s", "r"))],
    ["cet", bearer(cap("/etc", "rw"))],
    ["nsw", bearer(narrow(cap("/home", "rw"), { prefix: "/home/s", mode: "rw", exp }))],
    // The line narrows the mode and tries to widen the expiry.
    ["nsr", bearer(narrow(good, { prefix: "/home/s", mode: "r", exp: exp + 10_000 }))],
    ["exp", bearer(server.capability("/", "rw", -1))],
    ["tam", bearer(`${good.slice(0, -1)}${flipped}`)],
    ["ext", bearer(`${line}.${good.slice(-43)}`)],
    ["key", bearer(mint({ key: "another key", prefix: "/", mode: "rw", exp }))],
  ];
}

// deno-fmt-ignore
const TABLE: readonly (readonly [request: string, statuses: string])[] = [
  //                                 ano T2  T3  aT1 aT2 aT3 c/w c/r csw csr cet nsw nsr exp tam ext key
  ["GET /home/s/x",                 "200 200 200 200 200 200 200 200 200 200 403 200 200 200 200 200 200"],
  ["HEAD /home/s/x",                "200 200 200 200 200 200 200 200 200 200 403 200 200 200 200 200 200"],
  ["GET /home/s/x?raw",             "200 200 200 200 200 200 200 200 200 200 403 200 200 200 200 200 200"],
  ["GET /home/s/x?at=1",            "200 200 200 200 200 200 200 200 200 200 403 200 200 200 200 200 200"],
  ["PUT /home/s/x",                 "401 200 200 403 200 200 200 403 200 403 403 200 403 401 401 401 401"],
  ["POST /home/s/x",                "401 200 200 403 200 200 200 403 200 403 403 200 403 401 401 401 401"],
  ["DELETE /home/s/x",              "401 403 200 403 403 200 403 403 403 403 403 403 403 401 401 401 401"],
  ["DELETE /home/s/",               "401 403 200 403 403 200 403 403 403 403 403 403 403 401 401 401 401"],
  ["OPTIONS /home/s/x",             "204 204 204 204 204 204 204 204 204 204 204 204 204 204 204 204 204"],
  ["PATCH /home/s/x",               "401 415 415 403 415 415 415 403 415 403 403 415 403 401 401 401 401"],
  ["GET /home/s/",                  "200 200 200 200 200 200 200 200 200 200 403 200 200 200 200 200 200"],
  ["GET /home/sx",                  "200 200 200 200 200 200 200 200 403 403 403 403 403 200 200 200 200"],
  ["HEAD /home/sx?raw",             "200 200 200 200 200 200 200 200 403 403 403 403 403 200 200 200 200"],
  ["PUT /home/sx",                  "401 200 200 403 200 200 200 403 403 403 403 403 403 401 401 401 401"],
  ["POST /home/sx",                 "401 200 200 403 200 200 200 403 403 403 403 403 403 401 401 401 401"],
  ["DELETE /home/sx",               "401 403 200 403 403 200 403 403 403 403 403 403 403 401 401 401 401"],
  ["GET /home/",                    "200 200 200 200 200 200 200 200 403 403 403 403 403 200 200 200 200"],
  ["GET /home",                     "200 200 200 200 200 200 200 200 403 403 403 403 403 200 200 200 200"],
  ["GET /etc/x",                    "200 200 200 200 200 200 200 200 403 403 200 403 403 200 200 200 200"],
  ["PUT /etc/x",                    "401 403 200 403 403 200 403 403 403 403 403 403 403 401 401 401 401"],
  ["POST /etc/x",                   "401 403 200 403 403 200 403 403 403 403 403 403 403 401 401 401 401"],
  ["DELETE /etc/x",                 "401 403 200 403 403 200 403 403 403 403 403 403 403 401 401 401 401"],
  ["GET /etc/",                     "200 200 200 200 200 200 200 200 403 403 200 403 403 200 200 200 200"],
  ["GET /etc/fstab",                "200 200 200 200 200 200 200 200 403 403 200 403 403 200 200 200 200"],
  ["PUT /etc/fstab",                "401 403 200 403 403 200 403 403 403 403 403 403 403 401 401 401 401"],
  ["GET /etc/passwd",               "200 200 200 200 200 200 200 200 403 403 200 403 403 200 200 200 200"],
  ["GET /etc/shadow",               "401 403 200 403 403 200 403 403 403 403 403 403 403 401 401 401 401"],
  ["HEAD /etc/shadow",              "401 403 200 403 403 200 403 403 403 403 403 403 403 401 401 401 401"],
  ["GET /etc/shadow?raw",           "401 403 200 403 403 200 403 403 403 403 403 403 403 401 401 401 401"],
  ["GET /etc/shadow?v=1",           "401 403 304 403 403 304 403 403 403 403 403 403 403 401 401 401 401"],
  ["GET /etc/shadow?at=1",          "401 403 200 403 403 200 403 403 403 403 403 403 403 401 401 401 401"],
  ["POST /etc/shadow",              "401 403 200 403 403 200 403 403 403 403 403 403 403 401 401 401 401"],
  ["GET /etc/revoked",              "401 403 404 403 403 404 403 403 403 403 403 403 403 401 401 401 401"],
  ["GET /etc/SHADOW",               "401 403 404 403 403 404 403 403 403 403 403 403 403 401 401 401 401"],
  ["GET /etc/shadow/",              "401 403 404 403 403 404 403 403 403 403 403 403 403 401 401 401 401"],
  ["GET /usr/x",                    "200 200 200 200 200 200 200 200 200 200 200 200 200 200 200 200 200"],
  ["PUT /usr/x",                    "401 403 200 403 403 200 403 403 403 403 403 403 403 401 401 401 401"],
  ["DELETE /usr/x",                 "401 403 200 403 403 200 403 403 403 403 403 403 403 401 401 401 401"],
  ["GET /usr/lib/shell/app.js",     "200 200 200 200 200 200 200 200 200 200 200 200 200 200 200 200 200"],
  ["PUT /usr/lib/shell/app.js",     "401 403 200 403 403 200 403 403 403 403 403 403 403 401 401 401 401"],
  ["GET /usr/lib/shell/",           "200 200 200 200 200 200 200 200 200 200 200 200 200 200 200 200 200"],
  ["GET /var/x",                    "200 200 200 200 200 200 200 200 403 403 403 403 403 200 200 200 200"],
  ["PUT /var/x",                    "401 403 200 403 403 200 403 403 403 403 403 403 403 401 401 401 401"],
  ["DELETE /var/x",                 "401 403 200 403 403 200 403 403 403 403 403 403 403 401 401 401 401"],
  ["GET /boot/x",                   "401 403 200 403 403 200 403 403 403 403 403 403 403 401 401 401 401"],
  ["HEAD /boot/x?raw",              "401 403 200 403 403 200 403 403 403 403 403 403 403 401 401 401 401"],
  ["GET /boot/env",                 "401 403 200 403 403 200 403 403 403 403 403 403 403 401 401 401 401"],
  ["GET /boot/absent",              "401 403 404 403 403 404 403 403 403 403 403 403 403 401 401 401 401"],
  ["PUT /boot/x",                   "401 403 200 403 403 200 403 403 403 403 403 403 403 401 401 401 401"],
  ["DELETE /boot/x",                "401 403 200 403 403 200 403 403 403 403 403 403 403 401 401 401 401"],
  ["GET /boot/",                    "401 403 200 403 403 200 403 403 403 403 403 403 403 401 401 401 401"],
  ["GET /boot",                     "401 403 200 403 403 200 403 403 403 403 403 403 403 401 401 401 401"],
  ["GET /lib/p",                    "200 200 200 200 200 200 200 200 403 403 403 403 403 200 200 200 200"],
  ["PUT /lib/p",                    "401 200 200 403 200 200 200 403 403 403 403 403 403 401 401 401 401"],
  ["POST /lib/p",                   "401 200 200 403 200 200 200 403 403 403 403 403 403 401 401 401 401"],
  ["DELETE /lib/p",                 "401 403 200 403 403 200 403 403 403 403 403 403 403 401 401 401 401"],
  ["GET /lib/",                     "200 200 200 200 200 200 200 200 403 403 403 403 403 200 200 200 200"],
  ["GET /",                         "200 200 200 200 200 200 200 200 403 403 403 403 403 200 200 200 200"],
  ["GET /dev/",                     "200 200 200 200 200 200 200 200 403 403 403 403 403 200 200 200 200"],
  ["GET /mnt/",                     "200 200 200 200 200 200 200 200 403 403 403 403 403 200 200 200 200"],
  ["GET /bin",                      "200 200 200 200 200 200 200 200 200 200 200 200 200 200 200 200 200"],
  ["GET /proc/",                    "200 200 200 200 200 200 200 200 403 403 403 403 403 200 200 200 200"],
  ["GET /proc/status",              "200 200 200 200 200 200 200 200 200 200 200 200 200 200 200 200 200"],
  ["GET /proc/worlds",              "200 200 200 200 200 200 200 200 200 200 200 200 200 200 200 200 200"],
  ["GET /proc/audit/home/s/x",      "200 200 200 200 200 200 200 200 200 200 403 200 200 200 200 200 200"],
  ["GET /proc/audit/home/sx",       "200 200 200 200 200 200 200 200 403 403 403 403 403 200 200 200 200"],
  ["GET /proc/audit/etc/shadow",    "401 403 200 403 403 200 403 403 403 403 403 403 403 401 401 401 401"],
  ["HEAD /proc/audit/boot/x",       "401 403 200 403 403 200 403 403 403 403 403 403 403 401 401 401 401"],
  ["GET /proc/log/home/s/x",        "200 200 200 200 200 200 200 200 200 200 403 200 200 200 200 200 200"],
  ["GET /proc/log/etc/shadow",      "401 403 200 403 403 200 403 403 403 403 403 403 403 401 401 401 401"],
  ["GET /proc/log/boot/x",          "401 403 200 403 403 200 403 403 403 403 403 403 403 401 401 401 401"],
  ["GET /bin/proc/log/etc/shadow",  "401 403 200 403 403 200 403 403 403 403 403 403 403 401 401 401 401"],
  ["HEAD /stream/home/s/x",         "200 200 200 200 200 200 200 200 200 200 403 200 200 200 200 200 200"],
  ["HEAD /stream/s/x",              "200 200 200 200 200 200 200 200 200 200 403 200 200 200 200 200 200"],
  ["HEAD /stream/home/s/",          "200 200 200 200 200 200 200 200 200 200 403 200 200 200 200 200 200"],
  ["HEAD /stream/home/sx",          "200 200 200 200 200 200 200 200 403 403 403 403 403 200 200 200 200"],
  ["HEAD /stream/",                 "200 200 200 200 200 200 200 200 403 403 403 403 403 200 200 200 200"],
  ["HEAD /stream/etc/",             "200 200 200 200 200 200 200 200 403 403 200 403 403 200 200 200 200"],
  ["HEAD /stream/etc/shadow",       "401 403 200 403 403 200 403 403 403 403 403 403 403 401 401 401 401"],
  ["HEAD /stream/boot/",            "401 403 200 403 403 200 403 403 403 403 403 403 403 401 401 401 401"],
  ["HEAD /bin/stream/boot/x",       "401 403 200 403 403 200 403 403 403 403 403 403 403 401 401 401 401"],
  ["GET /dav/home/s/x",             "200 200 200 200 200 200 200 200 200 200 403 200 200 200 200 200 200"],
  ["GET /dav/home/sx",              "200 200 200 200 200 200 200 200 403 403 403 403 403 200 200 200 200"],
  ["PUT /dav/home/sx",              "401 204 204 403 204 204 204 403 403 403 403 403 403 401 401 401 401"],
  ["DELETE /dav/home/sx",           "401 403 204 403 403 204 403 403 403 403 403 403 403 401 401 401 401"],
  ["PUT /dav/etc/x",                "401 403 204 403 403 204 403 403 403 403 403 403 403 401 401 401 401"],
  ["GET /dav/etc/shadow",           "401 403 200 403 403 200 403 403 403 403 403 403 403 401 401 401 401"],
  ["HEAD /dav/etc/shadow",          "401 403 200 403 403 200 403 403 403 403 403 403 403 401 401 401 401"],
  ["PROPFIND /dav/etc/shadow",      "401 403 207 403 403 207 403 403 403 403 403 403 403 401 401 401 401"],
  ["PROPFIND /dav/boot/",           "401 403 207 403 403 207 403 403 403 403 403 403 403 401 401 401 401"],
  ["GET /dav/boot/x",               "401 403 200 403 403 200 403 403 403 403 403 403 403 401 401 401 401"],
  ["GET /auth/whoami",              "200 200 200 200 200 200 200 200 200 200 200 200 200 401 401 401 401"],
  ["POST /auth/mint?prefix=/home/s","401 403 200 403 403 200 403 403 403 403 403 403 403 401 401 401 401"],
  ["GET /nowhere",                  "404 404 404 404 404 404 404 404 404 404 404 404 404 404 404 404 404"],
];

/** Worlds that are restored after each cell. */
const WORLDS = ["home/s/x", "home/sx", "etc/x", "etc/fstab", "usr/x", "var/x", "boot/x", "lib/p"];
const BODY = "as it was";
const SHADOW = ["one", "two", "three"].map((user) => `${user}:${HASH}`).join("\n");

async function setUp(server: TestServer): Promise<void> {
  const users = ["one:T1", "two:T2", "three:T3"];
  await server.approve("PUT", "/etc/passwd", users.join("\n"));
  await server.approve("PUT", "/etc/shadow", SHADOW);
  await server.approve("PUT", "/home/s/keep", "keeps the collection");
  for (const name of WORLDS) await server.approve("PUT", `/${name}`, BODY);
}

/** Fails if a refused request changed a world, and restores what an allowed one changed. */
async function assertUnchanged(
  server: TestServer,
  request: string,
  status: number,
): Promise<void> {
  const [method = "", sent = ""] = request.split(" ");
  const target = sent.replace(/^\/dav\//, "/");
  if (!["PUT", "POST", "DELETE"].includes(method) || target.startsWith("/auth/")) return;
  if (status < 400) {
    if (target === "/home/s/") await server.approve("PUT", "/home/s/keep", "");
    for (const name of target === "/home/s/" ? ["home/s/x"] : [target.slice(1)]) {
      if (name === "etc/shadow") await server.approve("PUT", `/${name}`, SHADOW);
      else if (name.startsWith("usr/lib")) await server.approve("DELETE", `/${name}`);
      else await server.approve("PUT", `/${name}`, BODY);
    }
    return;
  }
  if (target.endsWith("/") || target === "/etc/shadow" || target.startsWith("/usr/lib")) return;
  const reply = await server.send({
    method: "GET",
    target: `${target}?raw`,
    headers: bearer(APPROVE),
  });
  assertStrictEquals(reply.text, BODY, `${request} was refused and changed something`);
}

test("the policy decides every request for every caller", async (server, t) => {
  await setUp(server);
  const columns = callers(server);
  for (const [request, statuses] of TABLE) {
    await t.step(request, async () => {
      const cells = statuses.split(" ");
      assertStrictEquals(cells.length, columns.length, "a cell for each caller");
      const [method = "", path = ""] = request.split(" ");
      const target = path === "/boot/env" ? `${server.bootFolders[0]}/env` : path;
      for (const [i, [caller, headers]] of columns.entries()) {
        const body = method === "PUT" || method === "POST" ? "changed" : undefined;
        const sent = { method, target, headers, ...(body === undefined ? {} : { body }) };
        const sensitive = target.includes("/etc/shadow") || target.startsWith("/auth/mint");
        const reply = await server.send(sent, sensitive && cells[i] === "200");
        assertStrictEquals(String(reply.status), cells[i], `${caller}: ${reply.text}`);
        if (reply.status === 401) {
          assertMatch(reply.headers.get("www-authenticate") ?? "", /Basic realm="elastik"/, caller);
        } else assertEquals(reply.headers.get("www-authenticate"), undefined, caller);
        await assertUnchanged(server, request, reply.status);
      }
    });
  }
  server.secrets.add(HASH);
  await server.audit();
});

test("an error response is the same whether or not the world exists", async (server) => {
  await server.approve("PUT", "/boot/there", "x");
  await server.approve("PUT", "/home/other/there", "x");
  const cap = server.capability("/home/s", "rw");
  for (const headers of [{}, bearer(TOKEN), bearer(cap), bearer("wrong")]) {
    for (const method of ["GET", "HEAD", "PUT", "DELETE"]) {
      for (const folder of ["/boot", "/proc/audit/boot", "/proc/log/boot", "/stream/boot"]) {
        const send = (name: string) =>
          server.send({ method, target: `${folder}/${name}`, headers });
        const [there, absent] = [await send("there"), await send("never")];
        assert(there.status >= 400);
        assertStrictEquals(there.status, absent.status);
        assertStrictEquals(there.text, absent.text.replaceAll("never", "there"));
      }
    }
  }
  for (const method of ["GET", "HEAD", "PUT", "POST", "DELETE"]) {
    const send = (name: string) =>
      server.send({ method, target: `/home/other/${name}`, headers: bearer(cap) });
    const [there, absent] = [await send("there"), await send("never")];
    assertEquals(there.status, 403);
    assertStrictEquals(there.text, absent.text.replaceAll("never", "there"));
  }
});
