/**
 * Plugins that control the connection to the host: they patch functions that the bootstrap calls and
 * replace outgoing frames with their own. The host must handle every forged frame. Not a test itself.
 */

import { VERB } from "../../../lib/plugin/wire/frames.ts";
import { assert, assertEquals, assertMatch } from "../../support/assert.ts";
import { type Attack, attack, type Outcome } from "./attack.ts";
import { assertProblem } from "./attacked_server.ts";

/**
 * Makes frames as `lib/plugin/wire/frames.ts` does, and sends `next` in place of the true frames. Only
 * replies to heartbeats stay: without one the host would end the cell, whatever the attack is.
 */
const TOP = `
const proto = Object.getPrototypeOf(Uint8Array.prototype), slice = proto.slice;
const text = (s) => new TextEncoder().encode(s);
const join = (parts) => {
  const all = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const p of parts) { all.set(p, at); at += p.length; }
  return all;
};
const u32 = (n) => new Uint8Array([n, n >>> 8, n >>> 16, n >>> 24]);
const frame = (verb, side, id, payload = new Uint8Array(0)) =>
  join([u32(6 + payload.length), new Uint8Array([verb, side]), u32(id), payload]);
const head = (verb, side, id, value, body = "") =>
  frame(verb, side, id, join([u32(text(JSON.stringify(value)).length), text(JSON.stringify(value)), text(body)]));
let next, heard = [], used = 0;
const pongsIn = (bytes) => {
  const found = [];
  for (let at = 0; at + 10 <= bytes.length;) {
    const end = at + 4 + (bytes[at] | bytes[at + 1] << 8 | bytes[at + 2] << 16);
    if (bytes[at + 4] === ${VERB.PONG}) found.push(slice.call(bytes, at, end));
    at = end;
  }
  return found;
};
proto.slice = function (...range) {
  const made = slice.apply(this, range);
  // A frame that is sent whole begins with its length; only the buffer of the bootstrap is this long.
  if (next && this.length >= 16384 && range[0] === 0) { const forged = join([...pongsIn(made), next]); next = undefined; used++; return forged; }
  return made;
};
let going;
// Any call that makes the bootstrap send a frame.
const wire = async (bytes) => {
  next = bytes;
  going.waitUntil(null);
  for (let i = 0; next && i < 200; i++) await new Promise((r) => setTimeout(r, 2));
};
`;

/** The host ends the cell and answers with a problem. */
const PROTOCOL_ERROR = { status: [502], cellEnds: true };
/** The response has begun, so the connection to the caller is closed. */
const BROKEN = { status: [0], cellEnds: true };
const AFTER_RESPONSE = ["answer-twice", "credit-past"];
const WAIT = "await new Promise(() => {});";

/** Forged frames, by what is wrong. */
const FORGED_FRAMES: Readonly<Record<string, string>> = {
  "frame-long": "join([u32(0xffffffff), new Uint8Array(64)])",
  "frame-short": "join([u32(2), new Uint8Array(64)])",
  "frame-verb": "frame(99, 1, 1)",
  "frame-side": "frame(2, 7, 1)",
  "frame-head": "frame(2, 0, id, join([u32(0xffffff), text('[]')]))",
  "frame-json": "head(2, 0, id, { status: 200 })",
  "answer-unrequested": "head(2, 0, 4000000000, [200, '', [], 0], 'forged')",
  "answer-twice":
    "join([head(2, 0, id, [200, '', [], 1], ''), head(2, 0, id, [200, '', [], 1], '')])",
  "answer-status": "head(2, 0, id, [101, '', [], 0], '')",
  "answer-header": "head(2, 0, id, [200, '', ['x-a', 'a\\u0001b'], 0], '')",
  "answer-split": "head(2, 0, id, [200, '', ['x-a', 'a\\r\\nset-cookie: b'], 0], '')",
  "answer-name": "head(2, 0, id, [200, '', ['x a', 'b'], 0], '')",
  "credit-past":
    "join([head(2, 0, id, [200, '', [], 1], ''), ...Array.from({ length: 8 }, () => frame(3, 0, id, new Uint8Array(65536)))])",
  "open-many":
    "join(Array.from({ length: 5000 }, (_, i) => head(1, 1, i + 1, ['GET', '/home/x', [], 0, ['machine', 0]])))",
  "open-twice": "join([1, 1].map((n) => head(1, 1, n, ['PUT', '/home/x', [], 3, ['machine', 0]])))",
  "log-many": "join(Array.from({ length: 5000 }, () => frame(13, 1, 0, text('forged line'))))",
};

/** Creates an attack that can replace frames. */
function forge(name: string, statements: string, { top = "", ...outcome }: Outcome): Attack {
  return attack(name, `going = ctx; ${statements}`, { ...outcome, top: TOP + top });
}

