/**
 * GET and HEAD of worlds over HTTP: representations by Accept, raw bytes, ranges, conditions,
 * versions by number, and headers that keep stored markup from running as this origin.
 */

import { assertEquals, assertStrictEquals } from "../support/assert.ts";
import { sha256Hex } from "../../lib/base/hash.ts";
import { APPROVE, bearer, CLOSED, suite, TOKEN, withServer } from "../support/test_server.ts";
import { runScenarios, type Scenario } from "../support/scenario.ts";

const test = suite("GET and HEAD /<world> read worlds over HTTP", { env: CLOSED });

const T2 = bearer(TOKEN);
const T3 = bearer(APPROVE);
/** Later than any change of the test, also if other files of its group run for long before it. */
const FUTURE = new Date(Date.now() + 86_400_000).toUTCString();
const BYTES = Uint8Array.from({ length: 256 }, (_, i) => i);
const CHROME = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8";
const tag = (version: number, body: string | Uint8Array, rep: string) =>
  `"${version}-${sha256Hex(body).slice(0, 16)}.${rep}"`;

const SETUP: readonly Scenario[] = [
  ["/home/t", "héllo wörld"] as const,
  ["/home/h", "<h1>I am alive</h1>"] as const,
  ["/home/b", BYTES] as const,
  ["/home/r", "0123456789"] as const,
  ["/home/v.svg", "<svg xmlns='http://www.w3.org/2000/svg'/>"] as const,
  ["/home/x.xml", "<a/>"] as const,
  ["/home/x.xhtml", "<a/>"] as const,
  ["/home/m.md", "# hi"] as const,
  ["/home/p.pdf", "%PDF"] as const,
  ["/home/e", ""] as const,
  ["/lib/plugin", "export {}"] as const,
].map(([path, body]): Scenario => ({
  title: "creates or replaces the world",
  send: `PUT ${path}`,
  as: T2,
  body,
  status: 201,
  changes: { [path.slice(1)]: ["stage_written"] },
}));

/** Accept, and the media type that is sent for a text and for other bytes. */
// deno-fmt-ignore
const FORMS: readonly (readonly [accept: string | undefined, text: string, binary: string])[] = [
  [undefined, "application/json", "application/json"],
  ["*/*", "application/json", "application/json"],
  ["", "application/json", "application/json"],
  ["application/json", "application/json", "application/json"],
  ["text/plain", "text/plain; charset=utf-8", "application/json"],
  ["text/*", "text/plain; charset=utf-8", "text/html; charset=utf-8"],
  ["text/html", "text/html; charset=utf-8", "text/html; charset=utf-8"],
  [CHROME, "text/html; charset=utf-8", "text/html; charset=utf-8"],
  ["text/html;q=0.5, application/json", "application/json", "application/json"],
  ["application/json;q=0.5, text/plain", "text/plain; charset=utf-8", "application/json"],
  ["text/plain;q=0, */*", "application/json", "application/json"],
  ["application/json;q=0, */*;q=0.1", "text/plain; charset=utf-8", "text/html; charset=utf-8"],
  ["image/png", "application/json", "application/json"],
  ["garbage", "application/json", "application/json"],
  ["text/plain;charset=utf-8", "text/plain; charset=utf-8", "application/json"],
  ["TEXT/PLAIN", "text/plain; charset=utf-8", "application/json"],
];

/** The page of the shell is long enough to be compressed, unless it is one of a test. */
const VARY = /^Accept(?:, Accept-Encoding)?$/;

const NEGOTIATED: readonly Scenario[] = FORMS.flatMap(([accept, text, binary]): Scenario[] => {
  const headers = accept === undefined ? {} : { accept };
  return (["GET", "HEAD"] as const).flatMap((method): Scenario[] => [
    {
      title: `sends ${text} for Accept ${accept}`,
      send: `${method} /home/t`,
      headers,
      status: 200,
      has: { "content-type": text, vary: VARY, "x-content-type-options": "nosniff" },
    },
    {
      title: `sends ${binary} of bytes for Accept ${accept}`,
      send: `${method} /home/b`,
      headers,
      status: 200,
      has: { "content-type": binary, vary: VARY },
    },
    {
      title: `sends the bytes for Accept ${accept}`,
      send: `${method} /home/t?raw`,
      headers,
      status: 200,
      has: { "content-type": "text/plain; charset=utf-8", "accept-ranges": "bytes" },
    },
  ]);
});

