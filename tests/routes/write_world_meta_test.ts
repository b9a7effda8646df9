/**
 * `X-Meta-*` over HTTP: what is stored, where it is replayed, what is refused by name, and that no
 * other header of a request is ever kept.
 */

import { equal, match } from "node:assert/strict";
import { APPROVE, bearer, CLOSED, suite, TOKEN } from "../support/machine.ts";
import { runScenarios, type Scenario } from "../support/scenario.ts";
import { Connection } from "../support/wire.ts";

const test = suite("WorldRoutes keep metadata over HTTP", { env: CLOSED });

const T2 = bearer(TOKEN);
const T3 = bearer(APPROVE);
const META = { "x-meta-author": "codex", "x-meta-note": 'a "quoted"; value, with = all ~ signs' };
const REPLAYED = { ...META, "x-meta-old": null };

const REPLAY: readonly Scenario[] = [
  {
    title: "is stored in version 1",
    send: "PUT /home/m",
    as: T2,
    headers: { "X-META-OLD": "yes" },
    body: "old",
    status: 201,
    changes: { "home/m": ["stage_written"] },
  },
  {
    title: "is replaced whole by version 2, and nothing else is stored",
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
    title: "replays it, lower-cased",
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
    title: "replays it with the text",
    send: "GET /home/m",
    headers: { accept: "text/plain" },
    status: 200,
    text: "0123456789",
    has: REPLAYED,
  },
  {
    title: "replays it with the shell",
    send: "GET /home/m",
    headers: { accept: "text/html" },
    status: 200,
    text: /the shell/,
    has: REPLAYED,
  },
  {
    title: "replays it with a part",
    send: "GET /home/m?raw",
    headers: { range: "bytes=2-4" },
    status: 206,
    text: "234",
    has: REPLAYED,
  },
  {
    title: "replays it with a 304",
    send: "GET /home/m",
    headers: { "if-none-match": '"2"' },
    status: 304,
    has: REPLAYED,
  },
  {
    title: "replays it with a 304 by version",
    send: "GET /home/m?v=2",
    status: 304,
    has: REPLAYED,
  },
  {
    title: "is that of the version asked for",
    send: "GET /home/m?at=1&raw",
    status: 200,
    text: "old",
    has: { "x-meta-old": "yes", "x-meta-author": null },
  },
  {
    title: "comes back with a version that is brought back",
    send: "PUT /home/m?from=1",
    as: T2,
    status: 200,
    changes: { "home/m": ["stage_written"] },
  },
  {
    title: "is the old one again",
    send: "HEAD /home/m",
    status: 200,
    has: { "x-meta-old": "yes", "x-meta-author": null },
  },
  {
    title: "is kept by a name with every sign a token may have",
    send: "PUT /home/signs",
    as: T2,
    headers: { "x-meta-!#$%&'*+.^_`|~-1": "x" },
    status: 201,
    changes: { "home/signs": ["stage_written"] },
  },
  {
    title: "replays that name",
    send: "HEAD /home/signs",
    status: 200,
    has: { "x-meta-!#$%&'*+.^_`|~-1": "x" },
  },
  {
    title: "may have an empty value",
    send: "PUT /home/signs",
    as: T2,
    headers: { "x-meta-empty": "" },
    status: 200,
    changes: { "home/signs": ["stage_written"] },
  },
  { title: "replays it empty", send: "HEAD /home/signs", status: 200, has: { "x-meta-empty": "" } },
  {
    title: "may not smuggle markup past the shell's own headers",
    send: "PUT /home/signs",
    as: T2,
    headers: { "x-meta-content-security-policy": "default-src *", "x-meta-location": "/x" },
    status: 200,
    changes: { "home/signs": ["stage_written"] },
  },
  {
    title: "shows the shell under the shell's policy",
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

/** Headers that do not fit, and the name the refusal must give. */
const REFUSED: readonly (readonly [headers: Record<string, string>, name: string])[] = [
  [{ "x-meta-": "no name" }, "x-meta-"],
  [{ "x-meta-utf8": "café" }, "x-meta-utf8"],
  [{ "x-meta-tab": "a\tb" }, "x-meta-tab"],
  [{ "x-meta-long": `${long}v` }, "x-meta-long"],
  [{ ...total, "x-meta-zz": "one too many" }, "x-meta-zz"],
  [{ "x-meta-good": "fine", "x-meta-utf8": "\u{1f600}" }, "x-meta-utf8"],
];

test(
  "WorldRoutes replay X-Meta with every representation and keep no other header",
  async (machine, t) => {
    await runScenarios(t, machine, [
      ...REPLAY,
      ...REFUSED.map(([headers, name]): Scenario => ({
        title: `refuses ${name} by name`,
        send: "PUT /home/refused",
        as: T2,
        headers,
        body: "x",
        status: 400,
        text: new RegExp(`"type":"/usr/share/doc/problems/bad-metadata.md".*${name} .*nothing was`),
      })),
      {
        title: "takes the longest value",
        send: "PUT /home/long",
        as: T2,
        headers: { "x-meta-long": long },
        status: 201,
        changes: { "home/long": ["stage_written"] },
      },
      {
        title: "takes exactly the most in all",
        send: "PUT /home/total",
        as: T2,
        headers: total,
        status: 201,
        changes: { "home/total": ["stage_written"] },
      },
      {
        title: "refuses one byte more",
        send: "PUT /home/total2",
        as: T2,
        headers: { ...total, "x-meta-7": "v".repeat(1017) },
        status: 400,
        text: /x-meta-7 brings/,
      },
      {
        title: "POST ignores what PUT would refuse",
        send: "POST /home/long",
        as: T2,
        headers: { "x-meta-long": "café" },
        body: "x",
        status: 200,
        changes: { "home/long": ["stage_appended"] },
      },
      {
        title: "replays the whole of it after the POST",
        send: "HEAD /home/long",
        status: 200,
        has: { "x-meta-long": long },
      },
    ]);
    await machine.audit();
  },
);

test("WorldRoutes join an X-Meta header that is sent twice and refuse what ends a header", async (machine) => {
  const connection = await Connection.open(machine.port);
  const start =
    `PUT /home/twice HTTP/1.1\r\nhost: localhost\r\nauthorization: ${T3.authorization}\r\n`;
  await connection.write(`${start}x-meta-a: one\r\nX-Meta-A: two\r\ncontent-length: 0\r\n\r\n`);
  equal((await connection.reply()).status, 201);
  const read = await machine.send({ method: "HEAD", target: "/home/twice" });
  equal(read.headers.get("x-meta-a"), "one, two");
  for (const value of ["a\u0000b", "a\rb", "a\u007fb", "a\u001bb"]) {
    const raw = await Connection.open(machine.port);
    await raw.write(`${start}x-meta-a: ${value}\r\ncontent-length: 0\r\n\r\n`);
    match(await Promise.race([raw.reply().then(({ head }) => head)]), /^HTTP\/1.1 400 /);
    raw.close();
  }
  connection.close();
  const after = await machine.send({ method: "HEAD", target: "/home/twice" });
  equal(after.headers.get("etag"), read.headers.get("etag"));
});
