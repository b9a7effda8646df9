import { deepStrictEqual, equal, match, ok } from "node:assert/strict";
import type { PluginMatch, PluginRoute, PluginRoutes } from "../../lib/request/plugin_routes.ts";
import { CORE_ROUTES } from "../../lib/request/core_routes.ts";
import { withApp } from "../support/app.ts";
import { APPROVE, bearer, CLOSED, TOKEN, withMachine } from "../support/machine.ts";
import { runScenarios, type Scenario } from "../support/scenario.ts";

const CHROME = { accept: "text/html,application/xhtml+xml,*/*;q=0.8" };
const T2 = bearer(TOKEN);
const T3 = bearer(APPROVE);

/** Paths of no room. Names that every object has must not open one. */
// deno-fmt-ignore
const NOWHERE = [
  "/nowhere", "/nowhere/", "/Home/x", "/HOME", "/homes", "/hom", "/constructor", "/__proto__",
  "/toString", "/hasOwnProperty/x", "/valueOf", "/sys", "/tmp/x", "/root", "/favicon.ico",
  "/auth", "/auth/", "/auth/login", "/proc/nothing", "/proc/audit", "/proc/status/x", "/dev/x",
  "/mnt/x", "/bin/x", "/bin/home/x", "/bin/etc/shadow", "/bin/boot/env", "/bin/bin", "/bin/bin/proc",
  "/bin/constructor", "/*",
];

const ROWS: readonly Scenario[] = [
  ...NOWHERE.flatMap((path): Scenario[] => [
    {
      title: "nothing is here",
      send: `GET ${path}`,
      status: 404,
      text: /"title":"Not found"/,
    },
    { title: "nothing is here", send: `HEAD ${path}`, status: 404, text: "" },
    { title: "nothing is here", send: `PUT ${path}`, as: T3, body: "x", status: 404 },
    { title: "nothing is here", send: `DELETE ${path}`, as: T3, status: 404 },
    { title: "nothing is here", send: `OPTIONS ${path}`, status: 404 },
  ]),
  {
    title: "a refusal is a problem",
    send: "GET /nowhere",
    status: 404,
    json: {
      type: "/usr/share/doc/problems/not-found.md",
      title: "Not found",
      status: 404,
      detail:
        "Cannot find /nowhere: nothing is here; worlds are below /home, and /bin lists the routes",
    },
    has: {
      "content-type": "application/problem+json",
      "cache-control": "no-store",
      vary: "Accept",
    },
  },
  {
    title: "in words for who reads text",
    send: "GET /nowhere",
    headers: { accept: "text/plain" },
    status: 404,
    text: /^404 Not found\nCannot find \/nowhere: .*\n$/,
    has: { "content-type": "text/plain; charset=utf-8", "x-content-type-options": "nosniff" },
  },
  {
    title: "browsers get the shell where nothing is",
    send: "GET /nowhere",
    headers: CHROME,
    status: 404,
    text: /the shell/,
    has: { "content-type": "text/html; charset=utf-8", "content-security-policy": /default-src/ },
  },
  {
    title: "browsers get the shell where no world is",
    send: "GET /home/absent",
    headers: CHROME,
    status: 404,
    text: /the shell/,
  },
  {
    title: "browsers get the shell where they may not, without a window that asks",
    send: "GET /boot/env",
    headers: CHROME,
    status: 401,
    text: /the shell/,
    has: { "www-authenticate": 'Bearer realm="elastik"' },
  },
  {
    title: "browsers get the shell where their credential does not reach",
    send: "GET /boot/env",
    as: T2,
    headers: CHROME,
    status: 403,
    text: /the shell/,
    has: { "www-authenticate": null },
  },
  {
    title: "everyone else is asked for either credential",
    send: "GET /boot/env",
    status: 401,
    has: { "www-authenticate": 'Bearer realm="elastik", Basic realm="elastik", charset="UTF-8"' },
  },
  {
    title: "browsers get words where a change was refused",
    send: "PUT /home/x",
    headers: CHROME,
    body: "x",
    status: 401,
    text: /^401 Credential required\n/,
    has: { "content-type": "text/plain; charset=utf-8" },
  },
  {
    title: "browsers get words for what the shell cannot mend",
    send: "GET /home/x?at=x",
    headers: CHROME,
    status: 400,
    text: /^400 Invalid query parameter\n/,
  },
  {
    title: "markup in a path is text in every refusal",
    send: "GET /nowhere%3Cscript%3Ealert(1)%3C/script%3E",
    headers: { accept: "text/plain" },
    status: 404,
    has: { "content-type": "text/plain; charset=utf-8", "x-content-type-options": "nosniff" },
  },
  {
    title: "an alias of a route",
    send: "GET /bin/proc/version",
    status: 200,
    text: /^\d+\.\d+\.\d+\n$/,
  },
  {
    title: "an alias of a route",
    send: "GET /bin/auth/whoami",
    as: T2,
    status: 200,
    json: { tier: "T2" },
  },
  { title: "an alias has its route's methods", send: "PUT /bin/proc/version", as: T3, status: 405 },
  {
    title: "an alias has its route's policy",
    send: "POST /bin/auth/mint?prefix=/home",
    as: T2,
    status: 403,
  },
  {
    title: "an alias has its route's policy",
    send: "GET /bin/proc/audit/etc/shadow",
    as: T2,
    status: 403,
  },
  { title: "an alias has its route's policy", send: "GET /bin/proc/log/boot/env", status: 401 },
  { title: "an alias has its route's policy", send: "GET /bin/stream/boot/env", status: 401 },
];

