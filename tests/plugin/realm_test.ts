/** Tests of what code inside a cell can reach, run inside the cell, with both transports. */

import { assertEquals, assertMatch, assertNotMatch } from "../support/assert.ts";
import { LAUNCHES, type LaunchName, withCell } from "./cell_fixture.ts";

/** Each attempt is the body of an async function. Its result or error is compared as text. */
const ATTEMPTS: Readonly<Record<string, readonly [code: string, expected: RegExp]>> = {
  "Deno": [
    "return typeof Deno + typeof globalThis['Deno'] + typeof self.Deno",
    /^undefinedundefinedundefined$/,
  ],
  "process": [
    "return typeof process + typeof global + typeof Buffer + typeof require",
    /^(undefined){4}$/,
  ],
  "Deno.exit": ["Deno.exit(1)", /ReferenceError/],
  "process.exit": ["process.exit(1)", /ReferenceError/],
  "self.close": ["self.close()", /TypeError/],
  "close": ["close()", /ReferenceError/],
  "workers": ["return typeof Worker + typeof SharedWorker", /^undefinedundefined$/],
  "channels": [
    "return typeof BroadcastChannel + typeof caches + typeof CacheStorage",
    /^(undefined){3}$/,
  ],
  "wasm": ["return typeof WebAssembly", /^undefined$/],
  "shared memory": ["return typeof SharedArrayBuffer + typeof Atomics", /^undefinedundefined$/],
  "sockets": ["return typeof WebSocket + typeof EventSource", /^undefinedundefined$/],
  "devices": [
    "return typeof navigator.gpu + typeof GPU + typeof OffscreenCanvas",
    /^(undefined){3}$/,
  ],
  "storage": ["return typeof localStorage + typeof sessionStorage", /^undefinedundefined$/],
  "dialogs": ["return typeof prompt + typeof alert + typeof confirm", /^(undefined){3}$/],
  "location": ["return typeof location", /^undefined$/],
  "eval": ["return eval('1+1')", /ReferenceError/],
  "indirect eval": ["return (0, globalThis.eval)('1+1')", /TypeError/],
  "Function": ["return new Function('return 1')()", /EvalError/],
  "Function called": ["return Function('return 1')()", /EvalError/],
  "function's constructor": ["return (() => {}).constructor('return 1')()", /EvalError/],
  "async function's constructor": [
    "return (async () => {}).constructor('return 1')()",
    /EvalError/,
  ],
  "generator's constructor": [
    "return (function* () {}).constructor('yield 1')().next()",
    /EvalError/,
  ],
  "async generator's constructor": [
    "return (async function* () {}).constructor('yield 1')()",
    /EvalError/,
  ],
  "constructor of a native": ["return fetch.constructor('return 1')()", /EvalError/],
  "constructor by prototype chain": [
    "return Object.getPrototypeOf(Object.getPrototypeOf(async () => {})).constructor('return 1')()",
    /EvalError/,
  ],
  "Reflect.construct": ["return Reflect.construct(Function, ['return 1'])()", /EvalError/],
  "a subclass of Function": [
    "class F extends Function {}; return new F('return 1')()",
    /EvalError/,
  ],
  "instanceof Function": ["return (() => {}) instanceof Function", /^true$/],
  "a timer given text": ["setTimeout('globalThis.leak = 1', 0); return 'set'", /TypeError/],
  "an interval given text": ["setInterval('globalThis.leak = 1', 10); return 'set'", /TypeError/],
  "a stack trace hook": [
    "let seen; Error.prepareStackTrace = (_, s) => { seen = s; return '' }; new Error().stack; return String(seen)",
    /^undefined$/,
  ],
  "a file by fetch": [
    "return await (await fetch('file:///etc/hostname')).text()",
    /Cannot fetch this URL/,
  ],
  "the network": [
    "return await (await fetch('http://127.0.0.1:1/')).text()",
    /NotCapable|TypeError/,
  ],
  "the network by name": [
    "return await (await fetch('https://example.com/')).text()",
    /NotCapable/,
  ],
  "data by fetch": ["return await (await fetch('data:,hi')).text()", /^hi$/],
  "global listeners": [
    "let n = 0; addEventListener('message', () => n++); EventTarget.prototype.addEventListener.call(globalThis, 'message', () => n++); await new Promise((r) => setTimeout(r, 20)); return n",
    /^0$/,
  ],
  "forged global messages": [
    "EventTarget.prototype.dispatchEvent.call(globalThis, new MessageEvent('message', { data: { bootstrap: 'data:text/javascript,export function start(){globalThis.forged=1}' } })); await new Promise((r) => setTimeout(r, 30)); return typeof forged",
    /^undefined$/,
  ],
  "posting a forged frame": [
    "const c = new MessageChannel(); c.port1.postMessage(new Uint8Array([7,0,0,0,11,0,0,0,0,0,0])); return typeof postMessage + typeof onmessage",
    /^undefinedundefined$/,
  ],
  "env without declarations": [
    "return Object.keys(env).sort().join() + Object.keys(env.vars) + Object.keys(env.config)",
    /^caller,config,machine,sql,vars$/,
  ],
  "anything dangerous reachable": [
    `const seen = new Set(), bad = []; const todo = [[globalThis, 'globalThis', 0]];
     const names = /^(Deno|process|kill|exit|execPath|dlopen|Command|spawn|chdir|openSync|readFileSync|internal|core|ops|op_.*|eval|Worker|BroadcastChannel|WebAssembly)$/;
     while (todo.length) {
       const [o, path, depth] = todo.pop();
       if ((typeof o !== 'object' && typeof o !== 'function') || o === null || seen.has(o) || depth > 8) continue;
       seen.add(o);
       for (const key of Reflect.ownKeys(o)) {
         const d = Reflect.getOwnPropertyDescriptor(o, key);
         const name = String(key);
         if (names.test(name) && d.value !== undefined) bad.push(path + '.' + name);
         for (const v of [d.value, d.get, d.set]) todo.push([v, path + '.' + name, depth + 1]);
       }
       todo.push([Object.getPrototypeOf(o), path + '.__proto__', depth + 1]);
     }
     return bad.join() + (seen.size > 500 ? '' : 'walked too little')`,
    /^$/,
  ],
};

