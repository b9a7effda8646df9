import { assert, assertEquals, assertNotEquals, assertRejects } from "../../support/assert.ts";
import { identify } from "../../../plugins/mcp/credential.ts";
import { FakeServer, problem } from "./fake_server.ts";

const SIGNAL = new AbortController().signal;

/** Identifies a capability that the server describes in this way. */
function capability(by: string, whoami: Record<string, unknown>) {
  const server = new FakeServer();
  server.answer = () => Response.json({ tier: "T2", by, ...whoami });
  return identify({ tier: "T2", by, fetch: server.fetch }, SIGNAL);
}

Deno.test("identify() distinguishes tiers and accounts without a request", async () => {
  const server = new FakeServer();
  const callers = [["T1", "T1"], ["T2", "T2"], ["T3", "T3"], ["T2", "user:ada"], [
    "T3",
    "user:ada",
  ]];
  const found = new Set<string>();
  for (const [tier = "", by = ""] of callers) {
    const { holder, owner } = await identify({ tier, by, fetch: server.fetch }, SIGNAL);
    assertEquals(owner, holder);
    found.add(holder);
  }
  assertEquals([found.size, server.lines], [callers.length, []]);
});

Deno.test("identify() distinguishes capabilities with the same name in the logs", async () => {
  const by = "cap:/home/a#kestrel";
  const first = { id: "1-a", exp: 10, prefixes: ["/home/a"], mode: "rw" };
  const base = await capability(by, first);
  assertEquals(await capability(by, first), base);
  for (const other of [{ id: "2-b" }, { exp: 11 }, { mode: "r" }]) {
    assertNotEquals((await capability(by, { ...first, ...other })).holder, base.holder);
  }
});

Deno.test("identify() gives all that is derived from a capability the same owner", async () => {
  const minted = { id: "1-a", exp: 10, prefixes: ["/home/a"], mode: "rw" };
  const { owner } = await capability("cap:/home/a#kestrel", minted);
  for (let i = 0; i < 3; i++) {
    const prefixes = ["/home/a", `/home/a/${i}`];
    const derived = await capability(`cap:/home/a/${i}#kestrel/${i}`, { ...minted, prefixes });
    assertEquals(derived.owner, owner);
  }
  assertNotEquals((await capability("cap:/home/a", { ...minted, id: "2-b" })).owner, owner);
  // Without an id, the prefix with which it was minted.
  const old = { id: null, exp: 10, mode: "rw" };
  const one = await capability("cap:/home/a", { ...old, prefixes: ["/home/a"] });
  const two = await capability("cap:/home/a/b", { ...old, prefixes: ["/home/a", "/home/a/b"] });
  assertEquals(one.owner, two.owner);
  assert(one.holder !== two.holder);
});

Deno.test("identify() rejects if the capability has ended", async () => {
  const server = new FakeServer();
  server.answer = () => problem(401, "the capability was revoked");
  await assertRejects(identify({ tier: "T2", by: "cap:/home/a", fetch: server.fetch }, SIGNAL), {
    name: "Problem",
    status: 401,
  });
});