Deno.test("createApp() finds a room for each path and refuses the rest as problems", async (t) => {
  await withMachine({ env: CLOSED }, async (machine) => {
    await runScenarios(t, machine, ROWS);
    deepStrictEqual(machine.log, []);
  });
});

Deno.test("createApp() answers an odd Host on a machine with tokens, by GET and by HEAD", async () => {
  await withMachine({ env: CLOSED }, async (machine) => {
    for (const host of ["999.999.999.999", "1.2.3.4.5", "[::::]", "a..b", "xn--", "0x7f.1", "_"]) {
      for (const target of ["/proc/version", "/", "/home/", "/bin", "/auth/whoami"]) {
        for (const method of ["GET", "HEAD"]) {
          const { status } = await machine.send({ method, target, headers: { host, ...T2 } });
          equal(status, 200, `${method} ${target} at ${host}`);
        }
      }
    }
  });
});

function plugins(answer: () => Promise<Response>): Partial<PluginRoutes> {
  const route: PluginMatch = {
    handle: answer,
    path: "/example",
    plugin: "lib/example",
    description: "says hello",
    auth: "T1",
  };
  return {
    list: () => [route],
    match: (path) => path === "/example" || path.startsWith("/example/") ? route : undefined,
    activeCount: 1,
  };
}

Deno.test("createApp() hides what failed from the caller and tells the operator", async () => {
  const failing = plugins(() => Promise.reject(new TypeError("at /srv/secret/place: hunter2")));
  await withApp({ plugins: failing }, async ({ ask, log }) => {
    for (const accept of ["application/json", "text/plain", "text/html", "*/*"]) {
      const response = await ask("GET", "/example/x?token=hunter3", { headers: { accept } });
      equal(response.status, 500);
      const text = await response.text();
      ok(!/srv|hunter|TypeError| at /.test(text), text);
    }
    equal(log.length, 4);
    match(log[0] ?? "", /^failed: GET \/example\/x: TypeError: at \/srv\/secret\/place: hunter2/);
    ok(log.every((line) => !line.includes("hunter3")), "the query is in the log");
  });
});

Deno.test("createApp() says nothing to the operator of a caller who went away", async () => {
  const gone = new DOMException("The caller went away", "AbortError");
  await withApp({ plugins: plugins(() => Promise.reject(gone)) }, async ({ ask, log }) => {
    equal((await ask("GET", "/example/x")).status, 499);
    equal(log.length, 0);
  });
});

