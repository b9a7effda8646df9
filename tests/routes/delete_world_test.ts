/**
 * Conditional changes, deletes, collections and the lower layer over HTTP: who says what they saw
 * overwrites nothing else, and what is deleted is kept aside.
 */

import { deepStrictEqual, equal } from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { pathExists } from "../../lib/world/file/durable_fs.ts";
import { sha256Hex } from "../../lib/base/hash.ts";
import { APPROVE, bearer, CLOSED, suite, TOKEN } from "../support/machine.ts";
import { runScenarios, type Scenario } from "../support/scenario.ts";

const test = suite("WorldRoutes change worlds over HTTP", { env: CLOSED });

const T2 = bearer(TOKEN);
const T3 = bearer(APPROVE);
const FUTURE = new Date(Date.now() + 1e6).toUTCString();
const PAST = "Sun, 06 Nov 1994 08:49:37 GMT";
const CHROME = "text/html,application/xhtml+xml,*/*;q=0.8";

const tag = (version: number, body: string, rep = "raw") =>
  `"${version}-${sha256Hex(body).slice(0, 16)}.${rep}"`;

function put(path: string, body = "x", status = 201): Scenario {
  return {
    title: "is there",
    send: `PUT ${path}`,
    as: T3,
    body,
    status,
    changes: { [decodeURIComponent(path.slice(1))]: ["stage_written"] },
  };
}

/** Method, conditions, and the status for a world at version 2 (`two`) and for one that is not there. */
// deno-fmt-ignore
const CONDITIONS: readonly (readonly [headers: Record<string, string>, here: boolean | 400, absent: boolean | 400])[] = [
  [{ "if-match": '"2"' }, true, false],
  [{ "if-match": tag(2, "two") }, true, false],
  [{ "if-match": tag(2, "two", "json") }, true, false],
  [{ "if-match": `"9", ${tag(2, "two")}` }, true, false],
  [{ "if-match": "*" }, true, false],
  [{ "if-match": '"1"' }, false, false],
  [{ "if-match": '"3"' }, false, false],
  [{ "if-match": tag(2, "other") }, false, false],
  [{ "if-match": tag(1, "two") }, false, false],
  [{ "if-match": 'W/"2"' }, false, false],
  [{ "if-match": '"stranger"' }, false, false],
  [{ "if-match": "" }, false, false],
  [{ "if-match": "2" }, 400, 400],
  [{ "if-match": '"2' }, 400, 400],
  [{ "if-none-match": "*" }, false, true],
  [{ "if-none-match": '"2"' }, false, true],
  [{ "if-none-match": 'W/"2"' }, false, true],
  [{ "if-none-match": tag(2, "two", "json") }, false, true],
  [{ "if-none-match": '"1"' }, true, true],
  [{ "if-none-match": "1" }, 400, 400],
  [{ "if-match": '"2"', "if-none-match": '"1"' }, true, false],
  [{ "if-match": '"2"', "if-none-match": "*" }, false, false],
  [{ "if-unmodified-since": PAST }, false, true],
  [{ "if-unmodified-since": FUTURE }, true, true],
  [{ "if-unmodified-since": "yesterday" }, true, true],
  [{ "if-match": '"2"', "if-unmodified-since": PAST }, true, false],
];

function expected(method: string, holds: boolean | 400, here: boolean): number {
  if (holds === 400) return 400;
  if (!holds) return 412;
  if (method === "DELETE") return here ? 200 : 404;
  return here ? 200 : 201;
}

function changed(method: string, status: number, name: string): Scenario["changes"] {
  if (status >= 400) return {};
  if (method === "DELETE") return { [name]: "gone" };
  return { [name]: [method === "PUT" ? "stage_written" : "stage_appended"] };
}

test("WorldRoutes change a world only in the state its writer saw", async (machine, t) => {
  const rows: Scenario[] = [];
  let serial = 0;
  for (const method of ["PUT", "POST", "DELETE"]) {
    for (const [headers, here, absent] of CONDITIONS) {
      const name = `home/c${serial++}`;
      const row = (holds: boolean | 400, exists: boolean, of: string): Scenario => {
        const status = expected(method, holds, exists);
        return {
          title: `${JSON.stringify(headers)} ${exists ? "of version 2" : "of nothing"}`,
          send: `${method} /${of}`,
          as: T3,
          headers,
          ...(method === "DELETE" ? {} : { body: "new" }),
          status,
          changes: changed(method, status, of) ?? {},
        };
      };
      rows.push(put(`/${name}`, "one"), put(`/${name}`, "two", 200), row(here, true, name));
      // DELETE of nothing is 404 before its conditions are asked (RFC 9110 §13.2.1).
      const none = method === "DELETE" && absent === false ? true : absent;
      rows.push(row(none, false, `home/n${serial++}`));
    }
  }
  await runScenarios(t, machine, rows);
  await machine.audit();
});

