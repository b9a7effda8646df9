/**
 * Conditional changes, deletes, collections and the lower layer over HTTP. A stale precondition
 * changes nothing, and deleted worlds move to the trash.
 */

import { assertEquals } from "../support/assert.ts";
import { DatabaseSync } from "node:sqlite";
import { pathExists } from "../../lib/world/file/durable_fs.ts";
import { sha256Hex } from "../../lib/base/hash.ts";
import { APPROVE, bearer, CLOSED, suite, TOKEN } from "../support/test_server.ts";
import { runScenarios, type Scenario } from "../support/scenario.ts";

const test = suite("PUT, POST and DELETE /<world> follow preconditions, collections and layers", {
  env: CLOSED,
});

const T2 = bearer(TOKEN);
const T3 = bearer(APPROVE);
/** Later than any change of the test, also if other files of its group run for long before it. */
const FUTURE = new Date(Date.now() + 86_400_000).toUTCString();
const PAST = "Sun, 06 Nov 1994 08:49:37 GMT";
const CHROME = "text/html,application/xhtml+xml,*/*;q=0.8";

const tag = (version: number, body: string, rep = "raw") =>
  `"${version}-${sha256Hex(body).slice(0, 16)}.${rep}"`;

function put(path: string, body = "x", status = 201): Scenario {
  return {
    title: "creates or replaces the world",
    send: `PUT ${path}`,
    as: T3,
    body,
    status,
    changes: { [decodeURIComponent(path.slice(1))]: ["stage_written"] },
  };
}

/** Method, conditions, and the status for a world at version 2 (`two`) and for an absent world. */
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
  [{ "if-match": '"foreign"' }, false, false],
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

test("PUT, POST and DELETE change a world only if their precondition holds", async (server, t) => {
  const rows: Scenario[] = [];
  let serial = 0;
  for (const method of ["PUT", "POST", "DELETE"]) {
    for (const [headers, here, absent] of CONDITIONS) {
      const name = `home/c${serial++}`;
      const row = (holds: boolean | 400, exists: boolean, of: string): Scenario => {
        const status = expected(method, holds, exists);
        return {
          title: `${JSON.stringify(headers)} ${exists ? "with version 2" : "without a world"}`,
          send: `${method} /${of}`,
          as: T3,
          headers,
          ...(method === "DELETE" ? {} : { body: "new" }),
          status,
          changes: changed(method, status, of) ?? {},
        };
      };
      rows.push(put(`/${name}`, "one"), put(`/${name}`, "two", 200), row(here, true, name));
      // DELETE of an absent world is 404 before its conditions are evaluated (RFC 9110 §13.2.1).
      const none = method === "DELETE" && absent === false ? true : absent;
      rows.push(row(none, false, `home/n${serial++}`));
    }
  }
  await runScenarios(t, server, rows);
  await server.audit();
});

