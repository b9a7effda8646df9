import { assert, assertEquals, assertStrictEquals } from "../../support/assert.ts";
import {
  MAX_ENDED_SESSIONS,
  MAX_SESSIONS,
  MAX_SESSIONS_PER_CALLER,
  SESSION_IDLE_MS,
  SESSION_LIFETIME_MS,
} from "../../../plugins/mcp/limits.ts";
import type { Credential } from "../../../plugins/mcp/credential.ts";
import { type Session, Sessions } from "../../../plugins/mcp/sessions.ts";

const VERSION = "2025-11-25";

/** The credential of a caller whose limits are its own. */
function credential(holder: string): Credential {
  return { holder, client: holder };
}

/** Sessions with a clock that the test sets. */
class Fixture {
  now = 1_000_000;
  readonly sessions = new Sessions(() => this.now);

  async open(holder = "T2", client = holder): Promise<Session> {
    const id = await this.sessions.begin(VERSION, "probe", holder);
    const session = await this.sessions.find(id, { holder, client });
    if (session === undefined) throw new Error("the session was not found");
    return session;
  }
}

Deno.test("find() returns what begin() was given, also in another process", async () => {
  const { sessions } = new Fixture();
  const id = await sessions.begin(VERSION, "né \u{1f600}", "T2");
  assert(/^[\x21-\x7e]{1,1024}$/.test(id), id);
  const own = { id, version: VERSION, client: "né \u{1f600}", credential: credential("T2") };
  assertEquals(await sessions.find(id, credential("T2")), { ...own, isComplete: true });
  assertEquals(await new Fixture().sessions.find(id, credential("T2")), {
    ...own,
    isComplete: false,
  });
  assert(id !== await sessions.begin(VERSION, "né \u{1f600}", "T2"));
});

Deno.test("find() refuses ids of other credentials, changed ids and other texts", async () => {
  const { sessions } = new Fixture();
  const id = await sessions.begin(VERSION, "probe", '["cap:/home/a",1]');
  assertStrictEquals(await sessions.find(id, credential('["cap:/home/a",2]')), undefined);
  assertStrictEquals(await sessions.find(id, credential("")), undefined);
  const [payload = "", tag = ""] = id.split(".");
  for (
    const other of [
      "",
      ".",
      payload,
      `${payload}.`,
      `.${tag}`,
      `${id}.`,
      `${id}x`,
      `x${id}`,
      `${payload.slice(1)}.${tag}`,
      id.toUpperCase(),
      "x".repeat(100_000),
      "%00",
    ]
  ) {
    assertStrictEquals(
      await sessions.find(other, credential('["cap:/home/a",1]')),
      undefined,
      other,
    );
  }
});

Deno.test("find() refuses a session that has ended, or is older than its lifetime", async () => {
  const fixture = new Fixture();
  const { id } = await fixture.open();
  fixture.now += SESSION_LIFETIME_MS;
  assert(await fixture.sessions.find(id, credential("T2")) !== undefined);
  fixture.now++;
  assertStrictEquals(await fixture.sessions.find(id, credential("T2")), undefined);
  const { id: other } = await fixture.open();
  fixture.sessions.end(other);
  assertStrictEquals(await fixture.sessions.find(other, credential("T2")), undefined);
});

Deno.test("keep() gives up the caller's least recently used session beyond its limit", async () => {
  const fixture = new Fixture();
  const { sessions } = fixture;
  const opened: Session[] = [];
  for (let i = 0; i < MAX_SESSIONS_PER_CALLER; i++) {
    fixture.now++;
    const session = await fixture.open();
    opened.push(session);
    assert(sessions.keep(session) !== undefined);
  }
  const [first, second] = opened;
  if (first === undefined || second === undefined) throw new Error("no sessions");
  fixture.now++;
  assert(await sessions.find(first.id, credential("T2")) !== undefined); // used again
  assert(sessions.keep(await fixture.open()) !== undefined);
  assertEquals(sessions.size, MAX_SESSIONS_PER_CALLER);
  assert(sessions.subscriptions(first.id) !== undefined);
  assertStrictEquals(sessions.subscriptions(second.id), undefined);
});

Deno.test("keep() refuses a session if all others of the caller have open streams", async () => {
  const fixture = new Fixture();
  for (let i = 0; i < MAX_SESSIONS_PER_CALLER; i++) {
    const kept = fixture.sessions.keep(await fixture.open());
    if (kept !== undefined) kept.stream = { wake: () => {}, close: () => {} };
  }
  assertStrictEquals(fixture.sessions.keep(await fixture.open()), undefined);
  assert(fixture.sessions.keep(await fixture.open("T3")) !== undefined);
});

Deno.test("keep() counts the sessions of one client together, under any number of names", async () => {
  const fixture = new Fixture();
  for (let i = 0; i < MAX_SESSIONS_PER_CALLER * 2; i++) {
    fixture.sessions.keep(await fixture.open(`cap:/home/a#x/${i}`, "cap:1700-a"));
  }
  assertStrictEquals(fixture.sessions.size, MAX_SESSIONS_PER_CALLER);
});

Deno.test("keep() keeps as many sessions as the limit allows, and drops idle ones", async () => {
  const fixture = new Fixture();
  for (let i = 0; i < MAX_SESSIONS; i++) {
    assert(fixture.sessions.keep(await fixture.open(`cap:/home/${i >> 3}`)) !== undefined);
  }
  assertStrictEquals(fixture.sessions.keep(await fixture.open("T2")), undefined);
  fixture.now += SESSION_IDLE_MS + 1;
  assert(fixture.sessions.keep(await fixture.open("T2")) !== undefined);
  assertStrictEquals(fixture.sessions.size, 1);
});

Deno.test("release() forgets a session without subscriptions, whose id stays valid", async () => {
  const fixture = new Fixture();
  const session = await fixture.open();
  const kept = fixture.sessions.keep(session);
  kept?.uris.set("home/x", "elastik:///home/x");
  fixture.sessions.release(session.id);
  assertStrictEquals(fixture.sessions.size, 1);
  kept?.uris.clear();
  fixture.sessions.release(session.id);
  assertStrictEquals(fixture.sessions.size, 0);
  assert(await fixture.sessions.find(session.id, credential("T2")) !== undefined);
});

Deno.test("end() closes the stream of the session, and remembers a limited number of ids", async () => {
  const fixture = new Fixture();
  const session = await fixture.open();
  const kept = fixture.sessions.keep(session);
  let isClosed = false;
  if (kept !== undefined) kept.stream = { wake: () => {}, close: () => void (isClosed = true) };
  fixture.sessions.end(session.id);
  assertEquals([isClosed, fixture.sessions.size], [true, 0]);
  for (let i = 0; i < MAX_ENDED_SESSIONS; i++) {
    assertStrictEquals(await fixture.sessions.find(session.id, credential("T2")), undefined);
    fixture.sessions.end(`other ${i}`);
    if (i < MAX_ENDED_SESSIONS - 1) continue;
    // The oldest id is forgotten: the session holds nothing any more.
    assert(await fixture.sessions.find(session.id, credential("T2")) !== undefined);
  }
});
