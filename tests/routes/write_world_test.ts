/**
 * PUT, POST and DELETE of worlds over HTTP: codes, names, extensions, metadata, limits, and the
 * exact event of each. Rows depend on earlier rows.
 */

import { assert, assertEquals } from "../support/assert.ts";
import { APPROVE, bearer, CLOSED, suite, TOKEN, withServer } from "../support/test_server.ts";
import { runScenarios, type Scenario } from "../support/scenario.ts";
import { sha256Hex } from "../../lib/base/hash.ts";
import { Connection } from "../support/wire.ts";

const test = suite("PUT, POST and DELETE /<world> change worlds over HTTP", { env: CLOSED });

const T2 = bearer(TOKEN);
const T3 = bearer(APPROVE);

function put(name: string): Pick<Scenario, "status" | "changes"> {
  return { status: 201, changes: { [name]: ["stage_written"] } };
}

function again(name: string): Pick<Scenario, "status" | "changes"> {
  return { status: 200, changes: { [name]: ["stage_written"] } };
}

const WRITES: readonly Scenario[] = [
  {
    title: "creates the world and sends its location",
    send: "PUT /home/a",
    as: T2,
    body: "one",
    status: 201,
    has: {
      location: "/home/a",
      "content-type": "application/json",
      etag: `"1-${sha256Hex("one").slice(0, 16)}.raw"`,
    },
    text: '{"version":1,"ext":"txt"}\n',
    changes: {
      "home/a": [["stage_written", {
        op: "put",
        len: 3,
        ext: "txt",
        version_after: 1,
        meta_headers: [],
        body_sha256_after: sha256Hex("one"),
        by: "T2",
        name: "home/a",
      }]],
    },
  },
  {
    title: "replaces the world without Location",
    send: "PUT /home/a",
    as: T3,
    headers: { "X-Meta-Author": "codex", "x-meta-confidence": "0.95" },
    body: "two!",
    status: 200,
    has: { location: null, etag: `"2-${sha256Hex("two!").slice(0, 16)}.raw"` },
    text: '{"version":2,"ext":"txt"}\n',
    changes: {
      "home/a": [["stage_written", {
        op: "put",
        len: 4,
        ext: "txt",
        version_after: 2,
        meta_headers: [["x-meta-author", "codex"], ["x-meta-confidence", "0.95"]],
        body_sha256_after: sha256Hex("two!"),
        by: "T3",
      }]],
    },
  },
  {
    title: "appends and keeps extension and metadata",
    send: "POST /home/a?ext=md",
    as: T2,
    headers: { "x-meta-author": "somebody else", "content-type": "text/html" },
    body: " three",
    status: 200,
    text: '{"version":3,"ext":"txt"}\n',
    changes: {
      "home/a": [["stage_appended", {
        op: "append",
        append_len: 6,
        append_sha256: sha256Hex(" three"),
        version_after: 3,
        body_sha256_after: sha256Hex("two! three"),
        meta_headers: [],
        by: "T2",
      }]],
    },
  },
  {
    title: "sends the metadata of the PUT after the POST",
    send: "GET /home/a?raw",
    status: 200,
    text: "two! three",
    has: { "x-meta-author": "codex", "x-meta-confidence": "0.95" },
  },
  {
    title: "removes metadata that is not in a later PUT",
    send: "PUT /home/a",
    as: T2,
    body: "4",
    ...again("home/a"),
  },
  {
    title: "sends no removed metadata",
    send: "HEAD /home/a",
    status: 200,
    has: { "x-meta-author": null, "x-meta-confidence": null },
  },
  {
    title: "creates the world",
    send: "POST /home/log",
    as: T2,
    body: "first ",
    status: 201,
    has: { location: "/home/log" },
    changes: {
      "home/log": [["stage_appended", {
        op: "append",
        append_len: 6,
        append_sha256: sha256Hex("first "),
        version_after: 1,
        body_sha256_after: sha256Hex("first "),
        meta_headers: [],
        ext: "txt",
        by: "T2",
        name: "home/log",
      }]],
    },
  },
  {
    title: "ignores X-Meta when it creates the world",
    send: "POST /home/log2",
    as: T2,
    headers: { "x-meta-author": "x" },
    body: "",
    status: 201,
    changes: { "home/log2": ["stage_appended"] },
  },
  {
    title: "sends no metadata",
    send: "HEAD /home/log2",
    status: 200,
    has: { "x-meta-author": null },
  },
  {
    title: "creates an empty world",
    send: "PUT /home/empty",
    as: T2,
    body: "",
    ...put("home/empty"),
  },
  {
    title: "reads it raw",
    send: "GET /home/empty?raw",
    status: 200,
    text: "",
    has: { "content-length": "0" },
  },
  {
    title: "accepts a request without content",
    send: "PUT /home/none",
    as: T2,
    ...put("home/none"),
  },
  {
    title: "rejects Content-Range",
    send: "PUT /home/a",
    as: T2,
    headers: { "content-range": "bytes 0-1/2" },
    body: "xx",
    status: 400,
    text: /Content-Range/,
  },
  {
    title: "disregards Content-Range of an append",
    send: "POST /home/ranged",
    as: T2,
    headers: { "content-range": "bytes 0-1/2" },
    body: "xx",
    status: 201,
    changes: { "home/ranged": ["stage_appended"] },
  },
  {
    title: "rejects a namespace",
    send: "PUT /home",
    as: T3,
    body: "x",
    status: 405,
    has: { allow: "GET, HEAD, OPTIONS" },
  },
  {
    title: "rejects a collection",
    send: "PUT /home/c/",
    as: T3,
    body: "x",
    status: 405,
    has: { allow: "GET, HEAD, DELETE, MOVE, OPTIONS" },
  },
  { title: "rejects a collection", send: "POST /home/c/", as: T2, body: "x", status: 405 },
  {
    title: "answers 405 to a method that worlds do not support",
    send: "LOCK /home/a",
    as: T3,
    body: "x",
    status: 405,
    has: { allow: "GET, HEAD, PUT, POST, PATCH, DELETE, MOVE, OPTIONS" },
  },
  { title: "answers 501 to an unknown method", send: "BREW /home/a", as: T2, status: 501 },
  { title: "compares methods with case", send: "put /home/a", as: T2, body: "x", status: 501 },
  { title: "does not echo TRACE", send: "TRACE /home/a", as: T2, status: 501, lacks: [TOKEN] },
  {
    title: "lists the methods of a world",
    send: "OPTIONS /home/a",
    as: T3,
    status: 204,
    has: {
      allow: "GET, HEAD, PUT, POST, PATCH, DELETE, MOVE, OPTIONS",
      "access-control-allow-origin": null,
    },
  },
  {
    title: "lists the methods of a collection",
    send: "OPTIONS /home/a/",
    as: T3,
    status: 204,
    has: { allow: "GET, HEAD, DELETE, MOVE, OPTIONS" },
  },
  {
    title: "lists the methods of a namespace",
    send: "OPTIONS /home/",
    status: 204,
    has: { allow: "GET, HEAD, OPTIONS" },
  },
  {
    title: "rejects a path below a plugin source",
    send: "PUT /lib/a/b",
    as: T3,
    body: "x",
    status: 400,
  },
];