const COLLECTIONS: readonly Scenario[] = [
  put("/home/both", "the world"),
  put("/home/both/x", "below"),
  put("/home/pure/a", "1"),
  put("/home/pure/b/c", "2"),
  put("/home/a%20b/%23", "odd"),
  {
    title: "a world and a collection of one name: the world",
    send: "GET /home/both?raw",
    status: 200,
    text: "the world",
  },
  {
    title: "and the collection",
    send: "GET /home/both/",
    status: 200,
    text: "x\n",
    has: { "content-type": "text/plain; charset=utf-8", vary: "Accept" },
  },
  {
    title: "shows both in a listing",
    send: "GET /home/",
    status: 200,
    text: "a b/\nboot\nboth\nboth/\npure/\n",
  },
  {
    title: "shows facts to programs",
    send: "GET /home/pure/",
    headers: { accept: "application/json" },
    status: 200,
    json: [
      { name: "a", dir: false, version: 1, ext: "txt", len: 1 },
      { name: "b", dir: true },
    ],
    has: { "content-type": "application/json" },
  },
  {
    title: "shows browsers the shell",
    send: "GET /home/pure/",
    headers: { accept: CHROME },
    status: 200,
    text: /the shell/,
    has: { "content-type": "text/html; charset=utf-8" },
  },
  {
    title: "pure prefix: curl gets the listing",
    send: "GET /home/pure",
    status: 200,
    text: "a\nb/\n",
  },
  {
    title: "pure prefix: programs get the listing",
    send: "GET /home/pure",
    headers: { accept: "application/json" },
    status: 200,
    json: [{ name: "a" }, { name: "b" }],
  },
  {
    title: "pure prefix: browsers are sent to the slash",
    send: "GET /home/pure",
    headers: { accept: CHROME },
    status: 302,
    has: { location: "/home/pure/", vary: "Accept" },
  },
  {
    title: "and find their way with odd names",
    send: "GET /home/a%20b",
    headers: { accept: CHROME },
    status: 302,
    has: { location: "/home/a%20b/" },
  },
  {
    title: "has no bytes",
    send: "GET /home/pure?raw",
    status: 404,
    text: /a collection only; GET \/home\/pure\/ lists it/,
  },
  { title: "has no bytes", send: "GET /home/pure/?raw", status: 404, text: /the collection/ },
  { title: "has no bytes", send: "HEAD /home/pure?raw", status: 404 },
  { title: "has no versions", send: "GET /home/pure?at=1", status: 404 },
  { title: "an odd name lists", send: "GET /home/a%20b/", status: 200, text: "#\n" },
  { title: "nothing is below", send: "GET /home/pure/a/", status: 404, text: /world without/ },
  { title: "nothing is here", send: "GET /home/nothing/", status: 404 },
  {
    title: "a namespace is there without its slash",
    send: "GET /home",
    status: 200,
    text: "a b/\nboot\nboth\nboth/\npure/\n",
  },
  {
    title: "browsers are sent to its slash",
    send: "GET /home",
    headers: { accept: CHROME },
    status: 302,
    has: { location: "/home/" },
  },
  { title: "an empty namespace is empty", send: "GET /var/", status: 200, text: "" },
  { title: "an empty namespace is empty", send: "GET /var", status: 200, text: "" },
  {
    title: "an empty namespace is an empty list",
    send: "GET /var/",
    headers: { accept: "application/json" },
    status: 200,
    text: "[]",
  },
  {
    title: "DELETE of a pure prefix needs the slash",
    send: "DELETE /home/pure",
    as: T3,
    status: 404,
    text: /DELETE \/home\/pure\/ deletes every world below it/,
  },
  {
    title: "DELETE of a namespace is refused",
    send: "DELETE /home/",
    as: T3,
    status: 405,
    has: { allow: "GET, HEAD, OPTIONS" },
  },
  { title: "DELETE of a namespace is refused", send: "DELETE /home", as: T3, status: 405 },
  {
    title: "a condition on a whole collection cannot be kept, so nothing is deleted",
    send: "DELETE /home/pure/",
    as: T3,
    headers: { "if-match": '"1"' },
    status: 412,
  },
  {
    title: "a condition on a whole collection cannot be kept, so nothing is deleted",
    send: "DELETE /home/pure/",
    as: T3,
    headers: { "if-none-match": "*" },
    status: 412,
  },
  {
    title: "a condition on a whole collection cannot be kept, so nothing is deleted",
    send: "DELETE /home/pure/",
    as: T3,
    headers: { "if-unmodified-since": FUTURE },
    status: 412,
  },
  {
    title: "deletes every world below, and is there if it should be",
    send: "DELETE /home/pure/",
    as: T3,
    headers: { "if-match": "*" },
    status: 200,
    text: '{"deleted":["home/pure/a","home/pure/b/c"]}\n',
    has: { "content-type": "application/json" },
    changes: { "home/pure/a": "gone", "home/pure/b/c": "gone" },
  },
  { title: "is gone", send: "GET /home/pure/", status: 404 },
  { title: "is gone", send: "DELETE /home/pure/", as: T3, status: 404 },
  {
    title: "leaves the world of the same name",
    send: "DELETE /home/both/",
    as: T3,
    status: 200,
    text: '{"deleted":["home/both/x"]}\n',
    changes: { "home/both/x": "gone" },
  },
  { title: "is made", send: "MKCOL /dav/home/made/", as: T3, status: 201 },
  { title: "is made", send: "MKCOL /dav/home/made/deep/", as: T3, status: 201 },
  { title: "is made", send: "MKCOL /dav/home/made/deep/er/", as: T3, status: 201 },
  { title: "is empty", send: "GET /home/made/deep/er/", status: 200, text: "" },
  {
    title: "goes with all the empty ones below it",
    send: "DELETE /home/made/",
    as: T3,
    status: 200,
    text: '{"deleted":[]}\n',
  },
  { title: "is gone", send: "GET /home/made/deep/er/", status: 404 },
  { title: "is gone", send: "GET /home/made/", status: 404 },
  { title: "is there", send: "GET /home/both?raw", status: 200, text: "the world" },
  { title: "is a world alone", send: "GET /home/both/", status: 404 },
];

