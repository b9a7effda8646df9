import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import type { PluginMatch, PluginRoute, PluginRoutes } from "../../lib/request/plugin_routes.ts";
import { CORE_ROUTES } from "../../lib/request/core_routes.ts";
import { withApp } from "../support/app.ts";
import { APPROVE, basic, bearer, CLOSED, TOKEN, withServer } from "../support/test_server.ts";
import { runScenarios, type Scenario } from "../support/scenario.ts";

const CHROME = { accept: "text/html,application/xhtml+xml,*/*;q=0.8" };
const T2 = bearer(TOKEN);
const T3 = bearer(APPROVE);

/** Paths without a route, including the names of Object.prototype. */
// deno-fmt-ignore
const NOWHERE = [
  "/nowhere", "/nowhere/", "/Home/x", "/HOME", "/homes", "/hom", "/constructor", "/__proto__",
  "/toString", "/hasOwnProperty/x", "/valueOf", "/sys", "/tmp/x", "/root", "/favicon.ico",
  "/auth", "/auth/", "/auth/login", "/proc/nothing", "/proc/audit", "/proc/status/x", "/dev/x",
  "/mnt/x", "/bin/x", "/bin/home/x", "/bin/etc/shadow", "/bin/boot/env", "/bin/bin", "/bin/bin/proc",
  "/bin/constructor",
];

const ROWS: readonly Scenario[] = [
  ...NOWHERE.flatMap((path): Scenario[] => [
    {
      title: "answers 404",
      send: `GET ${path}`,
      status: 404,
      text: /"title":"Not found"/,
    },
    { title: "answers 404", send: `HEAD ${path}`, status: 404, text: "" },
    { title: "answers 404", send: `PUT ${path}`, as: T3, body: "x", status: 404 },
    { title: "answers 404", send: `DELETE ${path}`, as: T3, status: 404 },
    { title: "answers 404", send: `OPTIONS ${path}`, status: 404 },
  ]),
  {
    title: "answers with a problem",
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
    title: "sends text to a client that prefers it",
    send: "GET /nowhere",
    headers: { accept: "text/plain" },
    status: 404,
    text: /^404 Not found\nCannot find \/nowhere: .*\n$/,
    has: { "content-type": "text/plain; charset=utf-8", "x-content-type-options": "nosniff" },
  },
  {
    title: "sends browsers the shell for an unknown path",
    send: "GET /nowhere",
    headers: CHROME,
    status: 404,
    text: /the shell/,
    has: { "content-type": "text/html; charset=utf-8", "content-security-policy": /default-src/ },
  },
  {
    title: "sends browsers the shell for an absent world",
    send: "GET /home/absent",
    headers: CHROME,
    status: 404,
    text: /the shell/,
  },
  {
    title: "sends browsers the shell with a challenge that opens no dialog",
    send: "GET /boot/env",
    headers: CHROME,
    status: 401,
    text: /the shell/,
    has: { "www-authenticate": 'Bearer realm="elastik"' },
  },
  {
    title: "sends browsers the shell with 403",
    send: "GET /boot/env",
    as: T2,
    headers: CHROME,
    status: 403,
    text: /the shell/,
    has: { "www-authenticate": null },
  },
  {
    title: "challenges other clients for Bearer and Basic",
    send: "GET /boot/env",
    status: 401,
    has: { "www-authenticate": 'Bearer realm="elastik", Basic realm="elastik", charset="UTF-8"' },
  },
  {
    title: "sends browsers text if a change is refused",
    send: "PUT /home/x",
    headers: CHROME,
    body: "x",
    status: 401,
    text: /^401 Credential required\n/,
    has: { "content-type": "text/plain; charset=utf-8" },
  },
  {
    title: "sends browsers text for errors other than 401, 403 and 404",
    send: "GET /home/x?at=x",
    headers: CHROME,
    status: 400,
    text: /^400 Invalid query parameter\n/,
  },
  {
    title: "sends markup in a path as plain text",
    send: "GET /nowhere%3Cscript%3Ealert(1)%3C/script%3E",
    headers: { accept: "text/plain" },
    status: 404,
    has: { "content-type": "text/plain; charset=utf-8", "x-content-type-options": "nosniff" },
  },
  {
    title: "answers like its route",
    send: "GET /bin/proc/version",
    status: 200,
    text: /^\d+\.\d+\.\d+\n$/,
  },
  {
    title: "answers like its route",
    send: "GET /bin/auth/whoami",
    as: T2,
    status: 200,
    json: { tier: "T2" },
  },
  { title: "allows the methods of its route", send: "PUT /bin/proc/version", as: T3, status: 405 },
  {
    title: "applies the policy of its route",
    send: "POST /bin/auth/mint?prefix=/home",
    as: T2,
    status: 403,
  },
  {
    title: "applies the policy of its route",
    send: "GET /bin/proc/audit/etc/shadow",
    as: T2,
    status: 403,
  },
  { title: "applies the policy of its route", send: "GET /bin/proc/log/boot/env", status: 401 },
  { title: "applies the policy of its route", send: "GET /bin/stream/boot/env", status: 401 },
];

