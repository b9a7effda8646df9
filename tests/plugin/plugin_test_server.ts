/** Shared by the tests of plugins on a whole server: start, store, approve and read the state. */

import { assertEquals } from "../support/assert.ts";
import { setTimeout as delay } from "node:timers/promises";
import { APPROVE, bearer, type TestServer, withServer } from "../support/test_server.ts";
import type { Reply } from "../support/wire.ts";

/** Settings for short tests. */
export const QUICK = { ELASTIK_WRITERS: "1", ELASTIK_SYNC: "normal" } as const;

/** Runs a test on its own server with {@link QUICK}. */
export function withPlugins(
  test: (server: TestServer) => Promise<void>,
  atOneNode?: string,
): Promise<void> {
  return withServer({ env: QUICK, ...(atOneNode === undefined ? {} : { atOneNode }) }, test);
}

/** Returns the source of a plugin with these exports and this body of `fetch`. */
export function plugin(manifest: Readonly<Record<string, unknown>>, body: string): string {
  const fields = Object.entries({ routes: ["/p"], ...manifest });
  const exports = fields.map(([name, value]) => `export const ${name} = ${JSON.stringify(value)};`);
  return `${exports.join("\n")}
export default { async fetch(request, env, ctx) { const url = new URL(request.url); ${body} } };\n`;
}

/** Stores a source as a loopback caller, which has tier T2. */
export async function store(server: TestServer, name: string, source: string): Promise<Reply> {
  const reply = await server.send({ method: "PUT", target: `/lib/${name}`, body: source });
  assertEquals(reply.status === 200 || reply.status === 201, true, reply.text);
  return reply;
}

/** Sets a plugin's state as T3. */
export function setState(
  server: TestServer,
  name: string,
  state: string,
  headers: Record<string, string> = {},
): Promise<Reply> {
  return server.send({
    method: "PUT",
    target: `/lib/${name}/state`,
    headers: { ...bearer(APPROVE), ...headers },
    body: state,
  });
}

/** Stores and approves a source. */
export async function install(server: TestServer, name: string, source: string): Promise<Reply> {
  await store(server, name, source);
  const reply = await setState(server, name, "active");
  assertEquals(reply.status, 200, reply.text);
  return reply;
}

/** Sends a GET without a credential. */
export function get(
  server: TestServer,
  target: string,
  headers: Record<string, string> = {},
): Promise<Reply> {
  return server.send({ method: "GET", target, headers });
}

/** Converts a JSON object to a record; throws for another value. */
export function record(value: unknown): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new TypeError(`expected an object, got ${JSON.stringify(value)}`);
  }
  return Object.fromEntries(Object.entries(value));
}

/** Reads the state of a plugin as T3. */
export async function stateOf(
  server: TestServer,
  name: string,
): Promise<Record<string, unknown>> {
  const reply = await server.approve("GET", `/lib/${name}/state`);
  assertEquals(reply.status, 200, reply.text);
  return record(JSON.parse(reply.text));
}

/** Reads the events of a plugin's world, oldest first. */
export async function eventsOf(
  server: TestServer,
  name: string,
): Promise<{ type: string; payload: Record<string, unknown> }[]> {
  const reply = await server.approve("GET", `/proc/log/lib/${name}?limit=1000`);
  const events: unknown = JSON.parse(reply.text);
  if (!Array.isArray(events)) throw new TypeError(reply.text);
  return events.reverse().map((event: unknown) => {
    const { type, payload } = record(event);
    return { type: String(type), payload: record(payload) };
  });
}

/**
 * Repeats a request until it returns a value that is not false. The pause between two requests leaves the processor to
 * the plugin that the test waits for.
 *
 * @throws {Error} if it returns no such value for a minute
 */
export async function eventually<T>(
  look: () => Promise<T | false | undefined>,
  what: string,
): Promise<T> {
  // Some tests share two processors with several others.
  const end = performance.now() + 60_000;
  for (let pause = 2;; pause = Math.min(pause + 2, 20)) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    if (performance.now() > end) throw new Error(`Expected within a minute: ${what}`);
    await delay(pause);
  }
}