test("PUT, POST and DELETE store the content and one event", async (server, t) => {
  await runScenarios(t, server, WRITES);
  await server.audit();
});

/** Target, headers, content, and the extension that is chosen. */
type ExtRow = readonly [
  target: string,
  headers: Record<string, string>,
  body: string | Uint8Array,
  ext: string,
];

const BYTES = new Uint8Array([0xff, 0xfe, 0x00, 0x80]);
const FORM = { "content-type": "application/x-www-form-urlencoded" };

// deno-fmt-ignore
const EXTENSIONS: readonly ExtRow[] = [
  // ?ext= first
  ["/home/e1.json?ext=md", { "content-type": "text/html" }, "<p>", "md"],
  ["/home/e2?ext=MD", {}, "x", "md"],
  ["/home/e3?ext=zzz9", {}, "x", "zzz9"],
  ["/home/e4?ext=bin", {}, "text", "bin"],
  ["/lib/e5?ext=js", {}, "x", "js"],
  // then Content-Type
  ["/home/f1.json", { "content-type": "text/markdown" }, "{}", "md"],
  ["/home/f2", { "content-type": "text/html; charset=utf-8" }, "x", "html"],
  ["/home/f3", { "content-type": "TEXT/HTML" }, "x", "html"],
  ["/home/f4", { "content-type": "image/png" }, BYTES, "png"],
  ["/home/f5", { "content-type": "application/json" }, "{}", "json"],
  ["/home/f6", { "content-type": "no/such-type" }, "x", "txt"],
  ["/home/f7.md", { "content-type": "no/such-type" }, "x", "md"],
  ["/home/f8", { "content-type": "" }, "<p>", "html"],
  ["/home/f9.md", { "content-type": "application/octet-stream" }, "x", "md"],
  // curl's default Content-Type counts as absent
  ["/home/g1", FORM, "<h1>hi</h1>", "html"],
  ["/home/g2", FORM, "hello", "txt"],
  ["/home/g3.csv", FORM, "a,b", "csv"],
  ["/home/g4", { "content-type": "application/x-www-form-urlencoded; charset=utf-8" }, "<p>", "html"],
  // then the suffix of the name
  ["/home/h1.md", {}, "<p>", "md"],
  ["/home/h2.TAR.GZ", {}, "x", "gz"],
  ["/home/h3.unknownsuffix", {}, "x", "txt"],
  ["/home/h4.example.com", {}, "x", "txt"],
  ["/home/.md", {}, "<p>", "html"],
  // then ts below /lib
  ["/lib/i1", {}, "export {}", "ts"],
  ["/lib/i2", FORM, "export {}", "ts"],
  ["/lib/i3.js", {}, "export {}", "js"],
  ["/lib/i4", { "content-type": "text/plain;charset=UTF-8" }, "export {}", "ts"],
  // then the bytes
  ["/home/j1", {}, "  \n\t<!doctype html>", "html"],
  ["/home/j2", {}, "< 3", "txt"],
  ["/home/j3", {}, "", "txt"],
  ["/home/j4", {}, BYTES, "bin"],
  ["/home/j5", {}, "\u{feff}<p>", "html"],
  ["/home/j6", {}, "é✓😀", "txt"],
];