const SANDBOX = { "content-security-policy": "sandbox allow-scripts" };

const READS: readonly Scenario[] = [
  {
    title: "sends JSON",
    send: "GET /home/h",
    status: 200,
    json: { stage_html: "<h1>I am alive</h1>", version: 1, ext: "html", type: "html" },
    has: {
      "content-type": "application/json",
      etag: tag(1, "<h1>I am alive</h1>", "json"),
      "last-modified": / GMT$/,
      "access-control-allow-origin": null,
    },
    lacks: ["binary", '"state"'],
  },
  {
    title: "sends JSON without text for bytes",
    send: "GET /home/b",
    status: 200,
    json: { stage_html: "", version: 1, ext: "bin", type: "bin", binary: true, len: 256 },
  },
  {
    title: "sends all 256 bytes",
    send: "GET /home/b?raw",
    status: 200,
    bytes: BYTES,
    has: { "content-type": "application/octet-stream", "content-length": "256" },
  },
  {
    title: "shows the state of a plugin",
    send: "GET /lib/plugin",
    status: 200,
    json: { state: "pending" },
  },
  {
    title: "sends the policy sandbox",
    send: "GET /home/h?raw",
    status: 200,
    has: { ...SANDBOX, "content-type": "text/html; charset=utf-8" },
  },
  { title: "sends the policy sandbox", send: "HEAD /home/h?raw", status: 200, has: SANDBOX },
  { title: "sends the policy sandbox", send: "GET /home/v.svg?raw", status: 200, has: SANDBOX },
  { title: "sends the policy sandbox", send: "GET /home/x.xml?raw", status: 200, has: SANDBOX },
  { title: "sends the policy sandbox", send: "GET /home/x.xhtml?raw", status: 200, has: SANDBOX },
  {
    title: "sends the policy sandbox for a version",
    send: "GET /home/h?at=1&raw",
    status: 200,
    has: SANDBOX,
  },
  {
    title: "sends the policy sandbox for a range",
    send: "GET /home/h?raw",
    headers: { range: "bytes=0-3" },
    status: 206,
    has: SANDBOX,
  },
  {
    title: "sends no policy for plain text",
    send: "GET /home/m.md?raw",
    status: 200,
    has: { "content-security-policy": null, "content-type": /^text\/markdown/ },
  },
  {
    title: "accepts parameters in any order and with values",
    send: "GET /home/t?v=9&raw=",
    status: 200,
    text: "héllo wörld",
  },
  { title: "sends the text", send: "GET /home/t?raw=1", status: 200, text: "héllo wörld" },
  { title: "answers 404", send: "GET /home/absent", status: 404, text: /a PUT would create it/ },
  { title: "answers 404", send: "HEAD /home/absent", status: 404, text: "" },
  { title: "answers 404", send: "GET /home/absent?raw", status: 404 },
  { title: "answers 404 for version 1", send: "GET /home/absent?at=1", status: 404 },
];

/** Range, If-Range, and the expected response. */
// deno-fmt-ignore
const RANGES: readonly (readonly [range: string, status: number, text: string, contentRange: string | null, ifRange?: string])[] = [
  ["bytes=0-0", 206, "0", "bytes 0-0/10"],
  ["bytes=2-4", 206, "234", "bytes 2-4/10"],
  ["bytes=5-", 206, "56789", "bytes 5-9/10"],
  ["bytes=9-9", 206, "9", "bytes 9-9/10"],
  ["bytes=5-100", 206, "56789", "bytes 5-9/10"],
  ["bytes=-3", 206, "789", "bytes 7-9/10"],
  ["bytes=-100", 206, "0123456789", "bytes 0-9/10"],
  ["BYTES=0-1", 206, "01", "bytes 0-1/10"],
  ["bytes=10-", 416, "", "bytes */10"],
  ["bytes=10-20", 416, "", "bytes */10"],
  ["bytes=-0", 416, "", "bytes */10"],
  ["bytes=99999999999999999999-", 416, "", "bytes */10"],
  ["bytes=4-2", 200, "0123456789", null],
  ["bytes=0-1,3-4", 200, "0123456789", null],
  ["bytes=", 200, "0123456789", null],
  ["bytes=a-b", 200, "0123456789", null],
  ["items=0-1", 200, "0123456789", null],
  ["0-1", 200, "0123456789", null],
  ["bytes=0-1", 206, "01", "bytes 0-1/10", tag(1, "0123456789", "raw")],
  ["bytes=0-1", 200, "0123456789", null, tag(2, "0123456789", "raw")],
  ["bytes=0-1", 200, "0123456789", null, `W/${tag(1, "0123456789", "raw")}`],
  ["bytes=0-1", 200, "0123456789", null, tag(1, "0123456789", "json")],
  ["bytes=0-1", 200, "0123456789", null, "Sun, 06 Nov 1994 08:49:37 GMT"],
  ["bytes=0-1", 200, "0123456789", null, "garbage"],
];

