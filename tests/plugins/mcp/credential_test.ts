import { assert, assertEquals, assertRejects, assertStrictEquals } from "../../support/assert.ts";
import { credentialOf } from "../../../plugins/mcp/credential.ts";
import { FakeServer, problem } from "./fake_server.ts";

const CAPABILITY = {
  id: "1700-a",
  prefix: "/home/a",
  prefixes: ["/home/a"],
  mode: "rw",
  exp: 2_000_000_000,
};

async function identify(by: string, whoami: unknown = CAPABILITY) {
  const server = new FakeServer();
  server.answer = () => Response.json(whoami);
  const credential = await credentialOf(
    { tier: "T2", by, fetch: server.fetch },
    server.stop.signal,
  );
  return { ...credential, requests: server.lines };
}

Deno.test("credentialOf() takes the name of a caller that has no capability", async () => {
  const token = await identify("T2");
  assertEquals(token, { holder: '["T2","T2"]', client: "T2", requests: [] });
  assert((await identify("user:ada")).holder !== token.holder);
});

Deno.test("credentialOf() counts a capability with everything that is narrowed from it", async () => {
  const minted = await identify("cap:/home/a#kestrel");
  const narrowed = await identify("cap:/home/a/b#kestrel/x", {
    ...CAPABILITY,
    prefix: "/home/a/b",
    prefixes: ["/home/a", "/home/a/b"],
  });
  assertStrictEquals(narrowed.client, minted.client);
  assert(narrowed.holder !== minted.holder);
  const other = await identify("cap:/home/a#kestrel", { ...CAPABILITY, id: "1701-b" });
  assert(other.client !== minted.client && other.holder !== minted.holder);
  assertEquals(minted.requests, ["GET /auth/whoami"]);
});

Deno.test("credentialOf() counts capabilities without an id by their first prefix", async () => {
  const { id: _, ...old } = CAPABILITY;
  const minted = await identify("cap:/home/a", old);
  const narrowed = { ...old, prefix: "/home/a/b", prefixes: ["/home/a", "/home/a/b"] };
  assertStrictEquals((await identify("cap:/home/a/b", narrowed)).client, minted.client);
});

Deno.test("credentialOf() rejects with 503 if the server does not identify the caller", async () => {
  const { fetch, stop } = Object.assign(new FakeServer(), { answer: () => problem(429, "busy") });
  await assertRejects(credentialOf({ tier: "T2", by: "cap:/home/a", fetch }, stop.signal), {
    name: "Problem",
    status: 503,
    headers: { "retry-after": "1" },
  });
});