test(
  "PUT chooses the extension by query, type, name, namespace and bytes, in this order",
  async (server, t) => {
    const rows = EXTENSIONS.map(([target, headers, body, ext]): Scenario => {
      const name = target.slice(1).split("?")[0] ?? "";
      return {
        title: `chooses ${ext}`,
        send: `PUT ${target}`,
        as: T2,
        headers,
        body,
        json: { ext },
        ...put(name),
      };
    });
    await runScenarios(t, server, [
      ...rows,
      ...["", "a.b", "a/b", "%2e%2e", "a%0d%0ab", "x".repeat(17), "%", "é"].map((
        ext,
      ): Scenario => ({
        title: "rejects an invalid extension",
        send: `PUT /home/refused?ext=${ext}`,
        as: T2,
        body: "x",
        status: 400,
      })),
      {
        title: "chooses the extension in the same way for POST",
        send: "POST /home/k?ext=md",
        as: T2,
        body: "x",
        status: 201,
        json: { ext: "md" },
        changes: { "home/k": ["stage_appended"] },
      },
    ]);
  },
);

/** Names as sent, and their canonical form. */
// deno-fmt-ignore
const NAMES: readonly (readonly [target: string, name: string, location: string])[] = [
  ["/home/with%20space", "home/with space", "/home/with%20space"],
  ["/home/100%25", "home/100%", "/home/100%25"],
  ["/home/a%2525b", "home/a%25b", "/home/a%2525b"],
  ["/home/a%23b", "home/a#b", "/home/a%23b"],
  ["/home/caf%C3%A9", "home/café", "/home/caf%C3%A9"],
  ["/home/tee/cafe%CC%81", "home/tee/café", "/home/tee/caf%C3%A9"],
  ["/home/%E6%97%A5%E6%9C%AC", "home/日本", "/home/%E6%97%A5%E6%9C%AC"],
  ["/home/%F0%9F%98%80", "home/😀", "/home/%F0%9F%98%80"],
  ["/home/plus+plus", "home/plus+plus", "/home/plus%2Bplus"],
  ["/home/%61%62%63", "home/abc", "/home/abc"],
  ["/home/semi;colon", "home/semi;colon", "/home/semi%3Bcolon"],
  ["/home/a@b,c=d&e", "home/a@b,c=d&e", "/home/a%40b%2Cc%3Dd%26e"],
  ["/home/...", "home/...", "/home/..."],
  ["/home/..a", "home/..a", "/home/..a"],
  ["/home/a..", "home/a..", "/home/a.."],
  ["/home/-", "home/-", "/home/-"],
  ["/home/~", "home/~", "/home/~"],
  ["/home/deep/er/and/deep/er", "home/deep/er/and/deep/er", "/home/deep/er/and/deep/er"],
  ["/home/etc/shadow", "home/etc/shadow", "/home/etc/shadow"],
];