const COLLECTIONS: readonly Scenario[] = [
  put("/home/both", "the world"),
  put("/home/both/x", "below"),
  put("/home/pure/a", "1"),
  put("/home/pure/b/c", "2"),
  put("/home/a%20b/%23", "odd"),
  {
    title: "reads the world of a name that is also a collection",
    send: "GET /home/both?raw",
    status: 200,
    text: "the world",
  },
  {
    title: "lists the collection of the same name",
    send: "GET /home/both/",
    status: 200,
    text: "x\n",
    has: { "content-type": "text/plain; charset=utf-8", vary: "Accept" },
  },
  {
    title: "lists both",
    send: "GET /home/",
    status: 200,
    text: "a b/\nboth\nboth/\npure/\n",
  },
  {
    title: "lists facts as JSON",
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
    title: "sends browsers the shell",
    send: "GET /home/pure/",
    headers: { accept: CHROME },
    status: 200,
    text: /the shell/,
    has: { "content-type": "text/html; charset=utf-8" },
  },
  {
    title: "lists a collection without a world as text",
    send: "GET /home/pure",
    status: 200,
    text: "a\nb/\n",
  },
  {
    title: "lists a collection without a world as JSON",
    send: "GET /home/pure",
    headers: { accept: "application/json" },
    status: 200,
    json: [{ name: "a" }, { name: "b" }],
  },
  {
    title: "redirects browsers to the trailing slash",
    send: "GET /home/pure",
    headers: { accept: CHROME },
    status: 302,
    has: { location: "/home/pure/", vary: "Accept" },
  },
  {
    title: "redirects browsers with encoded names",
    send: "GET /home/a%20b",
    headers: { accept: CHROME },
    status: 302,
    has: { location: "/home/a%20b/" },
  },
  {
    title: "answers 404: a collection has no bytes",
    send: "GET /home/pure?raw",
    status: 404,
    text: /it is a collection, not a world; GET \/home\/pure\/ lists it/,
  },
  {
    title: "answers 404: a collection has no bytes",
    send: "GET /home/pure/?raw",
    status: 404,
    text: /the collection/,
  },
  { title: "answers 404: a collection has no bytes", send: "HEAD /home/pure?raw", status: 404 },
  { title: "answers 404: a collection has no versions", send: "GET /home/pure?at=1", status: 404 },
  { title: "lists an unusual name", send: "GET /home/a%20b/", status: 200, text: "#\n" },
  {
    title: "answers 404: the world has nothing below it",
    send: "GET /home/pure/a/",
    status: 404,
    text: /a world with nothing below/,
  },
  { title: "answers 404", send: "GET /home/nothing/", status: 404 },
  {
    title: "lists a namespace without its slash",
    send: "GET /home",
    status: 200,
    text: "a b/\nboth\nboth/\npure/\n",
  },
  {
    title: "redirects browsers to the trailing slash",
    send: "GET /home",
    headers: { accept: CHROME },
    status: 302,
    has: { location: "/home/" },
  },
  { title: "lists an empty namespace", send: "GET /var/", status: 200, text: "" },
  { title: "lists an empty namespace", send: "GET /var", status: 200, text: "" },
  {
    title: "lists an empty namespace as an empty array",
    send: "GET /var/",
    headers: { accept: "application/json" },
    status: 200,
    text: "[]",
  },
  {
    title: "answers 404: a collection needs the trailing slash",
    send: "DELETE /home/pure",
    as: T3,
    status: 404,
    text: /DELETE \/home\/pure\/ deletes every world below it/,
  },
  {
    title: "answers 405",
    send: "DELETE /home/",
    as: T3,
    status: 405,
    has: { allow: "GET, HEAD, OPTIONS" },
  },
  { title: "answers 405", send: "DELETE /home", as: T3, status: 405 },
  {
    title: "answers 412 and deletes nothing",
    send: "DELETE /home/pure/",
    as: T3,
    headers: { "if-match": '"1"' },
    status: 412,
  },
  {
    title: "answers 412 and deletes nothing",
    send: "DELETE /home/pure/",
    as: T3,
    headers: { "if-none-match": "*" },
    status: 412,
  },
  {
    title: "answers 412 and deletes nothing",
    send: "DELETE /home/pure/",
    as: T3,
    headers: { "if-unmodified-since": FUTURE },
    status: 412,
  },
  {
    title: "deletes every world below it if the collection exists",
    send: "DELETE /home/pure/",
    as: T3,
    headers: { "if-match": "*" },
    status: 200,
    json: { deleted: ["home/pure/a", "home/pure/b/c"] },
    has: { "content-type": "application/json" },
    changes: { "home/pure/a": "gone", "home/pure/b/c": "gone" },
  },
  { title: "answers 404", send: "GET /home/pure/", status: 404 },
  { title: "answers 404", send: "DELETE /home/pure/", as: T3, status: 404 },
  {
    title: "does not delete the world of the same name",
    send: "DELETE /home/both/",
    as: T3,
    status: 200,
    json: { deleted: ["home/both/x"] },
    changes: { "home/both/x": "gone" },
  },
  { title: "creates an empty collection", send: "MKCOL /dav/home/made/", as: T3, status: 201 },
  { title: "creates an empty collection", send: "MKCOL /dav/home/made/deep/", as: T3, status: 201 },
  {
    title: "creates an empty collection",
    send: "MKCOL /dav/home/made/deep/er/",
    as: T3,
    status: 201,
  },
  { title: "lists an empty collection", send: "GET /home/made/deep/er/", status: 200, text: "" },
  {
    title: "deletes the empty collections below it",
    send: "DELETE /home/made/",
    as: T3,
    status: 200,
    json: { deleted: [] },
  },
  { title: "answers 404", send: "GET /home/made/deep/er/", status: 404 },
  { title: "answers 404", send: "GET /home/made/", status: 404 },
  {
    title: "reads the world of the same name",
    send: "GET /home/both?raw",
    status: 200,
    text: "the world",
  },
  { title: "answers 404: no collection is left", send: "GET /home/both/", status: 404 },
];

test("GET and DELETE distinguish a world from the collection of its name", async (server, t) => {
  await runScenarios(t, server, COLLECTIONS);
  await server.audit();
});