/** The attacks with forged frames. */
export const FORGERIES: readonly Attack[] = [
  ...Object.entries(FORGED_FRAMES).map(([name, frame]) =>
    // Request ids are small and ascending, so a plugin can guess them.
    forge(
      name,
      `for (let id = 1; id < 40; id++) await wire(${frame}); ${WAIT}`,
      AFTER_RESPONSE.includes(name) ? BROKEN : PROTOCOL_ERROR,
    )
  ),
  forge(
    "idle-flood",
    `for (;;) await wire(join(Array(200000).fill(frame(10, 0, 7)))); ${WAIT}`,
    PROTOCOL_ERROR,
  ),
  forge(
    "credit-forever",
    // Credit for a body that was not sent must not extend the deadline.
    `for (;;) await wire(join([frame(6, 0, 1, u32(1)), frame(6, 0, 2, u32(1))]));`,
    { status: [504], isLate: true },
  ),
  forge(
    "other-answer",
    `if (pathname.endsWith("/waiting")) { await new Promise((r) => setTimeout(r, 300)); return new Response("truth"); }
    for (let id = 1; id < 60; id++) await wire(head(2, 0, id, [200, "", [], 0], "forged for " + id));
    return new Response("forged " + used);`,
    {
      check: async (server) => {
        // Other plugins have their own request ids, so a forged response does not reach them.
        await server.install("bystander", bystander);
        const responses = Array.from({ length: 20 }, () => server.ask("GET", "/hostile/bystander"));
        const own = server.ask("GET", "/hostile/other-answer");
        for (const answer of await Promise.all(responses)) assertEquals(answer.text, "truth");
        const { status } = await own;
        assert(status === 200 || status === 502, String(status));
        await server.ask("PUT", "/lib/bystander/state", "t3", "disabled");
      },
    },
  ),
  forge(
    "deputy",
    `if (pathname.endsWith("/arm")) { kept = env.caller; return new Response("armed as " + env.caller.tier); }
    const found = [];
    const put = { method: "PUT", body: "owned" };
    try { found.push((await kept.fetch("/etc/owned", put)).status); } catch (error) { found.push(String(error)); }
    // The same with forged frames, for every request id so far.
    for (let id = 1; id < 60; id++) {
      await wire(head(1, 1, 9000 + id, ["PUT", "/etc/owned", [], 1, ["caller", id]], "owned"));
    }
    await wire(head(1, 1, 9900, ["PUT", "/etc/owned", ["authorization", "Bearer x"], 1, ["machine", 0]], "owned"));
    await wire(head(1, 1, 9901, ["PUT", "/etc/owned", [], 1, ["host", 0]], "owned"));
    return new Response(found.join());`,
    {
      top: "let kept;",
      cellEnds: false,
      check: async (server) => {
        const armed = await server.ask("GET", "/hostile/deputy/arm", "t3");
        assertEquals(armed.text, "armed as T3");
        const { text } = await server.ask("GET", "/hostile/deputy");
        assertMatch(text, /env\.caller ends with it/);
        assertEquals((await server.ask("GET", "/etc/owned", "t3")).status, 404);
      },
    },
  ),
  forge("circuit", `for (;;) await wire(frame(99, 1, 1));`, {
    check: async (server) => {
      // After three crashes in a row the circuit opens, and the state gives the reason.
      for (let n = 0; n < 3; n++) {
        await server.untilServing("circuit");
        assertEquals((await server.ask("GET", "/hostile/circuit")).status, 502);
      }
      const refused = await server.ask("GET", "/hostile/circuit/ok");
      assertEquals(refused.status, 503);
      assertProblem("circuit", refused);
      assert(Number(refused.headers.get("retry-after")) > 30);
      const { state, health } = await server.state("circuit");
      assertEquals([state, health.state], ["active", "circuit-open"]);
      assertMatch(health.reason, /violated the wire protocol/);
      // Activation closes the circuit.
      await server.ask("PUT", "/lib/circuit/state", "t3", "disabled");
      await server.ask("PUT", "/lib/circuit/state", "t3", "active");
    },
  }),
];

const bystander = `export const routes = ["/hostile/bystander"];
export default { fetch: async () => { await new Promise((r) => setTimeout(r, 200)); return new Response("truth"); } };`;

/** Plugins that patch built-in objects before their first request or later. */
export const POLLUTION: readonly Attack[] = [
  attack("pollute", `return new Response("polluted");`, {
    // It can only break its own cell.
    status: [200, 502, 504],
    isLate: true,
    top: `
const { apply } = Reflect;
const targets = [Array, Object, Promise, MessagePort, Uint8Array, Object.getPrototypeOf(Uint8Array), Request, Response,
  Headers, Map, Set, WeakMap, String, RegExp, Number, TextEncoder, TextDecoder, ReadableStream, MessageEvent, EventTarget, JSON, Reflect, Math];
for (const target of targets) for (const o of [target, target.prototype]) {
  if (!o) continue;
  for (const key of Reflect.ownKeys(o)) {
    const d = Object.getOwnPropertyDescriptor(o, key);
    if (!d.configurable || typeof d.value !== "function" || key === "constructor") continue;
    const was = d.value;
    try { Object.defineProperty(o, key, { ...d, value: function (...a) { return apply(was, this, a); } }); } catch {}
  }
}`,
  }),
  attack("pollute-object", "return new Response('polluted');", {
    status: [200, 502, 504],
    isLate: true,
    // The runtime itself fails sooner or later.
    refused: /Cannot activate/,
    top: `
for (const key of ["0", "1", "status", "headers", "body", "note", "by", "tier", "depth", "authority", "streamed", "then", "kind", "url", "method"]) {
  try { Object.defineProperty(Object.prototype, key, { get() { return undefined; }, set() {}, configurable: true }); } catch {}
}`,
  }),
  attack(
    "pollute-later",
    `
    if (pathname.endsWith("/arm")) {
      for (const P of [Array.prototype, Object.getPrototypeOf(Uint8Array.prototype), Promise.prototype, Map.prototype, MessagePort.prototype, Response.prototype, Headers.prototype])
        for (const key of Reflect.ownKeys(P)) try { P[key] = () => { throw new Error("boom"); }; } catch {}
    }
    return new Response("armed");`,
    {
      isLate: true,
      check: async (server) => {
        const answer = await server.ask("GET", "/hostile/pollute-later/arm");
        assert([200, 502, 504].includes(answer.status), answer.text);
        // A cell that cannot answer is ended after a few requests and started again.
        await Promise.all(
          Array.from({ length: 6 }, () => server.ask("GET", "/hostile/pollute-later/ok")),
        );
      },
    },
  ),
];