// deno-fmt-ignore
const NO_NAMES: readonly string[] = [
  "/home/a%00b", "/home/a%0Ab", "/home/a%0D%0Ab", "/home/a%1Bb", "/home/a%7Fb", "/home/a%C2%85b",
  "/home/a%E2%80%A8b", "/home/a%3Ab", "/home/a:b", "/home/a*b", "/home/a%2Ab", "/home/a%3Fb",
  "/home/a%22b", "/home/a%3Cb", "/home/a%3Eb", "/home/a%7Cb", "/home/a%5Cb", "/home/a\\b",
  "/home/.", "/home/..", "/home/./x", "/home/../x", "/home/x/..", "/home/%2e", "/home/%2E%2e/x",
  "/home/.%2e/x", "//home/x", "/home//x", "/home/x//", "/home/x%2Fy", "/home/x%2fy", "/home/%",
  "/home/%4", "/home/%zz", "/home/%ff", "/home/%C0%AF", "/home/%E0%80%AF", "/home/%ED%A0%80",
  "/home/%F4%90%80%80", "/home/x#y",
  `/home/${"x".repeat(249)}`, `/home/${"é".repeat(125)}`, `/home/${"a/".repeat(70)}a`,
  `/home/${"%25".repeat(83)}`,
];

test("PUT and GET use one canonical name for every spelling of a path", async (server, t) => {
  await runScenarios(t, server, [
    ...NAMES.flatMap(([target, name, location]): Scenario[] => [
      {
        title: `stores ${name}`,
        send: `PUT ${target}`,
        as: T2,
        body: name,
        has: { location },
        ...put(name),
      },
      {
        title: "reads by its canonical path",
        send: `GET ${location}?raw`,
        status: 200,
        text: name,
      },
    ]),
    {
      title: "reads the same world by NFD and NFC",
      send: "PUT /home/cafe%CC%81",
      as: T2,
      body: "home/café",
      ...again("home/café"),
    },
    {
      title: "accepts the longest name",
      send: `PUT /home/${"x".repeat(248)}`,
      as: T2,
      body: "x",
      ...put(`home/${"x".repeat(248)}`),
    },
    {
      title: "accepts the longest name of slashes, which need three bytes each",
      send: `PUT /home/${"a/".repeat(61)}abcd`,
      as: T2,
      body: "x",
      ...put(`home/${"a/".repeat(61)}abcd`),
    },
    ...NO_NAMES.map((target): Scenario => ({
      title: "rejects an invalid name",
      send: `PUT ${target.replace(/é/g, "%C3%A9")}`,
      as: T2,
      body: "x",
      status: 400,
      text: /"type":"\/usr\/share\/doc\/problems\/bad-(path|name)\.md"/,
    })),
    ...NO_NAMES.slice(0, 20).map((target): Scenario => ({
      title: "rejects an invalid name for reading",
      send: `GET ${target}`,
      status: 400,
    })),
  ]);
  await server.audit();
  const folders = [...Deno.readDirSync(server.data)].map(({ name }) => name);
  for (const name of ["home%2F100%25", "home%2Fa%2525b", "home%2Fwith space", "home%2Fcafé"]) {
    assert(folders.includes(name), name);
  }
  assertEquals(folders.filter((name) => name.includes("\\") || name.includes("..%2F")).length, 0);
});

