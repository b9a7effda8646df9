/** Listings over HTTP: parameters, pages, contents, and what each caller sees. */

import { assert, assertEquals, assertMatch, assertStrictEquals } from "../../support/assert.ts";
import { MAX_CONTENTS_BYTES } from "../../../lib/limits.ts";
import { nextMillisecond } from "../../support/next_millisecond.ts";
import { runScenarios } from "../../support/scenario.ts";
import {
  APPROVE,
  bearer,
  CLOSED,
  LOWER_TEXTS,
  suite,
  type TestServer,
  TOKEN,
  withServer,
} from "../../support/test_server.ts";

const test = suite("GET /<collection>/ with parameters lists worlds over HTTP", { env: CLOSED });

const T2 = bearer(TOKEN);
const T3 = bearer(APPROVE);
const JSON_TYPE = { accept: "application/json" };

interface Row {
  readonly name: string;
  readonly dir: boolean;
  readonly version?: number;
  readonly updated_at?: string;
  readonly by?: string;
  readonly len?: number;
  readonly stage_html?: string;
  readonly binary?: boolean;
  readonly meta?: Record<string, string>;
}

async function put(server: TestServer, path: string, body: string | Uint8Array, headers = {}) {
  const reply = await server.send({
    method: "PUT",
    target: path,
    headers: { ...T3, ...headers },
    body,
  });
  assertEquals(reply.status, 201, reply.text);
}

/** The rows of a listing, from its first page to its last. */
async function list(server: TestServer, target: string, as: Record<string, string> = T2) {
  const pages: Row[][] = [];
  for (let next: string | undefined = target; next !== undefined;) {
    const reply = await server.send({
      method: "GET",
      target: next,
      headers: { ...as, ...JSON_TYPE },
    });
    assertEquals(reply.status, 200, reply.text);
    const rows: Row[] = JSON.parse(reply.text);
    pages.push(rows);
    next = /^<([^>]+)>; rel="next"$/.exec(reply.headers.get("link") ?? "")?.[1];
  }
  return pages;
}

const names = (pages: Row[][]) => pages.map((rows) => rows.map(({ name }) => name));

test("deep, sort, since, limit and contents work together", async (server) => {
  for (const [name, body] of [["a/z", "12345"], ["a-b", "1"], ["c", "123"], ["a", "12"]] as const) {
    await put(server, `/home/d/${name}`, body, { "x-meta-n": name });
    await nextMillisecond();
  }
  const deep = ["home/d/a", "home/d/a/z", "home/d/a-b", "home/d/c"];
  assertEquals(names(await list(server, "/home/d/?deep")), [deep]);
  assertEquals(names(await list(server, "/home/d/?deep&limit=3")), [
    deep.slice(0, 3),
    deep.slice(3),
  ]);
  assertEquals(names(await list(server, "/home/d/?deep&limit=4")), [deep]);
  assertEquals(names(await list(server, "/home/d/?sort=size")), [["c", "a", "a-b"]]);
  assertEquals(
    names(await list(server, "/home/d/?deep&sort=size&limit=1")),
    [["home/d/a/z"], ["home/d/c"], ["home/d/a"], ["home/d/a-b"]],
  );
  const byTime = (await list(server, "/home/d/?deep&sort=time"))[0] ?? [];
  assertEquals(byTime.map(({ name }) => name), [deep[0], deep[3], deep[2], deep[1]]);
  const since = encodeURIComponent(byTime[1]?.updated_at ?? "");
  const recent = byTime.filter(({ updated_at }) =>
    (updated_at ?? "") >= (byTime[1]?.updated_at ?? "")
  );
  const found = await list(server, `/home/d/?deep&sort=time&since=${since}&limit=1&contents`);
  assertEquals(found.flat().map(({ name }) => name), recent.map(({ name }) => name));
  assertEquals(found.map((rows) => rows.length), recent.map(() => 1));
  const [[row] = []] = found;
  assertEquals(row, {
    name: "home/d/a",
    dir: false,
    stage_html: "12",
    version: 1,
    ext: "txt",
    type: "txt",
    updated_at: row?.updated_at,
    len: 2,
    by: "T3",
    meta: { "x-meta-n": "a" },
  });
});

