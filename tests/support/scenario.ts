/**
 * Tests of HTTP as tables. A row has a request, the expected response, texts that must not be in it,
 * and exactly the changes and events that the request may cause. A row without `changes` asserts that
 * nothing was stored.
 */

import { assert, assertEquals, assertMatch, assertStrictEquals } from "./assert.ts";
import { APPROVE, bearer, type TestServer } from "./test_server.ts";
import { bytesOf, type Reply } from "./wire.ts";

/** An expected event: its type, or its type and its whole payload. */
export type ExpectedEvent = string | readonly [type: string, payload: unknown];

/** One row. */
export interface Scenario {
  /** The expectation. The name of the step is the request and this text. */
  readonly title: string;
  /** Method and target, exactly as on the wire: `PUT /home/x?ext=md`. */
  readonly send: string;
  /** Headers with the credential or the origin of the caller. */
  readonly as?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  readonly status: number;
  /** Expected response headers; `null` for one that must be absent. */
  readonly has?: Readonly<Record<string, string | RegExp | null>>;
  /** The whole body, or a pattern that it matches. */
  readonly text?: string | RegExp;
  readonly bytes?: Uint8Array;
  /** Properties of the JSON body; others are ignored. */
  readonly json?: unknown;
  /** Texts that neither headers nor body may contain. */
  readonly lacks?: readonly (string | RegExp)[];
  /** The response may contain a secret of the server, because the caller may know it. */
  readonly reveals?: true;
  /**
   * The changed worlds with their new events, oldest first. After a DELETE: `gone`, or `uncovered` if
   * the lower-layer world is visible again.
   */
  readonly changes?: Readonly<Record<string, readonly ExpectedEvent[] | "gone" | "uncovered">>;
}

/** Version, state and layer of each world by its name. */
type WorldStates = ReadonlyMap<string, { readonly mark: string; readonly layer: string }>;

/** Runs the rows in order against one server, each as a step. */
export async function runScenarios(
  t: Deno.TestContext,
  server: TestServer,
  rows: readonly Scenario[],
): Promise<void> {
  const lastEvent = new Map<string, number>();
  let before = await readWorldStates(server);
  for (const name of before.keys()) await newEvents(server, name, lastEvent);
  for (const row of rows) {
    await t.step(`${row.send}: ${row.title}`, async () => {
      const reply = await sendRow(server, row);
      checkReply(reply, row);
      const after = await readWorldStates(server);
      const changes = await compare(server, before, after, lastEvent);
      before = after;
      assertEquals(reduceEvents(changes, row.changes ?? {}), row.changes ?? {});
    });
  }
}

/** Sends a row's request. */
export async function sendRow(server: TestServer, row: Scenario): Promise<Reply> {
  const space = row.send.indexOf(" ");
  return await server.send({
    method: row.send.slice(0, space),
    target: row.send.slice(space + 1),
    headers: { ...row.as, ...row.headers },
    ...(row.body === undefined ? {} : { body: row.body }),
  }, row.reveals);
}

/** Compares a response with the expectations of its row. */
export function checkReply(reply: Reply, row: Scenario): void {
  assertStrictEquals(reply.status, row.status, reply.text.slice(0, 500));
  for (const [name, value] of Object.entries(row.has ?? {})) {
    const found = reply.headers.get(name) ?? null;
    if (value instanceof RegExp) assertMatch(found ?? "", value, name);
    else assertStrictEquals(found, value, name);
  }
  if (row.text instanceof RegExp) assertMatch(reply.text, row.text);
  else if (row.text !== undefined) assertStrictEquals(reply.text, row.text);
  if (row.bytes !== undefined) assertEquals(reply.body, bytesOf(row.bytes));
  if (row.json !== undefined) assertEquals(pick(JSON.parse(reply.text), row.json), row.json);
  for (const lack of row.lacks ?? []) {
    const whole = `${reply.head}\n${reply.text}`;
    assert(
      typeof lack === "string" ? !whole.includes(lack) : !lack.test(whole),
      `the response must not contain ${lack}`,
    );
  }
}

/** Returns the part of a value that the expectation has, so that both can be compared. */
function pick(value: unknown, expected: unknown): unknown {
  if (Array.isArray(value) && Array.isArray(expected)) {
    return value.map((item, i) => pick(item, expected[i]));
  }
  if (!isRecord(value) || !isRecord(expected)) return value;
  return Object.fromEntries(
    Object.keys(expected).map((key) => [key, pick(value[key], expected[key])]),
  );
}

async function readWorldStates(server: TestServer): Promise<WorldStates> {
  const { status, text } = await server.send({
    method: "GET",
    target: "/proc/worlds",
    headers: { ...bearer(APPROVE), accept: "application/json" },
  });
  assertEquals(status, 200, text);
  const states = new Map<string, { mark: string; layer: string }>();
  for (const row of list(JSON.parse(text))) {
    const { name, version, state, layer } = row;
    states.set(String(name), { mark: `${version} ${state} ${layer}`, layer: String(layer) });
  }
  return states;
}

async function compare(
  server: TestServer,
  before: WorldStates,
  after: WorldStates,
  lastEvent: Map<string, number>,
): Promise<Record<string, readonly ExpectedEvent[] | "gone" | "uncovered">> {
  const changes: Record<string, readonly ExpectedEvent[] | "gone" | "uncovered"> = {};
  for (const name of [...new Set([...before.keys(), ...after.keys()])].sort()) {
    const now = after.get(name);
    if (before.get(name)?.mark === now?.mark) continue;
    if (now === undefined || (now.layer === "lower" && before.has(name))) {
      lastEvent.delete(name);
      changes[name] = now === undefined ? "gone" : "uncovered";
    } else changes[name] = await newEvents(server, name, lastEvent);
  }
  return changes;
}

async function newEvents(server: TestServer, name: string, lastEvent: Map<string, number>) {
  const path = name.split("/").map(encodeURIComponent).join("/");
  const { text } = await server.approve("GET", `/proc/log/${path}?limit=1000`);
  const rows = list(JSON.parse(text));
  const newRows = rows.filter(({ id }) => Number(id) > (lastEvent.get(name) ?? 0));
  lastEvent.set(name, Number(rows[0]?.id ?? 0));
  return newRows.reverse().map(({ type, payload }): ExpectedEvent => [String(type), payload]);
}

/** Reduces events to their types where the row expects only a type. */
function reduceEvents(
  changes: Record<string, readonly ExpectedEvent[] | "gone" | "uncovered">,
  expected: NonNullable<Scenario["changes"]>,
): Record<string, readonly ExpectedEvent[] | "gone" | "uncovered"> {
  return Object.fromEntries(
    Object.entries(changes).map(([name, events]) => {
      const expectedEvents = expected[name];
      if (typeof events === "string") return [name, events];
      return [
        name,
        events.map((event, i) =>
          typeof expectedEvents?.[i] === "object" ? event : String(event[0])
        ),
      ];
    }),
  );
}

function list(value: unknown): Record<string, unknown>[] {
  assert(Array.isArray(value));
  return value.filter(isRecord);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