test("WorldRoutes tell a world from the collection of its name", async (machine, t) => {
  await runScenarios(t, machine, COLLECTIONS);
  await machine.audit();
});

test("WorldRoutes keep both of two worlds that were deleted under one name", async (machine, t) => {
  const remove: Scenario = {
    title: "goes",
    send: "DELETE /home/twice",
    as: T3,
    status: 200,
    text: '{"deleted":["home/twice"]}\n',
    changes: { "home/twice": "gone" },
  };
  await runScenarios(t, machine, [
    put("/home/twice", "first"),
    { title: "may not go", send: "DELETE /home/twice", as: T2, status: 403 },
    { title: "may not go", send: "DELETE /home/twice", status: 401 },
    remove,
    { title: "is gone", send: "GET /home/twice", status: 404 },
    { title: "is gone", send: "GET /proc/log/home/twice", status: 404 },
    { title: "is gone", send: "DELETE /home/twice", as: T3, status: 404 },
    put("/home/twice", "second"),
    { title: "begins anew", send: "GET /home/twice?at=1&raw", status: 200, text: "second" },
    remove,
  ]);
  const bodies: string[] = [];
  for (const { name } of Deno.readDirSync(`${machine.data}/.trash`)) {
    const file = `${machine.data}/.trash/${name}/home%2Ftwice/universe.db`;
    // The trash also holds what other cases deleted.
    if (!pathExists(file)) continue;
    const db = new DatabaseSync(file, { readOnly: true });
    bodies.push(String(db.prepare("SELECT CAST(stage_html AS TEXT) t FROM stage_meta").get()?.t));
    const last = db.prepare("SELECT event_type, payload FROM events ORDER BY id DESC").get();
    equal(last?.event_type, "world_deleted");
    deepStrictEqual(JSON.parse(String(last?.payload)).by, "T3");
    db.close();
  }
  deepStrictEqual(bodies.sort(), ["first", "second"]);
});

