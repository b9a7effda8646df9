/** `/dev/fanout` over HTTP: rights, headers, results. */

import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { eventually } from "../plugin/plugin_test_server.ts";
import { bearer, type TestServer, TOKEN } from "../support/test_server.ts";
import { withPluginServer } from "../support/plugin_server.ts";
import type { Reply } from "../support/wire.ts";

interface Fanout {
  readonly server: TestServer;
  /** Writes the list, and waits until the plugin uses it. */
  list(text: string): Promise<void>;
  /** Sends as T2. */
  send(
    method: string,
    body?: string | Uint8Array,
    headers?: Record<string, string>,
    query?: string,
  ): Promise<Reply>;
  /** Content of a world, or the status if it cannot be read. */
  read(path: string): Promise<string | number>;
}

type Case = (fanout: Fanout, t: Deno.TestContext) => Promise<void>;
const cases: [title: string, run: Case][] = [];
function add(title: string, run: Case): void {
  cases.push([title, run]);
}

function results(reply: Reply): [target: string, status: number][] {
  const { results } = JSON.parse(reply.text);
  return results.map(({ target, status }: { target: string; status: number }) => [target, status]);
}

add("PUT replaces and POST appends to every target once", async (f) => {
  await f.list("# targets\n\nhome/a\n/home/b\n  c  \nhome/c\n/home/deep/d e\n#home/not\n");
  const put = await f.send("PUT", "one");
  assertEquals(put.status, 200, put.text);
  assertEquals(results(put), [
    ["/home/a", 201],
    ["/home/b", 201],
    ["/home/c", 201],
    ["/home/deep/d e", 201],
  ]);
  assertEquals(JSON.parse(put.text).results[0].version, 1);
  const post = await f.send("POST", "+two");
  const { written, failed } = JSON.parse(post.text);
  assertEquals(post.status, 200);
  assertEquals(written, ["home/a", "home/b", "home/c", "home/deep/d e"]);
  assertEquals(failed, []);
  for (const path of ["a", "b", "c", "deep/d%20e"]) {
    assertEquals(await f.read(`/home/${path}`), "one+two");
  }
  assertEquals(await f.read("/home/not"), 404);
});

add("passes on type, metadata, extension and preconditions", async (f) => {
  await f.list("a\nb");
  const meta = { "x-meta-author": "codex", "x-meta-confidence": "0.9", "x-other": "no" };
  assertEquals((await f.send("PUT", "a,b", { "content-type": "text/csv", ...meta })).status, 200);
  for (const name of ["a", "b"]) {
    const { headers } = await f.server.approve("GET", `/home/${name}?raw`);
    assertMatch(headers.get("content-type") ?? "", /^text\/csv/);
    assertEquals([headers.get("x-meta-author"), headers.get("x-meta-confidence")], [
      "codex",
      "0.9",
    ]);
    assertEquals(headers.get("x-other"), undefined);
  }
  assertEquals((await f.send("PUT", "# md", {}, "?ext=md")).status, 200);
  assertMatch(
    (await f.server.approve("GET", "/home/a?raw")).headers.get("content-type") ?? "",
    /markdown/,
  );
  const refused = await f.send("PUT", "new", { "if-none-match": "*" });
  assertEquals([refused.status, await f.read("/home/a")], [412, "# md"]);
  const bad = await f.send("PUT", "x", { "x-meta-long": "y".repeat(2000) });
  assertEquals([bad.status, results(bad)], [400, [["/home/a", 400], ["/home/b", 400]]]);
});