const PARTS: readonly Scenario[] = [
  ...RANGES.map(([range, status, text, contentRange, ifRange]): Scenario => ({
    title: `answers ${status} to ${range} ${ifRange ?? ""}`,
    send: "GET /home/r?raw",
    headers: { range, ...(ifRange === undefined ? {} : { "if-range": ifRange }) },
    status,
    ...(status === 416 ? {} : { text }),
    has: { "content-range": contentRange, "accept-ranges": "bytes" },
  })),
  {
    title: "ignores a range",
    send: "HEAD /home/r?raw",
    headers: { range: "bytes=0-1" },
    status: 200,
    has: { "content-length": "10", "content-range": null, "accept-ranges": "bytes" },
  },
  {
    title: "ignores an unsatisfiable range",
    send: "HEAD /home/r?raw",
    headers: { range: "bytes=99-" },
    status: 200,
  },
  {
    title: "sends JSON without ranges",
    send: "GET /home/r",
    headers: { range: "bytes=0-1" },
    status: 200,
    has: { "content-range": null, "accept-ranges": null },
  },
  {
    title: "answers 416: empty content has no first byte",
    send: "GET /home/e?raw",
    headers: { range: "bytes=0-" },
    status: 416,
    has: { "content-range": "bytes */0" },
  },
  {
    title: "evaluates the condition before the range",
    send: "GET /home/r?raw",
    headers: { range: "bytes=0-1", "if-none-match": tag(1, "0123456789", "raw") },
    status: 304,
  },
  {
    title: "evaluates If-Match before the range",
    send: "GET /home/r?raw",
    headers: { range: "bytes=0-1", "if-match": '"7"' },
    status: 412,
  },
];

test("GET negotiates the representation of a world", async (server, t) => {
  await runScenarios(t, server, [...SETUP, ...NEGOTIATED, ...READS, ...PARTS]);
});

test("HEAD sends the headers of GET", async (server, t) => {
  await runScenarios(t, server, SETUP);
  for (
    const [target, accept] of [
      ["/home/t"],
      ["/home/t", "text/plain"],
      ["/home/t", CHROME],
      ["/home/t?raw"],
      ["/home/b"],
      ["/home/b?raw"],
      ["/home/e?raw"],
      ["/home/h?at=1"],
      ["/home/h?at=1&raw"],
      ["/home/"],
      ["/home/", "application/json"],
      ["/home/", CHROME],
      ["/usr/share"],
      ["/usr/share", CHROME],
      ["/home/absent"],
      ["/home/absent", "text/plain"],
      ["/home/absent", CHROME],
      ["/boot/env"],
      ["/home/t?at=9"],
      ["/"],
      ["/proc/"],
      ["/proc/version"],
      ["/proc/audit/home/t"],
      ["/proc/log/home/t"],
      ["/proc/worlds"],
      ["/bin"],
      ["/dev/"],
      ["/mnt/"],
      ["/lib/"],
      ["/auth/whoami"],
      ["/nowhere"],
      ["/stream/home/t"],
    ] as const
  ) {
    await t.step(`HEAD ${target} ${accept ?? ""}`, async () => {
      const headers = accept === undefined ? {} : { accept };
      const head = await server.send({ method: "HEAD", target, headers });
      assertEquals(head.body.length, 0);
      if (target.startsWith("/stream/")) return assertEquals(head.status, 200);
      const get = await server.send({ method: "GET", target, headers });
      assertStrictEquals(head.status, get.status);
      const [a, b] = [head, get].map((reply) => new Map(reply.headers));
      for (const map of [a, b]) map?.delete("date");
      assertEquals(a, b);
    });
  }
});