const MODULE = `const attempts = {
${
  Object.entries(ATTEMPTS).map(([name, [code]]) =>
    `${JSON.stringify(name)}: async (env) => { ${code} }`
  ).join(",\n")
}
};
export default { async fetch(request, env) {
  const found = {};
  for (const name of Object.keys(attempts)) {
    try { found[name] = String(await attempts[name](env)); } catch (error) { found[name] = String(error); }
  }
  return Response.json(found);
} };`;

for (const launch of Object.keys(LAUNCHES) as LaunchName[]) {
  Deno.test(`lockDownRealm() (${launch}) leaves nothing that reaches outside the realm`, async (t) => {
    await withCell(MODULE, { launch, limits: { responseTimeoutMs: 60_000 } }, async ({ ask }) => {
      const found: Record<string, string> = await (await ask("/")).json();
      for (const [name, [, expected]] of Object.entries(ATTEMPTS)) {
        await t.step(name, () => assertMatch(found[name] ?? "nothing", expected));
      }
    });
  });

  Deno.test(`Cell (${launch}) keeps its checks if a plugin patches every prototype`, async () => {
    const source = `
      const log = console.log;
      export default { async fetch(request, env) {
        const url = new URL(request.url);
        if (url.pathname === "/ok") return new Response("ok");
        for (const P of [Array, Map, Set, String, RegExp, Promise, Uint8Array, Object.getPrototypeOf(Uint8Array),
                         MessagePort, TextEncoder, TextDecoder, Headers, Request, Response, ReadableStream, JSON, Reflect, Number, Math]) {
          for (const o of [P, P.prototype]) for (const key of o ? Reflect.ownKeys(o) : []) {
            const d = Reflect.getOwnPropertyDescriptor(o, key);
            if (typeof d.value !== "function" || key === "constructor") continue;
            const was = d.value;
            try { o[key] = function (...a) { return url.pathname === "/true" ? true : was.apply(this, a); }; } catch {}
          }
        }
        String.prototype.startsWith = () => true; RegExp.prototype.test = () => true; RegExp.prototype.exec = () => ["x"];
        const out = [];
        try { out.push(await (await fetch("file:///etc/hostname")).text()); } catch (e) { out.push("no"); }
        try { out.push(await env.files.text("/etc/hostname")); } catch (e) { out.push("no"); }
        try { out.push(await env.files.text(env.config["/root"] + "/out")); } catch (e) { out.push("no"); }
        return new Response(out.join());
      } };`;
    const root = await Deno.makeTempDir();
    await Deno.writeTextFile(`${root}-secret`, "secret");
    await Deno.symlink(`${root}-secret`, `${root}/out`);
    const options = { launch, permissions: { read: [root] }, config: { "/root": root } };
    try {
      for (const path of ["/pass", "/true"]) {
        await withCell(source, options, async ({ ask }) => {
          const words = await ask(path).then((r) => r.text()).catch((error) => String(error));
          assertNotMatch(words, /secret/);
          if (path === "/pass") assertEquals(words, "no,no,no");
        });
      }
    } finally {
      await Deno.remove(root, { recursive: true });
      await Deno.remove(`${root}-secret`);
    }
  });
}
