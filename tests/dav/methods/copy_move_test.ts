import { assertEquals, assertMatch, assertStrictEquals } from "../../support/assert.ts";
import { copyMove } from "../../../lib/dav/methods/copy_move.ts";
import { type TestApp, withApp } from "../../support/app.ts";
import {
  APPROVE,
  bearer,
  CLOSED,
  TOKEN,
  TWO_WRITERS,
  withServer,
} from "../../support/test_server.ts";
import { type Ask, createAsk, hrefs, lockBody, resources } from "../ask.ts";

const to = (path: string, more: Record<string, string> = {}) => ({
  destination: `http://localhost/dav${path}`,
  ...more,
});

async function tree(ask: Ask, path: string): Promise<string[]> {
  return hrefs(await ask(`PROPFIND /dav${path}`, 207, { depth: "infinity" }));
}

async function fill(ask: Ask): Promise<void> {
  await ask("MKCOL /dav/home/c", 201);
  await ask("PUT /dav/home/c/a.md", 201, { "x-meta-author": "ada" }, "# a");
  await ask("MKCOL /dav/home/c/empty", 201);
  await ask("MKCOL /dav/home/c/d", 201);
  await ask("PUT /dav/home/c/d/b", 201, { "content-type": "image/png" }, "\u0000png");
}

Deno.test("copyMove() copies a world with extension and metadata and records the source", async () => {
  await withApp({}, async (app) => {
    const ask = createAsk(app);
    await ask("PUT /home/a?ext=md", 201, { "x-meta-author": "ada" }, "# a");
    const done = await ask("COPY /dav/home/a", 201, to("/home/b"));
    assertEquals(done.headers.get("location"), "/dav/home/b");
    const copy = await app.store.read("home/b");
    assertEquals(copy?.ext, "md");
    assertEquals(copy?.meta, [["x-meta-author", "ada"]]);
    const [event] = await app.store.log("home/b", { limit: 1 });
    assertMatch(JSON.stringify(event?.payload), /"copied_from":"\/home\/a","from_version":1/);
    assertEquals((await app.store.audit("home/b")).ok, true);
    await ask("GET /dav/home/a", 200);
  });
});

Deno.test("copyMove() records a move in the chain of the world", async () => {
  await withApp({}, async (app) => {
    const ask = createAsk(app);
    const changes: string[] = [];
    app.store.watch("/", ({ kind, name }) => changes.push(`${kind} ${name}`));
    await ask("PUT /dav/home/a", 201, {}, "one");
    await ask("PUT /dav/home/a", 204, {}, "two");
    await ask("MOVE /dav/home/a", 201, to("/home/b"));
    await ask("GET /dav/home/a", 404);
    assertEquals((await ask("GET /dav/home/b", 200)).text, "two");
    const [event] = await app.store.log("home/b", { limit: 1 });
    assertMatch(JSON.stringify(event?.payload), /"from":"\/home\/a","to":"\/home\/b"/);
    // Watchers receive the new name before the deletion of the old name.
    assertEquals(changes.slice(-2), ["update home/b", "delete home/a"]);
  });
});

Deno.test("copyMove() copies and moves a collection with all its members", async () => {
  await withApp({}, async (app) => {
    const ask = createAsk(app);
    await fill(ask);
    const inside = ["", "a.md", "d/", "empty/", "d/b"];
    await ask("COPY /dav/home/c/", 201, to("/home/e/"));
    assertEquals(await tree(ask, "/home/e"), inside.map((name) => `/dav/home/e/${name}`));
    await ask("MOVE /dav/home/c", 201, to("/home/f"));
    assertEquals(await tree(ask, "/home/f"), inside.map((name) => `/dav/home/f/${name}`));
    await ask("PROPFIND /dav/home/c", 404, { depth: "0" });
    assertEquals((await ask("GET /dav/home/f/d/b", 200)).headers.get("content-type"), "image/png");
    assertEquals((await ask("GET /dav/home/f/a.md", 200)).headers.get("x-meta-author"), "ada");
    await ask("COPY /dav/home/f", 201, to("/home/g", { depth: "0" }));
    assertEquals(await tree(ask, "/home/g"), ["/dav/home/g/"]);
  });
});

