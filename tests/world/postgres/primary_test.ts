import { assert, assertEquals, assertMatch, assertRejects } from "../../support/assert.ts";
import { freePort } from "../../support/free_port.ts";
import { postgresTest, serversTest, sharedServer } from "../../support/postgres_servers.ts";
import {
  askHost,
  choosePrimary,
  findPrimary,
  findPrimaryPatiently,
} from "../../../lib/world/postgres/primary.ts";
import { SessionError } from "../../../lib/world/postgres/session.ts";
import { parseStoreUrl } from "../../../lib/world/postgres/store_url.ts";

const [a, b, c] = ["a", "b", "c"].map((host) => ({ host, port: 5432 })) as [Host, Host, Host];
/** Milliseconds for the answer of a host that answers: they only end a test that would never end. */
const PATIENT_MS = 120_000;
type Host = { readonly host: string; readonly port: number };

Deno.test("choosePrimary() takes the highest timeline, and none below the highest seen", () => {
  const error = new SessionError("late", "no answer");
  const states = [
    { host: a, role: "primary", timeline: 2 },
    { host: b, role: "unreachable", error },
    { host: c, role: "primary", timeline: 3 },
    { host: b, role: "standby" },
  ] as const;
  assertEquals(choosePrimary(states, 0), { host: c, timeline: 3 });
  assertEquals(choosePrimary(states, 3), { host: c, timeline: 3 });
  assertEquals(choosePrimary(states, 4), undefined);
  assertEquals(choosePrimary([...states, { host: b, role: "primary", timeline: 3 }], 0)?.host, c);
  assertEquals(choosePrimary([states[1], states[3]], 0), undefined);
});

serversTest("findPrimary() finds the promoted server and never the isolated one", {
  servers: 3,
}, async (servers) => {
  const [first, second, third] = servers.names.map((name) => ({
    host: "127.0.0.1",
    port: servers.port(name),
  }));
  const patient = { deadlineMs: PATIENT_MS };
  const found = await findPrimary(parseStoreUrl(servers.url()), patient);
  assertEquals(found, { host: first, timeline: 1 });

  // The former primary continues to run without knowledge of the other one.
  await servers.promote("b");
  const store = parseStoreUrl(servers.url());
  assertEquals(await findPrimary(store, patient), { host: second, timeline: 2 });

  // Two hosts that hang, one that refuses, and one that has no address.
  const hanging = [0, 1].map(() => Deno.listen({ hostname: "127.0.0.1", port: 0 }));
  const ports = [...hanging.map(({ addr }) => (addr as Deno.NetAddr).port), freePort()];
  const url = `postgres://postgres@${ports.map((port) => `127.0.0.1:${port},`).join("")}` +
    `name.invalid,${servers.url().replace("postgres://postgres@", "")}`;
  const late = findPrimary(parseStoreUrl(url), { deadlineMs: 600_000 });
  // All are asked at the same time: each has a connection before another has answered.
  const connections = await Promise.all(hanging.map((listener) => listener.accept()));
  for (const part of [...connections, ...hanging]) part.close();
  assertEquals(await late, { host: second, timeline: 2 });
  // The others have so long to answer, and the suspended one delays the search by as much.
  servers.stop("c");
  assertEquals(await findPrimary(store, { deadlineMs: 8_000 }), { host: second, timeline: 2 });
  servers.cont("c");

  // Without the promoted server there is no primary, although the former one answers.
  await servers.kill("b");
  await assertRejects(findPrimary(store, { ...patient, above: 2 }), (error: unknown) => {
    assert(error instanceof SessionError, `${error}`);
    assertEquals(error.code, "refused");
    assertMatch(error.message, /has the old timeline 1; .*; 127\.0\.0\.1:\d+ is a standby$/);
    return true;
  });
  assert(third !== undefined, "three servers");
  assertEquals(await askHost(store, third, PATIENT_MS), { host: third, role: "standby" });
});

const server = sharedServer();

postgresTest("findPrimaryPatiently() asks a host again that was late", async () => {
  const { host, port } = { host: "127.0.0.1", port: server().port() };
  const listener = Deno.listen({ hostname: host, port: 0 });
  const url = `postgres://postgres@${host}:${listener.addr.port}/postgres?sslmode=disable`;
  const finding = findPrimaryPatiently(parseStoreUrl(url));
  // The first question gets no answer.
  const first = await listener.accept();
  const second = await listener.accept();
  const answering = await Deno.connect({ hostname: host, port });
  const copying = Promise.allSettled([
    second.readable.pipeTo(answering.writable),
    answering.readable.pipeTo(second.writable),
  ]);
  const found = { host: { host, port: listener.addr.port }, timeline: 1 };
  assertEquals(await finding, found);
  first.close();
  listener.close();
  await copying;
});