Deno.test("createApp() has who asks for plugins wait while they start, and nobody else", async () => {
  const { promise: starting, resolve: started } = Promise.withResolvers<void>();
  const now: { routes: PluginRoute[]; starting: Promise<void> | undefined } = {
    routes: [],
    starting,
  };
  const late: Partial<PluginRoutes> = {
    list: () => now.routes,
    match: (path) => {
      const found = now.routes.find((route) => route.path === path);
      return found && { ...found, handle: () => Promise.resolve(new Response("hello")) };
    },
    get starting() {
      return now.starting;
    },
  };
  await withApp({ plugins: late }, async ({ ask, server }) => {
    Object.defineProperty(server.plugins, "starting", { get: () => now.starting });
    for (const path of ["/proc/worlds", "/home/", "/auth/whoami", "/"]) {
      equal((await ask("GET", path)).status, 200, path);
    }
    equal((await ask("GET", "/home/x")).status, 404);
    const status = await (await ask("GET", "/proc/status")).json();
    deepStrictEqual([status.plugins, status.starting], [0, true]);
    const waiting = ["/example", "/bin", "/dev"].map((path) => ask("GET", path));
    let answered = 0;
    for (const each of waiting) void each.then(() => answered += 1);
    for (let i = 0; i < 3; i++) equal((await ask("GET", "/home/boot?raw")).status, 200);
    equal(answered, 0);
    const route = { path: "/dev/late", plugin: "lib/late", description: "comes", auth: "T1" };
    now.routes = [{ ...route, auth: "T1" }, { ...route, path: "/example", auth: "T1" }];
    now.starting = undefined;
    started();
    const [example, bin, dev] = await Promise.all(waiting);
    equal(await example?.text(), "hello");
    match(await bin?.text() ?? "", /^\/dev\/late\tcomes$/m);
    match(await dev?.text() ?? "", /^late$/m);
    ok(!("starting" in await (await ask("GET", "/proc/status")).json()));
  });
});

Deno.test("createApp() has a plugin's route answer by every name of it", async () => {
  await withApp(
    { plugins: plugins(() => Promise.resolve(new Response("hi"))) },
    async ({ ask }) => {
      for (
        const path of [
          "/example",
          "/example/",
          "/example/deep/er",
          "/bin/example",
          "/bin/example/x",
        ]
      ) {
        equal(await (await ask("GET", path)).text(), "hi", path);
      }
      equal((await ask("GET", "/examples")).status, 404);
      const listed = await (await ask("GET", "/bin")).text();
      match(listed, /^\/example\tsays hello$/m);
    },
  );
});

Deno.test("createApp() lets no plugin stand in front of worlds, streams and aliases", async () => {
  const greedy: Partial<PluginRoutes> = {
    ...plugins(() => Promise.resolve(new Response("taken"))),
    match: (path) => ({
      path,
      plugin: "lib/greedy",
      description: "",
      auth: "T1",
      handle: () => Promise.resolve(new Response("taken")),
    }),
  };
  await withApp({ plugins: greedy }, async ({ ask }) => {
    for (const path of ["/home/", "/usr/share/doc/note.md?raw", "/etc/", "/lib/", "/home/absent"]) {
      ok(!(await (await ask("GET", path)).text()).includes("taken"), path);
    }
    const stream = await ask("GET", "/stream/home/x");
    equal(stream.headers.get("content-type"), "text/event-stream");
    await stream.body?.cancel();
  });
});

Deno.test("createApp() shows the problem itself when the shell's page cannot be read", async () => {
  await withApp({
    store: (store) =>
      new Proxy(store, {
        get(target, key) {
          if (key === "read") return () => Promise.reject(new Error("the disk is on fire"));
          const value: unknown = Reflect.get(target, key, target);
          return typeof value === "function" ? value.bind(target) : value;
        },
      }),
  }, async ({ ask }) => {
    const response = await ask("GET", "/nowhere", { headers: CHROME });
    equal(response.status, 404);
    match(await response.text(), /^404 Not found\n/);
  });
});

Deno.test("createApp() registers a route for every entry of CORE_ROUTES, and no other", async () => {
  await withApp({}, ({ app }) => {
    const registered = app.routes.map((path) =>
      path.replace(/\/(?:\*|:\w+(?:\{[^}]*\})?)(?:\/.*)?$/, "")
    );
    const folders = ["", "/", "/proc"]; // the root and /proc list what is below them
    deepStrictEqual(
      [...new Set(registered)].filter((path) => !folders.includes(path)).sort(),
      Object.keys(CORE_ROUTES).sort(),
    );
    return Promise.resolve();
  });
});
