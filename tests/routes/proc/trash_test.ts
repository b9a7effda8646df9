/** The trash over HTTP: its listing, restores and the final deletion, for each kind of caller. */

import { assert, assertEquals } from "../../support/assert.ts";
import {
  APPROVE,
  bearer,
  CLOSED,
  suite,
  type TestServer,
  TOKEN,
} from "../../support/test_server.ts";
import { nextMillisecond } from "../../support/next_millisecond.ts";
import { runScenarios, type Scenario } from "../../support/scenario.ts";

const test = suite("/proc/trash", { env: CLOSED });

const T2 = bearer(TOKEN);
const T3 = bearer(APPROVE);

/** Creates a world and deletes it. */
async function deleted(server: TestServer, path: string, body = "gone"): Promise<string> {
  await server.approve("PUT", path, body);
  const { text } = await server.approve("DELETE", path);
  const { trash } = JSON.parse(text);
  await nextMillisecond();
  return String(trash[0]);
}

interface Row {
  readonly id: string;
  readonly name: string;
  readonly version: number;
  readonly deleted_at: string;
  readonly expires_at: string;
  readonly by: string;
}

async function list(
  server: TestServer,
  path = "/proc/trash/",
  headers: Record<string, string> = T3,
): Promise<{ rows: readonly Row[]; link: string | undefined }> {
  const reply = await server.send({ method: "GET", target: path, headers });
  assertEquals(reply.status, 200, reply.text);
  return { rows: JSON.parse(reply.text), link: reply.headers.get("link") ?? undefined };
}

function restore(title: string, path: string, id: string, more: Partial<Scenario>): Scenario {
  const join = path.includes("?") ? "&" : "?";
  return { title, send: `PUT ${path}${join}trash=${id}`, as: T3, status: 201, ...more };
}

test("lists deleted worlds newest first, in pages, below a prefix, as text", async (server) => {
  const ids: string[] = [];
  for (const name of ["a", "t/1", "t/2", "t2"]) ids.push(await deleted(server, `/home/${name}`));
  // Earlier cases of the suite have deleted worlds too.
  const mine = ({ rows }: { rows: readonly Row[] }) => rows.filter(({ id }) => ids.includes(id));
  const all = mine(await list(server));
  assertEquals(all.map(({ id }) => id), ids.toReversed());
  const [first] = all;
  assertEquals([first?.name, first?.by], ["home/t2", "T3"]);
  assert(Math.abs(Date.parse(first?.deleted_at ?? "") - Date.now()) < 60_000);
  assertEquals(
    Object.keys(first ?? {}),
    ["id", "name", "version", "deleted_at", "by", "expires_at"],
  );
  const kept = Date.parse(first?.expires_at ?? "") - Date.parse(first?.deleted_at ?? "");
  assertEquals(kept, 30 * 86_400_000);
  const below = await list(server, "/proc/trash/home/t/");
  assertEquals(below.rows.map(({ name }) => name), ["home/t/2", "home/t/1"]);
  const page = await list(server, "/proc/trash/home/t/?limit=1");
  const next = /^<([^>]+)>; rel="next"$/.exec(page.link ?? "")?.[1] ?? "";
  const rest = await list(server, next);
  assertEquals([page.rows.map(({ name }) => name), rest.rows.map(({ name }) => name), rest.link], [
    ["home/t/2"],
    ["home/t/1"],
    undefined,
  ]);
  const text = await server.send({
    method: "GET",
    target: "/proc/trash/home/t/",
    headers: { ...T3, accept: "text/plain" },
  });
  const { expires_at: _, ...line } = below.rows[0] ?? {};
  assertEquals(text.text.split("\n")[0], Object.values(line).join("\t"));
});