const CONDITIONS: readonly Scenario[] = [
  {
    title: "creates version 2",
    send: "PUT /home/r",
    as: T2,
    body: "abc",
    status: 200,
    changes: { "home/r": ["stage_written"] },
  },
  ...["raw", "json", "text"].flatMap((rep): Scenario[] => {
    const send = `GET /home/r${rep === "raw" ? "?raw" : ""}`;
    const accept: Record<string, string> = rep === "text" ? { accept: "text/plain" } : {};
    const current = tag(2, "abc", rep);
    const row = (headers: Record<string, string>, status: number, title: string): Scenario => ({
      title: `${rep}: ${title}`,
      send,
      headers: { ...accept, ...headers },
      status,
      ...(status === 412 ? {} : { has: { etag: current } }),
      ...(status === 304 ? { text: "" } : {}),
    });
    return [
      row({}, 200, "has its own tag"),
      row({ "if-none-match": current }, 304, "is not sent again"),
      row({ "if-none-match": `W/${current}` }, 304, "compares weakly"),
      row({ "if-none-match": `"x", ${current}, "y"` }, 304, "finds it in a list"),
      row({ "if-none-match": "*" }, 304, "any"),
      row({ "if-none-match": '"2"' }, 304, "knows the version in quotes"),
      row({ "if-none-match": '"1"' }, 200, "has changed"),
      row({ "if-none-match": tag(1, "0123456789", rep) }, 200, "has changed"),
      row({ "if-none-match": "2" }, 200, "a tag needs quotes"),
      row({ "if-none-match": tag(2, "abc", "other") }, 200, "another form's tag is not this one's"),
      row({ "if-match": current }, 200, "is what was expected"),
      row({ "if-match": "*" }, 200, "is there"),
      row({ "if-match": tag(1, "0123456789", rep) }, 412, "is not what was expected"),
      row({ "if-match": `W/${current}` }, 412, "compares strongly"),
      row({ "if-modified-since": FUTURE }, 304, "is old"),
      row({ "if-modified-since": "Sun, 06 Nov 1994 08:49:37 GMT" }, 200, "is newer"),
      row({ "if-modified-since": "yesterday" }, 200, "no date is ignored"),
      row(
        { "if-modified-since": FUTURE, "if-none-match": '"1"' },
        200,
        "the tag counts, not the date",
      ),
      row({ "if-unmodified-since": "Sun, 06 Nov 1994 08:49:37 GMT" }, 412, "was changed since"),
      row({ "if-unmodified-since": FUTURE }, 200, "was not"),
    ];
  }),
  {
    title: "answers 400 to a malformed If-Match",
    send: "GET /home/r",
    headers: { "if-match": "2" },
    status: 400,
  },
  { title: "answers 304 to the current version", send: "GET /home/r?v=2", status: 304, text: "" },
  {
    title: "sends the tag of the representation that GET would send",
    send: "GET /home/r?v=2&raw",
    status: 304,
    has: { etag: tag(2, "abc", "raw") },
  },
  {
    title: "sends the tag of the text",
    send: "GET /home/r?v=2",
    headers: { accept: "text/plain" },
    status: 304,
    has: { etag: tag(2, "abc", "text"), vary: "Accept" },
  },
  {
    title: "sends the tag of the page",
    send: "GET /home/r?v=2",
    headers: { accept: CHROME },
    status: 304,
    has: { etag: /\.html-/, vary: VARY },
  },
  {
    title: "answers 200 to an older version",
    send: "GET /home/r?v=1",
    status: 200,
    json: { version: 2 },
  },
  { title: "answers 200 to a future version", send: "GET /home/r?v=3", status: 200 },
  { title: "answers 400 to a malformed version", send: "GET /home/r?v=x", status: 400 },
  { title: "answers 400 to a malformed version", send: "GET /home/r?v=-1", status: 400 },
  { title: "answers 400 to a malformed version", send: "GET /home/r?v=", status: 400 },
];

test("GET answers 304 and 412 by tag, date and version", async (server, t) => {
  await runScenarios(t, server, [...SETUP, ...CONDITIONS]);
});