test(
  "text/plain prints names, JSON has updated_at and by, and tags change with the listing",
  async (server, t) => {
    await put(server, "/home/t/x", "1");
    await put(server, "/home/t/y/z", "1");
    await runScenarios(t, server, [
      {
        title: "prints full names",
        send: "GET /home/t/?deep",
        as: T2,
        status: 200,
        text: "home/t/x\nhome/t/y/z\n",
        has: {
          "content-type": "text/plain; charset=utf-8",
          etag: /\.list"$/,
          vary: "Accept",
          link: null,
        },
      },
      {
        title: "prints children, and links the next page",
        send: "GET /home/t/?limit=1",
        as: T2,
        status: 200,
        text: "x\n",
        has: { link: '</home/t/?limit=1&after=x>; rel="next"' },
      },
      {
        title: "has the headers of GET",
        send: "HEAD /home/t/?limit=1",
        as: T2,
        status: 200,
        has: { link: '</home/t/?limit=1&after=x>; rel="next"', "content-length": "2" },
      },
      {
        title: "lists collections last by size, and not by time of change",
        send: "GET /home/t/?sort=size",
        as: T2,
        status: 200,
        text: "x\ny/\n",
      },
      {
        title: "lists worlds only",
        send: "GET /home/t/?since=2020-01-01T00:00:00Z",
        as: T2,
        status: 200,
        text: "x\n",
      },
      {
        title: "refuses a position of another order",
        send: "GET /home/t/?sort=time&after=x",
        as: T2,
        status: 400,
        text: /is not a position in the order of time/,
      },
      {
        title: "answers 404 without a collection",
        send: "GET /home/none/?deep&contents",
        as: T2,
        status: 404,
      },
      { title: "answers 401 before it looks", send: "GET /boot/?deep&contents", status: 401 },
      {
        title: "is JSON even if text is preferred",
        send: "GET /home/t/?contents",
        as: T2,
        headers: { accept: "text/plain" },
        status: 200,
        has: { "content-type": "application/json" },
      },
    ]);
    const first = await server.send({ method: "GET", target: "/home/t/?deep", headers: T2 });
    const tag = first.headers.get("etag") ?? "";
    const again = {
      method: "GET",
      target: "/home/t/?deep",
      headers: { ...T2, "if-none-match": tag },
    };
    assertEquals((await server.send(again)).status, 304);
    await put(server, "/home/t/new", "1");
    assertEquals((await server.send(again)).status, 200);
    const [rows = []] = await list(server, "/home/t/");
    assertEquals(rows.map(({ name, by }) => [name, by]), [["new", "T3"], ["x", "T3"], [
      "y",
      undefined,
    ]]);
    assertMatch(rows[0]?.updated_at ?? "", /^\d{4}-.*Z$/);
  },
);

test("contents end at 4 MiB or after one longer world", async (server) => {
  await put(server, "/home/big/a", "x".repeat(MAX_CONTENTS_BYTES + 1));
  await put(server, "/home/big/b", "é".repeat(MAX_CONTENTS_BYTES / 4));
  await put(server, "/home/big/c", '"'.repeat(MAX_CONTENTS_BYTES / 4 - 600));
  await put(server, "/home/big/d", new Uint8Array(MAX_CONTENTS_BYTES).fill(0xff));
  await put(server, "/home/big/e", "x");
  const pages = await list(server, "/home/big/?contents");
  assertEquals(names(pages), [["a"], ["b", "c", "d", "e"]]);
  const d = pages[1]?.find(({ name }) => name === "d");
  assertEquals([d?.stage_html, d?.binary, d?.len], ["", true, MAX_CONTENTS_BYTES]);
  assertEquals(pages[1]?.[1]?.stage_html, '"'.repeat(MAX_CONTENTS_BYTES / 4 - 600));
});

test("each caller gets what GET shows it, in rows, contents and links", async (server) => {
  await put(server, "/etc/shadow", "ada:secret-hash");
  await put(server, "/etc/fstab", "https://a /mnt/a ro,bearer=hidden-token");
  await put(server, "/etc/hosts", "h".repeat(10));
  await put(server, "/var/cache/p/x", "cached");
  await put(server, "/var/y", "y");
  await put(server, "/home/a/x", "in");
  await put(server, "/home/b/x", "out");
  const etc = (await list(server, "/etc/?deep&contents", T2)).flat();
  assertEquals(etc.map(({ name }) => name), ["etc/fstab", "etc/hosts"]);
  const fstab = etc[0];
  assertEquals([fstab?.len, fstab?.meta], [undefined, {}]);
  assert(!JSON.stringify(etc).includes("hidden-token"));
  assertEquals(names(await list(server, "/etc/?sort=size", T2)), [["hosts", "fstab"]]);
  assertEquals(names(await list(server, "/etc/?sort=size", T3)), [["fstab", "shadow", "hosts"]]);
  assertEquals(names(await list(server, "/etc/?limit=1", T2)), [["fstab"], ["hosts"]]);
  assertEquals(names(await list(server, "/var/?deep", T2)), [["var/y"]]);
  assertEquals(names(await list(server, "/var/?deep", T3)), [["var/cache/p/x", "var/y"]]);
  const cap = bearer(server.capability("/home/a", "r"));
  assertEquals(names(await list(server, "/home/a/?deep&contents", cap)), [["home/a/x"]]);
  const refused = await server.send({
    method: "GET",
    target: "/home/?deep&contents",
    headers: cap,
  });
  assertEquals(refused.status, 403);
  assertStrictEquals(refused.headers.has("link"), false);
});

Deno.test("a listing of 20,000 worlds leaves turns to other work", async () => {
  const lowerTexts: Record<string, string> = { ...LOWER_TEXTS };
  for (let i = 0; i < 20_000; i++) lowerTexts[`usr/many/${i}`] = "x";
  const lengths: Record<string, number> = {
    "/usr/?deep&sort=size": 20_004,
    "/usr/?deep&sort=time&limit=10": 10,
    "/usr/?deep": 20_004,
    "/usr/many/": 20_000,
    "/dav/usr/many/": 20_000,
    "/proc/worlds?prefix=/usr/many": 20_000,
  };
  await withServer({ env: CLOSED, lowerTexts }, async (server) => {
    for (const [target, length] of Object.entries(lengths)) {
      let turns = 0;
      let isListed = false;
      const count = () => {
        turns++;
        if (!isListed) setImmediate(count);
      };
      setImmediate(count);
      const reply = await server.send({ method: "GET", target, headers: { ...T2, ...JSON_TYPE } });
      isListed = true;
      const rows: Row[] = JSON.parse(reply.text);
      assertEquals(rows.length, length, target);
      assert(turns > 8, `${target}: ${turns} turns`);
    }
  });
});