test("DELETE keeps both of two worlds of one name in the trash", async (server, t) => {
  const remove: Scenario = {
    title: "deletes the world",
    send: "DELETE /home/twice",
    as: T3,
    status: 200,
    json: { deleted: ["home/twice"] },
    changes: { "home/twice": "gone" },
  };
  await runScenarios(t, server, [
    put("/home/twice", "first"),
    { title: "is refused", send: "DELETE /home/twice", as: T2, status: 403 },
    { title: "is refused", send: "DELETE /home/twice", status: 401 },
    remove,
    { title: "answers 404", send: "GET /home/twice", status: 404 },
    { title: "answers 404", send: "GET /proc/log/home/twice", status: 404 },
    { title: "answers 404", send: "DELETE /home/twice", as: T3, status: 404 },
    put("/home/twice", "second"),
    {
      title: "reads the new version 2: a name never uses a version twice",
      send: "GET /home/twice?at=2&raw",
      status: 200,
      text: "second",
    },
    remove,
  ]);
  const bodies: string[] = [];
  for (const { name, isDirectory } of Deno.readDirSync(`${server.data}/.trash`)) {
    if (!isDirectory) continue; // the ledger of names
    const file = `${server.data}/.trash/${name}/home%2Ftwice/universe.db`;
    // The trash also contains worlds of other tests.
    if (!pathExists(file)) continue;
    const db = new DatabaseSync(file, { readOnly: true });
    bodies.push(String(db.prepare("SELECT CAST(stage_html AS TEXT) t FROM stage_meta").get()?.t));
    const last = db.prepare("SELECT event_type, payload FROM events ORDER BY id DESC").get();
    assertEquals(last?.event_type, "world_deleted");
    assertEquals(JSON.parse(String(last?.payload)).by, "T3");
    db.close();
  }
  assertEquals(bodies.sort(), ["first", "second"]);
});

const NOTE = "/usr/share/doc/note.md";
const LOWER: readonly Scenario[] = [
  {
    title: "reads a lower-layer world",
    send: `GET ${NOTE}`,
    status: 200,
    json: { stage_html: "# A note\n", version: 0, ext: "md" },
  },
  { title: "reads its bytes", send: `GET ${NOTE}?raw`, status: 200, text: "# A note\n" },
  {
    title: "sends its tag",
    send: `GET ${NOTE}?at=0&raw`,
    status: 200,
    text: "# A note\n",
  },
  { title: "reads its version 0", send: `GET ${NOTE}?v=0`, status: 304 },
  { title: "lists it", send: "GET /usr/share/doc/", status: 200, text: "note.md\n" },
  {
    title: "finds a program without its suffix",
    send: "GET /usr/bin/boot?raw",
    status: 200,
    text: /boot/,
  },
  { title: "has no events", send: `GET /proc/log${NOTE}`, status: 200, text: "[]\n" },
  {
    title: "passes its audit",
    send: `GET /proc/audit${NOTE}`,
    status: 200,
    json: { ok: true, events: 0, version: 0 },
  },
  {
    title: "answers 403: the lower layer is read-only",
    send: `DELETE ${NOTE}`,
    as: T3,
    status: 403,
    text: /lower-layer.*a PUT covers it/,
  },
  {
    title: "answers 403: every world below is in the lower layer",
    send: "DELETE /usr/share/",
    as: T3,
    status: 403,
  },
  { title: "is refused below T3", send: `PUT ${NOTE}`, as: T2, body: "x", status: 403 },
  {
    title: "answers 412: the world exists",
    send: `PUT ${NOTE}`,
    as: T3,
    headers: { "if-none-match": "*" },
    body: "x",
    status: 412,
  },
  {
    title: "answers 412: the world has version 0",
    send: `PUT ${NOTE}`,
    as: T3,
    headers: { "if-match": '"1"' },
    body: "x",
    status: 412,
  },
  {
    title: "covers it without 201",
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
        name: "usr/share/doc/note.md",
      }]],
    },
  },
  { title: "reads the covering world", send: `GET ${NOTE}?raw`, status: 200, text: "cover" },
  {
    title: "lists the covering world",
    send: `GET ${NOTE}?at=0&raw`,
    status: 200,
    text: "# A note\n",
  },
  {
    title: "deletes the covering world",
    send: `DELETE ${NOTE}`,
    as: T3,
    status: 200,
    changes: { "usr/share/doc/note.md": "uncovered" },
  },
  {
    title: "reads the lower-layer world again",
    send: `GET ${NOTE}?raw`,
    status: 200,
    text: "# A note\n",
    has: { "x-meta-by": null },
  },
  {
    title: "answers 403 for a second DELETE",
    send: `DELETE ${NOTE}`,
    as: T3,
    status: 403,
  },
  {
    title: "covers it with the appended content",
    send: `POST ${NOTE}`,
    as: T3,
    body: "more\n",
    status: 200,
    json: { version: 2, ext: "md" },
    changes: { "usr/share/doc/note.md": ["stage_appended"] },
  },
  {
    title: "starts with the lower-layer content",
    send: `GET ${NOTE}?raw`,
    status: 200,
    text: "# A note\nmore\n",
  },
  put("/usr/share/other", "upper"),
  {
    title: "deletes upper-layer worlds and keeps those of the lower layer",
    send: "DELETE /usr/share/",
    as: T3,
    status: 200,
    json: { deleted: ["usr/share/doc/note.md", "usr/share/other"] },
    changes: { "usr/share/doc/note.md": "uncovered", "usr/share/other": "gone" },
  },
  {
    title: "reads the lower-layer world",
    send: `GET ${NOTE}?raw`,
    status: 200,
    text: "# A note\n",
  },
];

test("PUT, POST and DELETE cover and uncover lower-layer worlds", async (server, t) => {
  await runScenarios(t, server, LOWER);
  await server.audit();
});