const HISTORY: readonly Scenario[] = [
  ...["one", "two", "three", "four", "five"].map((body, i): Scenario => ({
    title: `creates version ${i + 1}`,
    send: "PUT /home/w?ext=md",
    as: T2,
    headers: { "x-meta-n": String(i + 1) },
    body,
    status: i === 0 ? 201 : 200,
    changes: { "home/w": ["stage_written"] },
  })),
  {
    title: "creates version 6",
    send: "POST /home/w",
    as: T2,
    body: "+",
    status: 200,
    changes: { "home/w": ["stage_appended"] },
  },
  { title: "sends the current version", send: "GET /home/w?at=6&raw", status: 200, text: "five+" },
  {
    title: "sends a kept version",
    send: "GET /home/w?at=5&raw",
    status: 200,
    text: "five",
    has: { "x-meta-n": "5", etag: tag(5, "five", "raw"), "content-type": /^text\/markdown/ },
  },
  {
    title: "sends a kept version",
    send: "GET /home/w?at=4",
    status: 200,
    json: { stage_html: "four", version: 4, ext: "md" },
  },
  {
    title: "sends a range of a kept version",
    send: "GET /home/w?at=4&raw",
    headers: { range: "bytes=1-2" },
    status: 206,
    text: "ou",
  },
  {
    title: "sends a kept version as text",
    send: "GET /home/w?at=4",
    headers: { accept: "text/plain" },
    status: 200,
    text: "four",
  },
  {
    title: "answers 304 for a kept version",
    send: "GET /home/w?at=4",
    headers: { "if-none-match": tag(4, "four", "json") },
    status: 304,
  },
  {
    title: "answers 410 for an evicted version",
    send: "GET /home/w?at=3",
    status: 410,
    text: /version 3.*the current version is 6/,
  },
  { title: "answers 410 for an evicted version", send: "GET /home/w?at=1&raw", status: 410 },
  { title: "answers 410 for an evicted version", send: "HEAD /home/w?at=1&raw", status: 410 },
  {
    title: "answers 404 for a version that never existed",
    send: "GET /home/w?at=7",
    status: 404,
    text: /version 7/,
  },
  {
    title: "answers 404 for a version that never existed",
    send: "GET /home/w?at=0",
    status: 404,
    text: /version 0/,
  },
  { title: "answers 400 to a malformed version", send: "GET /home/w?at=x", status: 400 },
  { title: "answers 400 to a malformed version", send: "GET /home/w?at=-1", status: 400 },
  { title: "answers 400 to a malformed version", send: "GET /home/w?at=1e3", status: 400 },
  {
    title: "answers 400 to a malformed version",
    send: "GET /home/w?at=9999999999999999",
    status: 400,
  },
  {
    title: "answers the error of reading that version",
    send: "PUT /home/w?from=3",
    as: T2,
    status: 410,
  },
  {
    title: "answers the error of reading that version",
    send: "PUT /home/w?from=7",
    as: T2,
    status: 404,
  },
  {
    title: "answers the error of reading that version",
    send: "PUT /home/absent?from=1",
    as: T2,
    status: 404,
  },
  {
    title: "answers 400 to content",
    send: "PUT /home/w?from=5",
    as: T2,
    body: "x",
    status: 400,
    text: /bad-body/,
  },
  { title: "is refused without the right to write", send: "PUT /home/w?from=5", status: 401 },
  {
    title: "answers 412 to a stale precondition",
    send: "PUT /home/w?from=5",
    as: T2,
    headers: { "if-match": '"5"' },
    status: 412,
  },
  {
    title: "restores it as a new version",
    send: "PUT /home/w?from=5",
    as: T2,
    headers: { "if-match": '"6"' },
    status: 200,
    json: { version: 7, ext: "md" },
    changes: {
      "home/w": [["stage_written", {
        op: "put",
        len: 4,
        ext: "md",
        version_after: 7,
        meta_headers: [["x-meta-n", "5"]],
        body_sha256_after: sha256Hex("five"),
        by: "T2",
        from_version: 5,
      }]],
    },
  },
  { title: "sends the restored content", send: "GET /home/w?raw", status: 200, text: "five" },
];

Deno.test("PUT ?from= restores an earlier version within the history limit", async (t) => {
  await withServer({ env: { ...CLOSED, ELASTIK_HISTORY: "2" } }, async (server) => {
    await runScenarios(t, server, HISTORY);
    await server.audit();
  });
});

Deno.test("GET ?at= answers 410 for every earlier version with a history of 0", async (t) => {
  await withServer({ env: { ...CLOSED, ELASTIK_HISTORY: "0" } }, async (server) => {
    await runScenarios(t, server, [
      ...HISTORY.slice(0, 6),
      { title: "answers 410 for an evicted version", send: "GET /home/w?at=5", status: 410 },
      {
        title: "sends the current version",
        send: "GET /home/w?at=6&raw",
        status: 200,
        text: "five+",
      },
      {
        title: "answers 410 for an evicted version",
        send: "PUT /home/w?from=5",
        as: T3,
        status: 410,
      },
    ]);
  });
});