Deno.test("createApp() answers each path by its route, and others with problems", async (t) => {
  await withServer({ env: CLOSED }, async (server) => {
    await runScenarios(t, server, ROWS);
    assertEquals(server.log, []);
  });
});

Deno.test("createApp() with tokens answers an unusual Host, by GET and by HEAD", async () => {
  await withServer({ env: CLOSED }, async (server) => {
    for (const host of ["999.999.999.999", "1.2.3.4.5", "[::::]", "a..b", "xn--", "0x7f.1", "_"]) {
      for (const target of ["/proc/version", "/", "/home/", "/bin", "/auth/whoami"]) {
        for (const method of ["GET", "HEAD"]) {
          const { status } = await server.send({ method, target, headers: { host, ...T2 } });
          assertEquals(status, 200, `${method} ${target} at ${host}`);
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

Deno.test("createApp() hides an unexpected error from the client and logs it", async () => {
  const failing = plugins(() => Promise.reject(new TypeError("at /srv/secret/place: hunter2")));
  await withApp({ plugins: failing }, async ({ ask, log }) => {
    for (const accept of ["application/json", "text/plain", "text/html", "*/*"]) {
      const response = await ask("GET", "/example/x?token=hunter3", { headers: { accept } });
      assertEquals(response.status, 500);
      const text = await response.text();
      assert(!/srv|hunter|TypeError| at /.test(text), text);
    }
    assertEquals(log.length, 4);
    assertMatch(
      log[0] ?? "",
      /^failed: GET \/example\/x: TypeError: at \/srv\/secret\/place: hunter2/,
    );
    assert(log.every((line) => !line.includes("hunter3")), "the query is in the log");
  });
});

Deno.test("createApp() does not log a client that disconnected", async () => {
  const gone = new DOMException("The caller went away", "AbortError");
  await withApp({ plugins: plugins(() => Promise.reject(gone)) }, async ({ ask, log }) => {
    assertEquals((await ask("GET", "/example/x")).status, 499);
    assertEquals(log.length, 0);
  });
});

Deno.test("createApp() lets only requests for plugins wait while plugins are being started", async () => {
  const { promise: starting, resolve: started } = Promise.withResolvers<void>();
  const now: {
    routes: PluginRoute[];
    starting: Promise<void> | undefined;
    isStarting: boolean;
  } = { routes: [], starting, isStarting: true };
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
    for (const member of ["starting", "readingRoutes"]) {
      Object.defineProperty(server.plugins, member, { get: () => now.starting });
    }
    Object.defineProperty(server.plugins, "isStarting", { get: () => now.isStarting });
    for (const path of ["/proc/worlds", "/home/", "/auth/whoami", "/"]) {
      assertEquals((await ask("GET", path)).status, 200, path);
    }
    assertEquals((await ask("GET", "/home/x")).status, 404);
    const status = await (await ask("GET", "/proc/status")).json();
    assertEquals([status.plugins, status.starting], [0, true]);
    const waiting = ["/example", "/bin", "/dev"].map((path) => ask("GET", path));
    const mount = ask("OPTIONS", "/dav/mnt/late");
    let answered = 0;
    for (const each of [...waiting, mount]) void each.then(() => answered += 1);
    for (let i = 0; i < 3; i++) assertEquals((await ask("GET", "/usr/bin/boot?raw")).status, 200);
    assertEquals(answered, 0);
    const route = { path: "/dev/late", plugin: "lib/late", description: "comes", auth: "T1" };
    now.routes = ["/dev/late", "/example", "/mnt/late"].map((path) => ({
      ...route,
      path,
      auth: "T1",
    }));
    now.starting = undefined;
    started();
    const [example, bin, dev] = await Promise.all(waiting);
    assertEquals(await example?.text(), "hello");
    assertMatch(await bin?.text() ?? "", /^\/dev\/late\tcomes$/m);
    assertMatch(await dev?.text() ?? "", /^late$/m);
    assertEquals((await mount).status, 200);
    // Requests wait no longer, and some plugins have not been started.
    for (const path of ["/other", "/dev/other"]) {
      const later = await ask("GET", path);
      assertEquals([later.status, later.headers.get("retry-after")], [503, "1"], path);
      assertMatch(await later.text(), /the server is still starting plugins/);
    }
    assertEquals((await ask("GET", "/home/x")).status, 404);
    assertEquals((await (await ask("GET", "/proc/status")).json()).starting, true);
    now.isStarting = false;
    assertEquals((await ask("GET", "/other")).status, 404);
    assert(!("starting" in await (await ask("GET", "/proc/status")).json()));
  });
});

Deno.test("createApp() refuses a credential that is not valid before it says that plugins are being started", () =>
  withApp({ plugins: { isStarting: true } }, async ({ ask }) => {
    const status = async (headers: HeadersInit) => {
      const response = await ask("GET", "/slow", { headers });
      await response.body?.cancel();
      return [response.status, response.headers.has("www-authenticate")];
    };
    assertEquals(await status(bearer("wrong")), [401, true]);
    assertEquals(await status(basic("ada", "wrong")), [401, true]);
    assertEquals(await status({}), [503, false]);
    assertEquals(await status(bearer(APPROVE)), [503, false]);
  }));

Deno.test("createApp() serves a plugin route by each of its names", async () => {
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
        assertEquals(await (await ask("GET", path)).text(), "hi", path);
      }
      assertEquals((await ask("GET", "/examples")).status, 404);
      const listed = await (await ask("GET", "/bin")).text();
      assertMatch(listed, /^\/example\tsays hello$/m);
    },
  );
});

Deno.test("createApp() does not let a plugin answer for worlds, streams and aliases", async () => {
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
      assert(!(await (await ask("GET", path)).text()).includes("taken"), path);
    }
    const stream = await ask("GET", "/stream/home/x");
    assertEquals(stream.headers.get("content-type"), "text/event-stream");
    await stream.body?.cancel();
  });
});

Deno.test("createApp() sends the problem if the page of the shell cannot be read", async () => {
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
    assertEquals(response.status, 404);
    assertMatch(await response.text(), /^404 Not found\n/);
  });
});

Deno.test("createApp() registers a route for every entry of CORE_ROUTES, and no other", async () => {
  await withApp({}, ({ app }) => {
    const registered = app.routes.map((path) =>
      path.replace(/\/(?:\*|:\w+(?:\{[^}]*\})?)(?:\/.*)?$/, "")
    );
    const folders = ["", "/", "/proc"]; // the root and /proc list what is below them
    assertEquals(
      [...new Set(registered)].filter((path) => !folders.includes(path)).sort(),
      Object.keys(CORE_ROUTES).sort(),
    );
    return Promise.resolve();
  });
});