Deno.test("copyMove() keeps a collection after its last world was moved", async () => {
  await withApp({}, async (app) => {
    const ask = createAsk(app);
    await ask("PUT /home/p/a", 201, {}, "x");
    await ask("MOVE /dav/home/p/a", 201, to("/home/b"));
    assertEquals(await tree(ask, "/home/p"), ["/dav/home/p/"]);
  });
});

Deno.test("copyMove() obeys Overwrite for worlds and collections", async () => {
  await withApp({}, async (app) => {
    const ask = createAsk(app);
    await fill(ask);
    await ask("PUT /dav/home/x", 201, {}, "x");
    await ask("PUT /dav/home/y", 201, {}, "y");
    await ask("COPY /dav/home/x", 412, to("/home/y", { overwrite: "F" }));
    await ask("COPY /dav/home/x", 204, to("/home/y", { overwrite: "T" }));
    assertEquals((await ask("GET /dav/home/y", 200)).text, "x");
    // A replaced world keeps its earlier version, which can be restored.
    assertEquals((await ask("GET /home/y?at=1&raw", 200)).text, "y");
    await ask("MOVE /dav/home/c", 412, to("/home/y", { overwrite: "F" }));
    await ask("MOVE /dav/home/c", 204, to("/home/y"));
    assertEquals((await tree(ask, "/home/y")).length, 5);
    await ask("COPY /dav/home/x", 204, to("/home/y"));
    assertEquals(await tree(ask, "/home/y"), ["/dav/home/y"]);
    await ask("COPY /dav/home/x", 400, to("/home/z", { overwrite: "maybe" }));
  });
});

Deno.test("copyMove() refuses a destination that is the source, inside it or above it", async () => {
  await withApp({}, async (app) => {
    const ask = createAsk(app);
    await fill(ask);
    for (const method of ["COPY", "MOVE"]) {
      await ask(`${method} /dav/home/c`, 403, to("/home/c"));
      await ask(`${method} /dav/home/c/`, 403, to("/home/c/d/e"));
      await ask(`${method} /dav/home/c/d`, 403, to("/home/c"));
      await ask(`${method} /dav/home/c`, 403, to("/home"));
      await ask(`${method} /dav/home/c/a.md`, 403, to("/"));
      await ask(`${method} /dav/`, 403, to("/home/all"));
    }
    await ask("MOVE /dav/home/", 403, to("/var/home"));
    assertEquals((await tree(ask, "/home/c")).length, 5);
  });
});

Deno.test("copyMove() refuses a missing source, a missing parent and an invalid destination", async () => {
  await withApp({}, async (app) => {
    const ask = createAsk(app);
    await fill(ask);
    await ask("PUT /dav/home/x", 201, {}, "x");
    await ask("COPY /dav/home/x", 409, to("/home/none/x"));
    await ask("COPY /dav/home/x", 409, to("/home/x2/y"));
    await ask("COPY /dav/home/x", 409, to("/home/c/a.md/y"));
    await ask("COPY /dav/home/x", 400, to("/home/a:b"));
    await ask("COPY /dav/home/x", 409, to("/lib/p/state"));
    await ask("MOVE /dav/home/c", 403, to("/lib/c"));
    await ask("COPY /dav/home/none", 404, to("/home/y"));
    await ask("COPY /dav/home/x", 400, to("/nowhere/x"));
    await ask("COPY /dav/home/x", 400, {});
    await ask("COPY /dav/home/x", 502, { destination: "http://elsewhere/dav/home/y" });
    await ask("COPY /dav/home/x", 502, { destination: "/home/y" });
    await ask("MOVE /dav/home/c", 400, to("/home/y", { depth: "0" }));
    assertEquals(app.store.stat("home/y"), undefined);
  });
});

Deno.test("copyMove() refuses a tree with worlds that the caller cannot read and redacts secrets", async () => {
  await withApp({}, async (app) => {
    const ask = createAsk(app);
    const local = { authorization: "" };
    await ask("PUT /dav/etc/shadow", 201, {}, "");
    await ask("PUT /dav/etc/fstab", 201, {}, "x bearer=sesame-open\n");
    await ask("COPY /dav/etc/shadow", 401, to("/home/shadow", local));
    await ask("COPY /dav/etc/fstab", 201, to("/home/fstab", local));
    assertEquals((await ask("GET /dav/home/fstab", 200, local)).text, "*** bearer=***\n");
    await ask("COPY /dav/etc", 401, to("/home/etc", local));
    await ask("GET /dav/home/etc", 404);
    await ask("COPY /dav/boot", 401, to("/home/boot2", local));
  });
});

