/**
 * Tests of HTTP as tables: a row says who sends what, what comes back, what must not, and which
 * events the machine wrote because of it, no more and no less. A row that names no change proves that
 * nothing was stored.
 */

import { deepStrictEqual, equal, match, ok } from "node:assert/strict";
import { APPROVE, bearer, type TestServer } from "./test_server.ts";
import { bytesOf, type Reply } from "./wire.ts";

/** An event: its type, or its type and its whole payload. */
export type Expected = string | readonly [type: string, payload: unknown];

/** One row. */
export interface Scenario {
  /** What the row shows, as a sentence. */
  readonly title: string;
  /** Method and target, exactly as on the wire: `PUT /home/x?ext=md`. */
  readonly send: string;
  /** Headers that say who sends it. */
  readonly as?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  readonly status: number;
  /** Response headers; `null` stands for one that must not be there. */
  readonly has?: Readonly<Record<string, string | RegExp | null>>;
  /** The whole body, or a pattern it matches. */
  readonly text?: string | RegExp;
  readonly bytes?: Uint8Array;
  /** Properties of the JSON body. */
  readonly json?: unknown;
  /** What neither headers nor body may hold. */
  readonly lacks?: readonly (string | RegExp)[];
  /** The answer may hold a secret: its receiver is entitled to it. */
  readonly reveals?: true;
  /** Worlds that changed and the events of it, oldest first; `gone` and `uncovered` by a DELETE. */
  readonly changes?: Readonly<Record<string, readonly Expected[] | "gone" | "uncovered">>;
}

type Seen = ReadonlyMap<string, { readonly mark: string; readonly layer: string }>;

/** Runs the rows in order against one machine, each as a step. */
export async function runScenarios(
  t: Deno.TestContext,
  server: TestServer,
  rows: readonly Scenario[],
): Promise<void> {
  const lastEvent = new Map<string, number>();
  let before = await look(server);
  for (const name of before.keys()) await newEvents(server, name, lastEvent);
  for (const row of rows) {
    await t.step(`${row.send}: ${row.title}`, async () => {
      const reply = await sendRow(server, row);
      checkReply(reply, row);
      const after = await look(server);
      const changes = await compare(server, before, after, lastEvent);
      before = after;
      deepStrictEqual(summary(changes, row.changes ?? {}), row.changes ?? {});
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

/** Compares an answer with what its row says. */
export function checkReply(reply: Reply, row: Scenario): void {
  equal(reply.status, row.status, reply.text.slice(0, 500));
  for (const [name, value] of Object.entries(row.has ?? {})) {
    const found = reply.headers.get(name) ?? null;
    if (value instanceof RegExp) match(found ?? "", value, name);
    else equal(found, value, name);
  }
  if (row.text instanceof RegExp) match(reply.text, row.text);
  else if (row.text !== undefined) equal(reply.text, row.text);
  if (row.bytes !== undefined) deepStrictEqual(reply.body, bytesOf(row.bytes));
  if (row.json !== undefined) deepStrictEqual(pick(JSON.parse(reply.text), row.json), row.json);
  for (const lack of row.lacks ?? []) {
    const whole = `${reply.head}\n${reply.text}`;
    ok(typeof lack === "string" ? !whole.includes(lack) : !lack.test(whole), `it holds ${lack}`);
  }
}

/** As much of a value as an expectation mentions. */
function pick(value: unknown, expected: unknown): unknown {
  if (Array.isArray(value) && Array.isArray(expected)) {
    return value.map((item, i) => pick(item, expected[i]));
  }
  if (!isRecord(value) || !isRecord(expected)) return value;
  return Object.fromEntries(
    Object.keys(expected).map((key) => [key, pick(value[key], expected[key])]),
  );
}

async function look(server: TestServer): Promise<Seen> {
  const { status, text } = await server.send({
    method: "GET",
    target: "/proc/worlds",
    headers: { ...bearer(APPROVE), accept: "application/json" },
  });
  equal(status, 200, text);
  const seen = new Map<string, { mark: string; layer: string }>();
  for (const row of list(JSON.parse(text))) {
    const { name, version, state, layer } = row;
    seen.set(String(name), { mark: `${version} ${state} ${layer}`, layer: String(layer) });
  }
  return seen;
}

async function compare(
  server: TestServer,
  before: Seen,
  after: Seen,
  lastEvent: Map<string, number>,
): Promise<Record<string, readonly Expected[] | "gone" | "uncovered">> {
  const changes: Record<string, readonly Expected[] | "gone" | "uncovered"> = {};
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
  const fresh = rows.filter(({ id }) => Number(id) > (lastEvent.get(name) ?? 0));
  lastEvent.set(name, Number(rows[0]?.id ?? 0));
  return fresh.reverse().map(({ type, payload }): Expected => [String(type), payload]);
}

/** Events in the detail the row gives them. */
function summary(
  changes: Record<string, readonly Expected[] | "gone" | "uncovered">,
  expected: NonNullable<Scenario["changes"]>,
): Record<string, readonly Expected[] | "gone" | "uncovered"> {
  return Object.fromEntries(
    Object.entries(changes).map(([name, events]) => {
      const told = expected[name];
      if (typeof events === "string") return [name, events];
      return [
        name,
        events.map((event, i) => typeof told?.[i] === "object" ? event : String(event[0])),
      ];
    }),
  );
}

function list(value: unknown): Record<string, unknown>[] {
  ok(Array.isArray(value));
  return value.filter(isRecord);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