test("refuses what it cannot list or delete", async (server, t) => {
  const [id, other] = [await deleted(server, "/home/x"), await deleted(server, "/home/y")];
  await runScenarios(t, server, [
    { title: "a wrong limit", send: "GET /proc/trash/?limit=0", as: T3, status: 400 },
    { title: "an invented place", send: "GET /proc/trash/?after=abc", as: T3, status: 400 },
    { title: "an unknown parameter", send: "GET /proc/trash/?before=1", as: T3, status: 400 },
    { title: "a world", send: "GET /proc/trash/home/x", as: T3, status: 404, text: /home\/x\// },
    { title: "no namespace", send: "GET /proc/trash/x/", as: T3, status: 404 },
    { title: "a private collection", send: "GET /proc/trash/boot/", as: T2, status: 403 },
    { title: "no id", send: "DELETE /proc/trash/", as: T3, status: 400 },
    { title: "an unknown id", send: "DELETE /proc/trash/?id=none", as: T3, status: 404 },
    { title: "a path", send: "DELETE /proc/trash/?id=../home", as: T3, status: 404 },
    { title: "no credential", send: `DELETE /proc/trash/?id=${id}`, status: 401 },
    { title: "T2", send: `DELETE /proc/trash/?id=${id}`, as: T2, status: 403 },
    {
      title: "a capability over everything",
      send: `DELETE /proc/trash/?id=${id}`,
      as: bearer(server.capability("/", "rwd")),
      status: 403,
    },
    {
      title: "answers what it deleted",
      send: `DELETE /proc/trash/?id=${id}`,
      as: T3,
      status: 200,
      text: `{"deleted":["home/x"],"trash":["${id}"]}\n`,
    },
    { title: "deletes once", send: `DELETE /proc/trash/?id=${id}`, as: T3, status: 404 },
    restore("a deleted id", "/home/x", id, { status: 404 }),
    {
      title: "OPTIONS names DELETE for T3",
      send: "OPTIONS /proc/trash/",
      as: T3,
      status: 204,
      has: { allow: "GET, HEAD, DELETE, OPTIONS" },
    },
    {
      title: "OPTIONS does not name DELETE for T2",
      send: "OPTIONS /proc/trash/",
      as: T2,
      status: 204,
      has: { allow: "GET, HEAD, OPTIONS" },
    },
  ]);
  // An operator removes a folder by hand.
  await Deno.remove(`${server.data}/.trash/${other}`, { recursive: true });
  assertEquals((await list(server)).rows.filter((row) => row.id === other), []);
});

test("restores with the rights of a delete and a write", async (server, t) => {
  const id = await deleted(server, "/home/team/x");
  const inside = (mode: "r" | "rw" | "rwd") => bearer(server.capability("/home/team", mode));
  await runScenarios(t, server, [
    restore("no credential", "/home/team/x", id, { as: {}, status: 401 }),
    restore("T2", "/home/team/x", id, { as: T2, status: 403 }),
    restore("mode r", "/home/team/x", id, { as: inside("r"), status: 403 }),
    restore("mode rw", "/home/team/x", id, { as: inside("rw"), status: 403 }),
    restore("a capability of another prefix", "/home/other/x", id, {
      as: bearer(server.capability("/home/other", "rwd")),
      status: 404,
      lacks: ["home/team"],
    }),
    restore("an unknown id of another prefix", "/home/other/x", "none", {
      as: bearer(server.capability("/home/other", "rwd")),
      status: 404,
    }),
    restore("a name outside the prefix", "/home/x", id, { as: inside("rwd"), status: 403 }),
    restore("content", "/home/team/x", id, { body: "text", status: 400 }),
    restore("metadata", "/home/team/x", id, { headers: { "x-meta-a": "1" }, status: 400 }),
    restore("a version too", "/home/team/x?from=1", id, { status: 400 }),
    restore("a false condition", "/home/team/x", id, {
      headers: { "if-match": "*" },
      status: 412,
    }),
    restore("mode rwd", "/home/team/x", id, {
      as: inside("rwd"),
      headers: { "if-none-match": "*" },
      json: { version: 2, ext: "txt" },
      has: { location: "/home/team/x", etag: /^"2-/ },
      changes: { "home/team/x": ["stage_written", "world_deleted", "world_restored"] },
    }),
    restore("an id that was restored", "/home/team/y", id, { as: inside("rwd"), status: 404 }),
  ]);
  await server.audit();
});

test("restores under another name, and never over a world", async (server, t) => {
  const id = await deleted(server, "/home/x", "text");
  const secret = await deleted(server, "/etc/shadow", "ada:00");
  await runScenarios(t, server, [
    {
      title: "creates a world there",
      send: "PUT /home/y",
      as: T2,
      body: "y",
      status: 201,
      changes: { "home/y": ["stage_written"] },
    },
    restore("a world is there", "/home/y", id, { status: 409 }),
    restore("a world of the lower layer is there", "/usr/share/doc/note.md", id, { status: 409 }),
    restore("other readers", "/home/z", secret, { status: 409, text: /own name/ }),
    restore("T2 and a secret world", "/home/z", secret, { as: T2, status: 404, lacks: ["shadow"] }),
    restore("a path of no world", "/home/z/", id, { status: 405 }),
    restore("the suffix decides", "/home/z.md", id, {
      json: { version: 2, ext: "md" },
      changes: {
        "home/z.md": ["stage_written", "world_deleted", "world_moved", "world_restored"],
      },
    }),
  ]);
  await server.audit();
});

test("a restored plugin source waits for approval", async (server, t) => {
  await server.send({
    method: "PUT",
    target: "/lib/p",
    headers: T2,
    body: 'export const routes = ["/p"]; export default { fetch: () => new Response("p") };',
  });
  await server.approve("PUT", "/lib/p/state", "active");
  const { text } = await server.approve("DELETE", "/lib/p");
  const [id] = JSON.parse(text).trash;
  await runScenarios(t, server, [
    restore("a capability of mode rwd", "/lib/p", id, {
      as: bearer(server.capability("/lib", "rwd")),
      status: 403,
    }),
    restore("another name", "/lib/q", id, { status: 409 }),
    restore("T3", "/lib/p", id, {
      json: { ext: "ts" },
      changes: {
        "lib/p": [
          "stage_written",
          "state_transition",
          "world_deleted",
          "world_restored",
          "state_transition",
        ],
      },
    }),
    {
      title: "is pending",
      send: "GET /lib/p/state",
      as: T3,
      status: 200,
      json: { state: "pending" },
    },
    { title: "is not called", send: "GET /p", as: T3, status: 404 },
  ]);
});

test("a restored configuration world takes effect", async (server) => {
  const account = { authorization: `Basic ${btoa("ada:pw")}` };
  const whoami = async () =>
    (await server.send({ method: "GET", target: "/auth/whoami", headers: account })).status;
  await server.approve("PUT", "/etc/passwd", "ada:T2\n");
  const hash = "30c952fab122c3f9759f02a6d95c3758b246b4fee239957b2d4fee46e26170c4";
  await server.approve("PUT", "/etc/shadow", `ada:${hash}\n`);
  assertEquals(await whoami(), 200);
  const { text } = await server.approve("DELETE", "/etc/passwd");
  assertEquals(await whoami(), 401);
  await server.approve("PUT", `/etc/passwd?trash=${JSON.parse(text).trash[0]}`);
  assertEquals(await whoami(), 200);
  await server.approve("DELETE", "/etc/passwd");
  await server.approve("DELETE", "/etc/shadow");
});

test("a restore respects locks", async (server, t) => {
  const id = await deleted(server, "/home/l/x");
  await server.send({ method: "PUT", target: "/home/l/other", headers: T2, body: "x" });
  const locked = await server.send({
    method: "LOCK",
    target: "/dav/home/l/",
    headers: { ...T3, timeout: "Second-600" },
    body: '<lockinfo xmlns="DAV:"><lockscope><exclusive/></lockscope>' +
      "<locktype><write/></locktype></lockinfo>",
  });
  const token = locked.headers.get("lock-token") ?? "";
  await runScenarios(t, server, [
    restore("without the token", "/home/l/x", id, { status: 423 }),
    restore("with the token", "/home/l/x", id, {
      headers: { if: `</dav/home/l/> (${token})` },
      changes: { "home/l/x": ["stage_written", "world_deleted", "world_restored"] },
    }),
  ]);
});

test("DELETE /proc/trash/ answers 200 once if several requests delete an entry at the same time", async (server) => {
  const id = await deleted(server, "/home/once");
  const requests = Array.from(
    { length: 6 },
    () => server.approve("DELETE", `/proc/trash/?id=${id}`),
  );
  const replies = await Promise.all(requests);
  assertEquals(replies.map(({ status }) => status).sort(), [200, 404, 404, 404, 404, 404]);
  for (const { status, text } of replies) {
    if (status === 404) assert(text.includes("there is no such id"), text);
  }
});