add("asks for the rights of the caller on every target before it writes one", async (f) => {
  await f.list("right\n/etc/motd\n/usr/x");
  const two = await f.send("PUT", "text");
  assertEquals(two.status, 403);
  const refused = JSON.parse(two.text);
  assertMatch(refused.detail, /\/etc\/motd \(and 1 other.* T3 is required/);
  assertEquals([refused.written, refused.failed.length], [[], 2]);
  assertEquals([refused.failed[0].target, refused.failed[0].status], ["etc/motd", 403]);
  assertMatch(refused.failed[0].error, /T3 is required/);
  assertEquals([await f.read("/home/right"), await f.read("/etc/motd")], [404, 404]);
  const three = await f.server.approve("PUT", "/dev/fanout", "by T3");
  assertEquals([three.status, results(three).map(([, status]) => status)], [200, [201, 201, 201]]);
  const { text } = await f.server.approve("GET", "/proc/log/home/right");
  assertEquals(JSON.parse(text).map(({ payload }: { payload: { by: string } }) => payload.by), [
    "T3",
  ]);
  await f.list("/etc/motd\n/etc/other");
  assertEquals((await f.send("POST", "x")).status, 403);
});

add("refuses callers below T2 and capabilities", async (f) => {
  await f.list("/home/scratch/x");
  for (
    const [headers, status] of [
      [{}, 401],
      [bearer("nonsense"), 401],
      [bearer(f.server.capability("/home/scratch", "rw")), 403],
      [bearer(f.server.capability("/dev/fanout", "rw")), 403],
      [bearer(f.server.capability("/", "rw")), 403],
    ] as const
  ) {
    for (const method of ["GET", "PUT", "POST"]) {
      const reply = await f.server.send({ method, target: "/dev/fanout", headers, body: "x" });
      assertEquals(reply.status, status, `${method} ${reply.text}`);
    }
  }
  const words = await f.server.send({
    method: "POST",
    target: "/dev/fanout",
    headers: bearer(f.server.capability("/", "rw")),
    body: "x",
  });
  assertMatch(
    words.text,
    /a capability is valid for worlds below its own prefix only; T2 is required/,
  );
  assertEquals(await f.read("/home/scratch/x"), 404);
});

add("never writes to a line that is not the name of a world", async (f) => {
  const lines = [
    "ok",
    "/dev/fanout",
    "dev/fanout",
    "/mnt/data/x",
    "/proc/status",
    "/etc/fanout.conf",
    "etc/fanout.conf",
    "/lib/fanout/state",
    "/home/",
    "/home",
    "home/../etc/passwd",
    "home//x",
    "a:b",
    "/nowhere/x",
    "/",
  ];
  await f.list(lines.join("\n"));
  const reply = await f.server.approve("PUT", "/dev/fanout", "x");
  assertEquals(reply.status, 207, reply.text);
  const { results: [first, ...rest], written, failed } = JSON.parse(reply.text);
  assert(written.includes("home/ok") && !written.includes("etc/fanout.conf"), reply.text);
  assertEquals(failed[0].target, "dev/fanout");
  assertMatch(failed[0].error, /line 2: only worlds can be targets/);
  assertEquals([first.target, first.status], ["/home/ok", 201]);
  assert(rest.length >= 11, reply.text);
  for (const { target, status, detail } of rest) {
    if (target === "/home/home") continue;
    assertEquals(status, 400, target);
    assertMatch(detail, /^\/etc\/fanout\.conf line \d+: /);
  }
  const { text } = await f.server.approve("GET", "/lib/fanout/state");
  assertMatch(text, /fanout\.conf line 2: only worlds can be targets/);
  const list = await f.server.approve("GET", "/etc/fanout.conf?raw");
  assert(list.text.startsWith(lines.join("\n")));
});

add("answers 503 if the list names no world", async (f) => {
  for (const text of ["", "# nothing\n", "/dev/fanout"]) {
    await f.list(text);
    const reply = await f.send("POST", "x");
    assertEquals(reply.status, 503, reply.text);
    assertMatch(reply.text, /names no world; T3 can write it/);
  }
});

add("answers 413 to a body that is too long", async (f) => {
  await f.list("a\nb");
  const five = new Uint8Array(5 * 1024 * 1024).fill(120);
  assertEquals((await f.send("PUT", five)).status, 200);
  const six = await f.send("PUT", new Uint8Array(6 * 1024 * 1024));
  assertEquals([six.status, results(six)], [413, [["/home/a", 413], ["/home/b", 413]]]);
  const huge = await f.send("PUT", new Uint8Array(17 * 1024 * 1024));
  assertEquals(huge.status, 413);
  assertMatch(huge.text, /nothing was written/);
  assertEquals(String(await f.read("/home/a")).length, five.length);
});

add("writes 256 targets in the order of the list", async (f) => {
  const names = Array.from({ length: 300 }, (_, i) => `many/${i}`);
  await f.list(names.join("\n"));
  const reply = await f.send("PUT", "x");
  const all = results(reply);
  assertEquals(reply.status, 207);
  assertEquals(all.slice(0, 256), names.slice(0, 256).map((name) => [`/home/${name}`, 201]));
  assertEquals(all.slice(256).map(([, status]) => status), [400]);
  assertEquals(await f.read("/home/many/255"), "x");
  assertEquals(await f.read("/home/many/256"), 404);
});

add("GET lists the targets; other methods and queries are refused", async (f) => {
  await f.list("kept\n/dev/x");
  const { text } = await f.send("GET");
  assertEquals(JSON.parse(text)[0], { line: 1, target: "/home/kept" });
  assertMatch(JSON.parse(text)[1].fault, /only worlds/);
  const plain = await f.send("PUT", "x", { accept: "text/plain" });
  assertMatch(plain.text, /^201\t\/home\/kept\n400\t\/dev\/x\t/);
  assertEquals((await f.send("PUT", "x", {}, "?to=a")).status, 400);
  assertEquals((await f.send("PATCH", "x")).status, 405);
  assertEquals((await f.send("DELETE")).status, 405);
  const below = await f.server.approve("PUT", "/dev/fanout/x", "x");
  assertEquals(below.status, 404);
});

Deno.test("/dev/fanout writes to every target", async (t) => {
  await withPluginServer({ plugins: ["fanout"] }, async (server) => {
    const send: Fanout["send"] = (method, body, headers = {}, query = "") =>
      server.send({
        method,
        target: `/dev/fanout${query}`,
        headers: { ...bearer(TOKEN), ...headers },
        ...(body === undefined ? {} : { body }),
      });
    const turns = async (): Promise<number> => {
      const { text } = await server.approve("GET", "/proc/log/lib/fanout?limit=1000");
      return text.split('"plugin_reconfigured"').length;
    };
    const list: Fanout["list"] = async (text) => {
      const before = await turns();
      const marked = `${text}\n# ${crypto.randomUUID()}`;
      assert((await server.approve("PUT", "/etc/fanout.conf", marked)).status < 300);
      await eventually(async () => await turns() > before || undefined, "the list is in use");
    };
    const read: Fanout["read"] = async (path) => {
      const { status, text } = await server.approve("GET", `${path}?raw`);
      return status === 200 ? text : status;
    };
    for (const [title, run] of cases) {
      await t.step(title, (step) => run({ server, list, send, read }, step));
    }
    await server.audit();
  });
});