const NOTE = "/usr/share/doc/note.md";
const LOWER: readonly Scenario[] = [
  {
    title: "is read",
    send: `GET ${NOTE}`,
    status: 200,
    json: { stage_html: "# A note\n", version: 0, ext: "md" },
  },
  { title: "is read raw", send: `GET ${NOTE}?raw`, status: 200, text: "# A note\n" },
  {
    title: "is read by its version",
    send: `GET ${NOTE}?at=0&raw`,
    status: 200,
    text: "# A note\n",
  },
  { title: "has its version", send: `GET ${NOTE}?v=0`, status: 304 },
  { title: "is listed", send: "GET /usr/share/doc/", status: 200, text: "note.md\n" },
  {
    title: "is a program without its suffix",
    send: "GET /home/boot?raw",
    status: 200,
    text: /boot/,
  },
  { title: "has no events", send: `GET /proc/log${NOTE}`, status: 200, text: "[]\n" },
  {
    title: "has a clean audit",
    send: `GET /proc/audit${NOTE}`,
    status: 200,
    json: { ok: true, events: 0, version: 0 },
  },
  {
    title: "cannot be deleted",
    send: `DELETE ${NOTE}`,
    as: T3,
    status: 403,
    text: /lower-layer.*a PUT covers it/,
  },
  {
    title: "cannot be deleted with its collection",
    send: "DELETE /usr/share/",
    as: T3,
    status: 403,
  },
  { title: "is covered by T3 alone", send: `PUT ${NOTE}`, as: T2, body: "x", status: 403 },
  {
    title: "is there for If-None-Match",
    send: `PUT ${NOTE}`,
    as: T3,
    headers: { "if-none-match": "*" },
    body: "x",
    status: 412,
  },
  {
    title: "is at version 0 for If-Match",
    send: `PUT ${NOTE}`,
    as: T3,
    headers: { "if-match": '"1"' },
    body: "x",
    status: 412,
  },
  {
    title: "is covered, not created",
    send: `PUT ${NOTE}`,
    as: T3,
    headers: { "if-match": '"0"', "x-meta-by": "me" },
    body: "cover",
    status: 200,
    has: { location: null },
    json: { version: 1, ext: "md" },
    changes: {
      "usr/share/doc/note.md": [["stage_written", {
        op: "put",
        len: 5,
        ext: "md",
        version_after: 1,
        meta_headers: [["x-meta-by", "me"]],
        body_sha256_after: sha256Hex("cover"),
        by: "T3",
        covers: "lower",
      }]],
    },
  },
  { title: "is covered", send: `GET ${NOTE}?raw`, status: 200, text: "cover" },
  { title: "is there beneath", send: `GET ${NOTE}?at=0&raw`, status: 200, text: "# A note\n" },
  {
    title: "is uncovered",
    send: `DELETE ${NOTE}`,
    as: T3,
    status: 200,
    changes: { "usr/share/doc/note.md": "uncovered" },
  },
  {
    title: "is as it was",
    send: `GET ${NOTE}?raw`,
    status: 200,
    text: "# A note\n",
    has: { "x-meta-by": null },
  },
  {
    title: "cannot be uncovered twice",
    send: `DELETE ${NOTE}`,
    as: T3,
    status: 403,
  },
  {
    title: "is covered by what an append makes of it",
    send: `POST ${NOTE}`,
    as: T3,
    body: "more\n",
    status: 200,
    json: { version: 1, ext: "md" },
    changes: { "usr/share/doc/note.md": ["stage_appended"] },
  },
  { title: "begins with it", send: `GET ${NOTE}?raw`, status: 200, text: "# A note\nmore\n" },
  put("/usr/share/other", "upper"),
  {
    title: "a collection loses its upper worlds and keeps the lower ones",
    send: "DELETE /usr/share/",
    as: T3,
    status: 200,
    text: '{"deleted":["usr/share/doc/note.md","usr/share/other"]}\n',
    changes: { "usr/share/doc/note.md": "uncovered", "usr/share/other": "gone" },
  },
  { title: "is there still", send: `GET ${NOTE}?raw`, status: 200, text: "# A note\n" },
];

test("WorldRoutes cover and uncover the worlds a machine is born with", async (machine, t) => {
  await runScenarios(t, machine, LOWER);
  await machine.audit();
});
