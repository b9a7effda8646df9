/** A plugin that tries to leave its sandbox. Not a test itself. */

import { assertMatch } from "../../support/assert.ts";
import { type Attack, attack } from "./attack.ts";

/** Bodies of async functions; what they return or throw is compared as text. */
const ATTEMPTS: Readonly<Record<string, readonly [code: string, expected: RegExp]>> = {
  "Deno.exit": ["Deno.exit(1)", /ReferenceError/],
  "globalThis.Deno": ["globalThis.Deno.exit(1)", /TypeError/],
  "process.exit": ["process.exit(1)", /ReferenceError/],
  "self.close": ["self.close()", /TypeError/],
  "a file": ["return Deno.readTextFileSync('/etc/hostname')", /ReferenceError/],
  "a file by fetch": ["return (await fetch('file:///etc/hostname')).text()", /Cannot fetch/],
  "a file by env": ["return env.files.text('/etc/hostname')", /TypeError/],
  "the environment": ["return Deno.env.get('HOME')", /ReferenceError/],
  "the environment by env": ["return JSON.stringify(env.vars)", /^\{\}$/],
  "the network": ["return (await fetch('http://127.0.0.1:1/')).status", /NotCapable|Error/],
  "the machine from outside": [
    "return (await fetch(new URL('/proc/version', request.url))).status",
    /NotCapable|Error/,
  ],
  "a host": ["return (await fetch('https://example.com/')).status", /NotCapable/],
  "a socket": ["return new WebSocket('ws://127.0.0.1:1/')", /ReferenceError/],
  "a program": ["return new Deno.Command('id').outputSync()", /ReferenceError/],
  "a library": ["return Deno.dlopen('libc.so.6', {})", /ReferenceError/],
  "require": ["return require('fs')", /ReferenceError/],
  "a module loader": ["return process.getBuiltinModule('fs')", /ReferenceError/],
  "eval": ["return (0, globalThis.eval)(\"import('node:fs')\")", /TypeError/],
  "Function": ["return Function(\"return import('node:fs')\")()", /EvalError/],
  "AsyncFunction": [
    "return (async () => {}).constructor(\"return await import('node:fs')\")()",
    /EvalError/,
  ],
  "a generator's constructor": [
    "return (function* () {}).constructor(\"yield import('node:fs')\")().next()",
    /EvalError/,
  ],
  "a constructor by prototypes": [
    "return Object.getPrototypeOf(Object.getPrototypeOf(async () => {})).constructor('1')()",
    /EvalError/,
  ],
  "a constructor of an error's stack": [
    "try { null.x } catch (e) { return e.constructor.constructor('return globalThis.Deno')() }",
    /EvalError/,
  ],
  "a timer's text": ["setTimeout(\"import('node:fs')\", 0)", /TypeError/],
  "a Worker of data": ["return new Worker('data:text/javascript,1')", /ReferenceError/],
  "a Worker of a blob": [
    "return new Worker(URL.createObjectURL(new Blob(['1'])))",
    /ReferenceError/,
  ],
  "WebAssembly": ["return WebAssembly.compile(new Uint8Array(8))", /ReferenceError/],
  "shared memory": ["return new SharedArrayBuffer(8)", /ReferenceError/],
  "other cells": ["return new BroadcastChannel('x')", /ReferenceError/],
  "a cache": ["return caches.open('x')", /ReferenceError/],
  "storage": ["return localStorage.x", /ReferenceError/],
  "the caller's secret": [
    "return String(request.headers.get('authorization'))",
    /^null$/,
  ],
  "a shadow realm": ["return new ShadowRealm()", /ReferenceError/],
  "a message to another context": ["postMessage('x'); return 1", /ReferenceError/],
  "a port of the bootstrap": [
    `const seen = [];
     Object.defineProperty(Object.prototype, 'port', { set(v) { seen.push(v) }, configurable: true });
     const c = new MessageChannel(); c.port1.onmessage = (e) => seen.push(e.target === c.port1);
     c.port2.postMessage(1); await new Promise((r) => setTimeout(r, 20));
     delete Object.prototype.port; c.port1.close(); return seen.join()`,
    /^true$/,
  ],
};

const CODE = `const attempts = {
${
  Object.entries(ATTEMPTS).map(([name, [code]]) =>
    `${JSON.stringify(name)}: async () => { ${code} }`
  ).join(",\n")
}
};
const found = {};
for (const name of Object.keys(attempts)) {
  try { found[name] = String(await attempts[name]()); } catch (error) { found[name] = String(error); }
}
return Response.json(found);`;

/** The attack. */
export const ESCAPES: readonly Attack[] = [
  attack("escape", CODE, {
    status: [200],
    cellEnds: false,
    check: async (server) => {
      const { text } = await server.ask("GET", "/hostile/escape", "t3");
      const found: Record<string, string> = JSON.parse(text);
      for (const [name, [, expected]] of Object.entries(ATTEMPTS)) {
        assertMatch(found[name] ?? "nothing", expected, name);
      }
    },
  }),
];
