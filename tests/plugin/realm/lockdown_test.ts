/** The lockdown cannot be undone, so these tests inspect the realm of a cell. */

import { assertEquals } from "../../support/assert.ts";
import { withCell } from "../cell_fixture.ts";

const SOURCE = `export default { fetch() {
  const names = Reflect.ownKeys(globalThis).filter((key) => typeof key === "string");
  const open = [function () {}, async function () {}, function* () {}, async function* () {}]
    .map((f) => Object.getOwnPropertyDescriptor(Object.getPrototypeOf(f), "constructor"))
    .filter((d) => d.writable || d.configurable || d.value !== Function).length;
  let above = [];
  for (let p = Object.getPrototypeOf(globalThis); p && p !== EventTarget.prototype && p !== Object.prototype; p = Object.getPrototypeOf(p))
    above.push(...Reflect.ownKeys(p).filter((key) => typeof key === "string"));
  const hook = Object.getOwnPropertyDescriptor(Error, "prepareStackTrace");
  return Response.json({ names, open, above, hook: hook.configurable, agent: navigator.userAgent });
} };`;

/** Globals that reach outside the realm, also former names and names of later versions. */
const GONE =
  ("Deno process global Buffer require eval Worker SharedWorker BroadcastChannel caches " +
    "CacheStorage WebAssembly SharedArrayBuffer Atomics WebSocket WebSocketStream EventSource " +
    "localStorage sessionStorage indexedDB prompt alert confirm close postMessage onmessage " +
    "location importScripts ShadowRealm WebTransport GPU OffscreenCanvas setImmediate " +
    "clearImmediate queueMicrotaskNative __bootstrap bootstrap").split(" ");

for (const launch of ["process", "worker"] as const) {
  Deno.test(`lockDownRealm() leaves only the listed globals in a cell (${launch})`, async () => {
    await withCell(SOURCE, { launch }, async ({ text }) => {
      const found = JSON.parse(await text("/"));
      assertEquals(GONE.filter((name) => found.names.includes(name)), []);
      assertEquals([found.open, found.above, found.hook, found.agent], [0, [], false, "elastik"]);
      // A Deno version that adds globals must be noticed here.
      assertEquals(
        found.names.length > 100 && found.names.length < 150,
        true,
        String(found.names.length),
      );
    });
  });
}
