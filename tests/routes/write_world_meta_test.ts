/**
 * `X-Meta-*` over HTTP: what is stored, where it is sent back, what is refused by name, and that no
 * other request header is stored.
 */

import { assertEquals, assertMatch, assertStrictEquals } from "../support/assert.ts";
import { APPROVE, bearer, CLOSED, suite, TOKEN } from "../support/test_server.ts";
import { runScenarios, type Scenario } from "../support/scenario.ts";
import { Connection } from "../support/wire.ts";

const test = suite("PUT and GET /<world> keep the metadata of X-Meta headers", { env: CLOSED });

const T2 = bearer(TOKEN);
const T3 = bearer(APPROVE);
const META = { "x-meta-author": "codex", "x-meta-note": 'a "quoted"; value, with = all ~ signs' };
const REPLAYED = { ...META, "x-meta-old": null };

const REPLAY: readonly Scenario[] = [
  {
    title: "stores it in version 1",
    send: "PUT /home/m",
    as: T2,
    headers: { "X-META-OLD": "yes" },
    body: "old",
    status: 201,
    changes: { "home/m": ["stage_written"] },
  },
  {
    title: "replaces it with version 2",
    send: "PUT /home/m",
    as: T2,
    headers: {
      ...META,
      cookie: "session=abc",
      "x-metadata": "no",
      "x-custom": "no",
      "content-disposition": "attachment",
      "content-language": "de",
      "content-encoding": "identity",
      link: "</x>; rel=next",
      "set-cookie": "a=b",
    },
    body: "0123456789",
    status: 200,
    changes: { "home/m": ["stage_written"] },
  },
  ...[
    "GET /home/m",
    "HEAD /home/m",
    "GET /home/m?raw",
    "HEAD /home/m?raw",
    "GET /home/m?at=2",
    "GET /home/m?at=2&raw",
    "HEAD /home/m?at=2&raw",
  ].map((send): Scenario => ({
    title: "sends it back in lower case",
    send,
    status: 200,
    has: {
      ...REPLAYED,
      "x-custom": null,
      "x-metadata": null,
      link: null,
      "content-language": null,
    },
    lacks: ["session=abc", "set-cookie", "attachment", /^X-Meta/m],
  })),
  {
    title: "sends it back with the text",
    send: "GET /home/m",
    headers: { accept: "text/plain" },
    status: 200,
    text: "0123456789",
    has: REPLAYED,
  },
  {
    title: "sends it back with the shell",
    send: "GET /home/m",
    headers: { accept: "text/html" },
    status: 200,
    text: /the shell/,
    has: REPLAYED,
  },
  {
    title: "sends it back with a range",
    send: "GET /home/m?raw",
    headers: { range: "bytes=2-4" },
    status: 206,
    text: "234",
    has: REPLAYED,
  },
  {
    title: "sends it back with a 304",
    send: "GET /home/m",
    headers: { "if-none-match": '"2"' },
    status: 304,
    has: REPLAYED,
  },
  {
    title: "sends it back with a 304 by version",
    send: "GET /home/m?v=2",
    status: 304,
    has: REPLAYED,
  },
  {
    title: "sends that of the requested version",
    send: "GET /home/m?at=1&raw",
    status: 200,
    text: "old",
    has: { "x-meta-old": "yes", "x-meta-author": null },
  },
  {
    title: "is restored with an earlier version",
    send: "PUT /home/m?from=1",
    as: T2,
    status: 200,
    changes: { "home/m": ["stage_written"] },
  },
  {
    title: "sends the restored metadata",
    send: "HEAD /home/m",
    status: 200,
    has: { "x-meta-old": "yes", "x-meta-author": null },
  },
  {
    title: "is replaced by what a restore sends",
    send: "PUT /home/m?from=1",
    as: T2,
    headers: { "x-meta-reason": "undo" },
    status: 200,
    changes: { "home/m": ["stage_written"] },
  },
  {
    title: "sends the metadata of the restore only",
    send: "HEAD /home/m",
    status: 200,
    has: { "x-meta-reason": "undo", "x-meta-old": null },
  },
  {
    title: "accepts a name with every character of a token",
    send: "PUT /home/signs",
    as: T2,
    headers: { "x-meta-!#$%&'*+.^_`|~-1": "x" },
    status: 201,
    changes: { "home/signs": ["stage_written"] },
  },
  {
    title: "sends that name back",
    send: "HEAD /home/signs",
    status: 200,
    has: { "x-meta-!#$%&'*+.^_`|~-1": "x" },
  },
  {
    title: "accepts an empty value",
    send: "PUT /home/signs",
    as: T2,
    headers: { "x-meta-empty": "" },
    status: 200,
    changes: { "home/signs": ["stage_written"] },
  },
  {
    title: "sends an empty value back",
    send: "HEAD /home/signs",
    status: 200,
    has: { "x-meta-empty": "" },
  },
  {
    title: "cannot override the headers of the shell",
    send: "PUT /home/signs",
    as: T2,
    headers: { "x-meta-content-security-policy": "default-src *", "x-meta-location": "/x" },
    status: 200,
    changes: { "home/signs": ["stage_written"] },
  },
  {
    title: "sends the shell with its own policy",
    send: "GET /home/signs",
    headers: { accept: "text/html" },
    status: 200,
    has: { "content-security-policy": /^default-src 'none'/, location: null },
  },
];