/** Sends the head of a request whose body never arrives, and returns the response. */
async function sendHead(port: number, target: string, headers: Record<string, string>) {
  const connection = await Connection.open(port);
  const fields = { host: "localhost", ...T3, "content-length": "1000", ...headers };
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
  await connection.write(`${target} HTTP/1.1\r\n${lines.join("")}\r\n`);
  try {
    return await connection.reply();
  } finally {
    connection.close();
  }
}

/** A world of the lower layer, also of the shipped one, with which the bundle is tested. */
const LOWER = "/usr/lib/shell/app.js";
const WITHOUT_BODY: readonly (readonly [
  target: string,
  headers: Record<string, string>,
  status: number,
])[] = [
  ["PUT /home/two", { "if-match": '"1"' }, 412],
  ["PUT /home/two", { "if-match": `"1-${sha256Hex("one").slice(0, 16)}.raw"` }, 412],
  ["PUT /home/two", { "if-none-match": "*" }, 412],
  ["PUT /home/two", { "if-none-match": '"2"' }, 412],
  ["PUT /home/two", { "if-unmodified-since": "Sun, 06 Nov 1994 08:49:37 GMT" }, 412],
  ["POST /home/two", { "if-match": '"1"' }, 412],
  ["PUT /home/none", { "if-match": "*" }, 412],
  [`PUT ${LOWER}`, { "if-none-match": "*" }, 412],
  [`PUT ${LOWER}`, { "if-match": '"1"' }, 412],
  ["PUT /home/two?from=x", {}, 400],
  ["PUT /home/two?ext=.", {}, 400],
  ["PUT /home/two", { "content-range": "bytes 0-1/2" }, 400],
  ["PUT /home/two", { authorization: "Bearer wrong" }, 401],
];

for (const cached of ["in memory", "on disk"]) {
  Deno.test(`PUT and POST are refused before the body is sent; the worlds are ${cached}`, () => {
    const cache: Record<string, string> = cached === "on disk" ? { ELASTIK_CACHE: "0" } : {};
    return withServer({ env: { ...CLOSED, ...cache } }, async (server) => {
      for (const body of ["one", "two"]) {
        await server.send({ method: "PUT", target: "/home/two", headers: T2, body });
      }
      for (const [target, headers, status] of WITHOUT_BODY) {
        const title = `${target} ${JSON.stringify(headers)}`;
        const reply = await sendHead(server.port, target, headers).catch(() => title);
        assertEquals(typeof reply === "string" ? reply : reply.status, status, title);
      }
      const whole = `"2-${sha256Hex("two").slice(0, 16)}.raw"`;
      const headers = { ...T2, "if-match": whole };
      const { status } = await server.send({
        method: "PUT",
        target: "/home/two",
        headers,
        body: "3",
      });
      assertEquals(status, 200);
    });
  });
}

test("PUT of text keeps the extension of other text, also that which fetch sends", async (server) => {
  const put = async (target: string, body: string, type?: string) => {
    const headers = type === undefined ? T2 : { ...T2, "content-type": type };
    return (await server.send({ method: "PUT", target, headers, body })).text;
  };
  assertEquals(await put("/home/n?ext=md", "# a"), '{"version":1,"ext":"md"}\n');
  assertEquals(
    await put("/home/n", "# b", "text/plain;charset=UTF-8"),
    '{"version":2,"ext":"md"}\n',
  );
  assertEquals(await put("/home/n", "<b>c</b>"), '{"version":3,"ext":"md"}\n');
  assertEquals(await put("/home/n", "d", "application/json"), '{"version":4,"ext":"json"}\n');
  assertEquals(await put("/home/n?ext=txt", "e"), '{"version":5,"ext":"txt"}\n');
  assertEquals(await put("/home/n", "<b>f</b>", "text/plain"), '{"version":6,"ext":"html"}\n');
  assertEquals(await put("/home/n?from=1", ""), '{"version":7,"ext":"md"}\n');
});