Deno.test("copyMove() checks the rights for source and destination", async () => {
  await withServer({ env: { ...CLOSED, ...TWO_WRITERS } }, async (server) => {
    await server.approve("PUT", "/home/a", "a");
    await server.approve("PUT", "/home/b", "b");
    await server.approve("PUT", "/home/c/x", "x");
    const send = async (line: string, destination: string, token: string) => {
      const [method = "", target = ""] = line.split(" ");
      const headers = { ...(token === "" ? {} : bearer(token)), destination };
      return (await server.send({ method, target, headers })).status;
    };
    const rw = server.capability("/home/c", "rw");
    assertEquals(await send("COPY /dav/home/a", "/dav/home/z", ""), 401);
    assertEquals(await send("COPY /dav/home/a", "/dav/etc/z", TOKEN), 403);
    assertEquals(await send("COPY /dav/home/a", "/dav/home/b", TOKEN), 204);
    assertEquals(await send("COPY /dav/home/a", "/dav/home/c", TOKEN), 403);
    assertEquals(await send("MOVE /dav/home/a", "/dav/home/z", TOKEN), 403);
    assertEquals(await send("COPY /dav/home/a", "/dav/home/c/a", rw), 403);
    assertEquals(await send("COPY /dav/home/c/x", "/dav/home/a", rw), 403);
    assertEquals(await send("COPY /dav/home/c/x", "/dav/home/c/y", rw), 201);
    const reader = server.capability("/home/c", "r");
    assertEquals(await send("COPY /dav/home/c/x", "/dav/home/c/z", reader), 403);
    assertEquals(await send("MOVE /dav/home/a", "/dav/home/z", APPROVE), 201);
    await server.audit();
  });
});

Deno.test("copyMove() sets plugin sources to pending and refuses to move a lower-layer world", async () => {
  await withApp({}, async (app) => {
    const ask = createAsk(app);
    await ask("PUT /dav/home/p.ts", 201, {}, "export default {};");
    await ask("COPY /dav/home/p.ts", 201, to("/lib/p"));
    assertEquals(app.store.stat("lib/p")?.state, "pending");
    await ask("COPY /dav/usr/share/doc/note.md", 201, to("/home/note.md"));
    await ask("MOVE /dav/usr/share/doc/note.md", 403, to("/home/note2.md"));
    assertEquals(app.store.stat("home/note2.md"), undefined);
    const partly = await ask("MOVE /dav/usr/share/doc", 207, to("/home/doc"));
    assertEquals(resources(partly.text).map(({ href, status }) => [href, status]), [
      ["/dav/usr/share/doc/note.md", "403"],
    ]);
  });
});

Deno.test("copyMove() obeys preconditions and locks", async () => {
  await withApp({}, async (app) => {
    const ask = createAsk(app);
    await ask("PUT /dav/home/a", 201, {}, "a");
    await ask("PUT /dav/home/b", 201, {}, "b");
    await ask("COPY /dav/home/a", 412, to("/home/z", { "if-match": '"9-000000000000.dav"' }));
    const locked = await ask("LOCK /dav/home/b", 200, {}, lockBody());
    const token = locked.headers.get("lock-token") ?? "";
    await ask("COPY /dav/home/a", 423, to("/home/b"));
    await ask("MOVE /dav/home/b", 423, to("/home/z"));
    await ask("COPY /dav/home/b", 201, to("/home/free"));
    await ask("COPY /dav/home/a", 204, to("/home/b", { if: `</dav/home/b> (${token})` }));
    await ask("MOVE /dav/home/b", 201, to("/home/z", { if: `(${token})` }));
    // A lock does not move with its resource (RFC 4918 §7.5); it is removed.
    await ask("PUT /dav/home/z", 204, {}, "free");
    await ask("PUT /dav/home/b", 201, {}, "free");
    await ask("MKCOL /dav/home/k", 201);
    await ask("LOCK /dav/home/k", 200, { depth: "0" }, lockBody());
    await ask("COPY /dav/home/a", 423, to("/home/k/a"));
    await ask("MOVE /dav/home/a", 423, to("/home/k/a"));
    assertEquals(typeof copyMove, "function");
  });
});