const long = "v".repeat(1024);
const total = Object.fromEntries(
  Array.from({ length: 8 }, (_, i) => [`x-meta-${i}`, "v".repeat(i < 7 ? 1016 : 1016)]),
);

/** Invalid headers, and the name that the error must contain. */
const REFUSED: readonly (readonly [headers: Record<string, string>, name: string])[] = [
  [{ "x-meta-": "no name" }, "x-meta-"],
  [{ "x-meta-utf8": "café" }, "x-meta-utf8"],
  [{ "x-meta-tab": "a\tb" }, "x-meta-tab"],
  [{ "x-meta-long": `${long}v` }, "x-meta-long"],
  [{ ...total, "x-meta-zz": "one too many" }, "x-meta-zz"],
  [{ "x-meta-good": "fine", "x-meta-utf8": "\u{1f600}" }, "x-meta-utf8"],
];

test(
  "PUT sends X-Meta back with every representation and stores no other header",
  async (server, t) => {
    await runScenarios(t, server, [
      ...REPLAY,
      ...REFUSED.map(([headers, name]): Scenario => ({
        title: `rejects ${name} and names it`,
        send: "PUT /home/refused",
        as: T2,
        headers,
        body: "x",
        status: 400,
        text: new RegExp(`"type":"/usr/share/doc/problems/bad-metadata.md".*${name} .*nothing was`),
      })),
      {
        title: "accepts the longest value",
        send: "PUT /home/long",
        as: T2,
        headers: { "x-meta-long": long },
        status: 201,
        changes: { "home/long": ["stage_written"] },
      },
      {
        title: "accepts the maximum of all values",
        send: "PUT /home/total",
        as: T2,
        headers: total,
        status: 201,
        changes: { "home/total": ["stage_written"] },
      },
      {
        title: "rejects one byte more",
        send: "PUT /home/total2",
        as: T2,
        headers: { ...total, "x-meta-7": "v".repeat(1017) },
        status: 400,
        text: /x-meta-7 makes the names and values/,
      },
      {
        title: "ignores headers that PUT would reject",
        send: "POST /home/long",
        as: T2,
        headers: { "x-meta-long": "café" },
        body: "x",
        status: 200,
        changes: { "home/long": ["stage_appended"] },
      },
      {
        title: "sends the metadata of the PUT back after the POST",
        send: "HEAD /home/long",
        status: 200,
        has: { "x-meta-long": long },
      },
    ]);
    await server.audit();
  },
);

test("PUT joins a repeated X-Meta header and rejects line breaks", async (server) => {
  const connection = await Connection.open(server.port);
  const start =
    `PUT /home/twice HTTP/1.1\r\nhost: localhost\r\nauthorization: ${T3.authorization}\r\n`;
  await connection.write(`${start}x-meta-a: one\r\nX-Meta-A: two\r\ncontent-length: 0\r\n\r\n`);
  assertEquals((await connection.reply()).status, 201);
  const read = await server.send({ method: "HEAD", target: "/home/twice" });
  assertEquals(read.headers.get("x-meta-a"), "one, two");
  for (const value of ["a\u0000b", "a\rb", "a\u007fb", "a\u001bb"]) {
    const raw = await Connection.open(server.port);
    await raw.write(`${start}x-meta-a: ${value}\r\ncontent-length: 0\r\n\r\n`);
    assertMatch(await Promise.race([raw.reply().then(({ head }) => head)]), /^HTTP\/1.1 400 /);
    raw.close();
  }
  connection.close();
  const after = await server.send({ method: "HEAD", target: "/home/twice" });
  assertStrictEquals(after.headers.get("etag"), read.headers.get("etag"));
});