Deno.test("copyMove() keeps a write to the source that arrives during a move, as a new world", async () => {
  await withApp({}, async (app) => {
    const ask = createAsk(app);
    await ask("PUT /home/a", 201, {}, "0");
    await ask("PUT /home/b", 201, {}, "replaced");
    const late: Promise<unknown>[] = [];
    const stop = app.store.watch("home/b", () => {
      // Before the move is answered.
      const body = new TextEncoder().encode("late");
      late.push(app.store.put({ name: "home/a", body, ext: "txt", meta: [], by: "T3" }));
    });
    await ask("MOVE /dav/home/a", 204, to("/home/b"));
    stop();
    await Promise.all(late);
    assertEquals(late.length, 1);
    assertEquals((await ask("GET /dav/home/b", 200)).text, "0");
    assertEquals((await ask("GET /dav/home/a", 200)).text, "late");
    assertEquals(app.store.stat("home/a")?.version, 2);
  });
});

/** Returns the event types of a world, oldest first, and the versions that can be read. */
async function past(app: TestApp, name: string): Promise<[string, number[]]> {
  const log = await app.store.log(name, { limit: 50 });
  const versions: number[] = [];
  for (let version = 1; version < 9; version++) {
    const found = await app.store.readAt(name, version).catch(() => undefined);
    if (found !== undefined) versions.push(version);
  }
  assertEquals((await app.store.audit(name)).ok, true);
  return [log.map(({ type }) => type).reverse().join(" "), versions];
}

Deno.test("copyMove() keeps the chain and the earlier versions of a moved world", async () => {
  await withApp({}, async (app) => {
    const ask = createAsk(app);
    await ask("MKCOL /dav/home/c", 201);
    await ask("PUT /home/c/a.txt", 201, { "x-meta-a": "1" }, "one");
    await ask("PUT /home/c/a.txt", 200, { "x-meta-a": "2" }, "two");
    const firstHmac = (await app.store.log("home/c/a.txt", { limit: 9 })).at(-1)?.hmac;
    await ask("MOVE /dav/home/c/a.txt", 201, to("/home/c/b.md"));
    assertEquals(await past(app, "home/c/b.md"), ["stage_written stage_written world_moved", [
      1,
      2,
      3,
    ]]);
    assertStrictEquals((await app.store.log("home/c/b.md", { limit: 9 })).at(-1)?.hmac, firstHmac);
    const moved = await app.store.read("home/c/b.md");
    assertEquals([moved?.ext, moved?.meta], ["md", [["x-meta-a", "2"]]]);
    assertEquals((await ask("GET /home/c/b.md?at=1&raw", 200)).text, "one");
    assertEquals((await ask("GET /home/c/b.md?at=2", 200)).text.includes('"ext":"txt"'), true);
    await ask("MOVE /dav/home/c/", 201, to("/home/d/"));
    assertEquals((await past(app, "home/d/b.md"))[1], [1, 2, 3, 4]);
    await ask("GET /dav/home/c/b.md", 404);
  });
});

Deno.test("copyMove() writes the next version of a world that a MOVE replaces", async () => {
  await withApp({}, async (app) => {
    const ask = createAsk(app);
    await ask("PUT /home/draft", 201, {}, "draft");
    await ask("PUT /home/final", 201, {}, "final");
    await ask("MOVE /dav/home/draft", 204, to("/home/final"));
    assertEquals(await past(app, "home/final"), ["stage_written stage_written", [1, 2]]);
    assertEquals((await ask("GET /home/final?at=1&raw", 200)).text, "final");
  });
});

Deno.test("copyMove() does not move earlier versions to a path that more callers can read", async () => {
  await withApp({}, async (app) => {
    const ask = createAsk(app);
    await ask("PUT /boot/plan", 201, {}, "secret once");
    await ask("PUT /boot/plan", 200, {}, "public now");
    await ask("MOVE /dav/boot/plan", 201, to("/home/plan"));
    // The new version is higher than any that either name used.
    assertEquals(await past(app, "home/plan"), ["stage_written", [3]]);
    assertEquals((await ask("GET /home/plan?raw", 200)).text, "public now");
    await ask("PUT /lib/a", 201, {}, "export default {};");
    await ask("MOVE /dav/lib/a", 201, to("/lib/b"));
    assertEquals((await past(app, "lib/b"))[1], [2]);
    assertEquals(app.store.stat("lib/b")?.state, "pending");
  });
});
