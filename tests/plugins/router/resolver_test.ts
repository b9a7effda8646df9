/** The resolver with a server and a model that the test plays. */

import { assert, assertEquals, assertStrictEquals } from "../../support/assert.ts";
import { Router } from "../../../plugins/router/resolver.ts";

/** The server and the device, played by the test. */
interface FakeState {
  names: string[];
  gone: Set<string>;
  tier: string;
  by: string;
  device: { local?: unknown; configured?: unknown } | number;
  model: (init: RequestInit) => Response | Promise<Response>;
  questions: number;
}

function createFakeState(over: Partial<FakeState> = {}): FakeState {
  return {
    names: ["home/sales-report", "home/weather"],
    gone: new Set(),
    tier: "T2",
    by: "T2",
    device: { local: true, configured: true },
    model: () => says("/home/weather"),
    questions: 0,
    ...over,
  };
}

function says(text: string, headers: Record<string, string> = { "x-gpu-local": "true" }): Response {
  return new Response(text, { headers });
}

function get(router: Router, played: FakeState, path: string, config = ""): Promise<Response> {
  const list = JSON.stringify(played.names.map((name) => ({ name, updated_at: "" })));
  const tag = `"${list}"`.replace(/(?<=.)"(?=.)/g, "'");
  return router.fetch(new Request(`http://localhost${path}`), {
    config: config === "" ? {} : { "/etc/router.conf": config },
    caller: {
      tier: played.tier,
      by: played.by,
      fetch: (path, init) => {
        if (path !== "/proc/worlds") {
          const there = played.names.includes(path.slice(1)) && !played.gone.has(path);
          return Promise.resolve(new Response(null, { status: there ? 200 : 404 }));
        }
        const same = new Headers(init?.headers).get("if-none-match")?.includes(tag) === true;
        return Promise.resolve(
          new Response(same ? null : list, { status: same ? 304 : 200, headers: { etag: tag } }),
        );
      },
    },
    machine: {
      fetch: async (_path, init = {}) => {
        if (init.method === "POST") {
          played.questions++;
          return await played.model(init);
        }
        return typeof played.device === "number"
          ? new Response(null, { status: played.device })
          : Response.json(played.device);
      },
    },
  });
}

Deno.test("Router asks the model at most as many questions per minute as the budget allows", async () => {
  let now = 1_000_000;
  const router = new Router(() => now);
  const played = createFakeState({ model: () => says("NONE") });
  for (let i = 0; i < 5; i++) await get(router, played, `/whatever${i}`, "budget = 3");
  assertEquals(played.questions, 3);
  const cheap = await get(router, played, "/salse-report", "budget = 3");
  assertEquals(cheap.status, 303);
  assertEquals(
    (await get(router, played, "/whatever", "budget = 3")).headers.has("content-type"),
    false,
  );
  now += 60_001;
  await get(router, played, "/whatever", "budget = 3");
  assertEquals(played.questions, 4);
  await get(router, played, "/something", "budget = 0");
  assertEquals(played.questions, 4);
});

Deno.test("Router pauses after a failure of the model, as long as Retry-After says within a limit", async () => {
  const failures: [() => Response | Promise<Response>, rest: number][] = [
    [() => new Response("busy", { status: 429, headers: { "retry-after": "30" } }), 30_000],
    [() => new Response("no", { status: 503, headers: { "retry-after": "86400" } }), 60_000],
    [() => new Response("no", { status: 502 }), 10_000],
    [() => Promise.reject(new DOMException("late", "TimeoutError")), 10_000],
  ];
  for (const [model, rest] of failures) {
    let now = 1_000_000;
    const router = new Router(() => now);
    const played = createFakeState({ model });
    assertEquals((await get(router, played, "/whatever")).headers.has("content-type"), false);
    now += rest - 1;
    await get(router, played, "/whatever");
    assertEquals(played.questions, 1);
    now += 1;
    await get(router, played, "/whatever");
    assertEquals(played.questions, 2);
  }
});

Deno.test("Router does not ask a model that is remote, absent or not configured, unless it is allowed", async () => {
  const rows: [FakeState["device"], config: string, questions: number][] = [
    [{ local: true, configured: true }, "", 1],
    [{ local: false, configured: true }, "", 0],
    [{ local: "true", configured: true }, "", 0],
    [{ configured: true }, "", 0],
    [{ local: true, configured: false }, "", 0],
    [{ local: false, configured: true }, "allow_remote = yes", 1],
    [{ local: false, configured: true }, "allow_remote = yes\nbudget = x", 0],
    [404, "", 0],
    [503, "allow_remote = yes", 0],
  ];
  for (const [device, config, questions] of rows) {
    const played = createFakeState({ device });
    await get(new Router(Date.now), played, "/whatever", config);
    assertStrictEquals(played.questions, questions, JSON.stringify([device, config]));
  }
});

Deno.test("Router drops an answer of a remote backend if the device changed after the test", async () => {
  const played = createFakeState({
    model: () => says("/home/weather", { "x-gpu-local": "false" }),
  });
  assertEquals((await get(new Router(Date.now), played, "/whatever")).status, 404);
  const silent = createFakeState({ model: () => says("/home/weather", {}) });
  assertEquals((await get(new Router(Date.now), silent, "/whatever")).status, 404);
  const allowed = await get(new Router(Date.now), played, "/whatever", "allow_remote = yes");
  assertEquals(allowed.status, 303);
});

Deno.test("Router keeps an answer for the same caller and the same names for ten minutes", async () => {
  let now = 1_000_000;
  const router = new Router(() => now);
  const played = createFakeState();
  const ask = async () => (await get(router, played, "/whatever")).headers.get("location");
  assertEquals(await ask(), "/home/weather");
  assertEquals(await ask(), "/home/weather");
  assertEquals(played.questions, 1);
  // Another caller has its own question: a kept answer would reveal what others requested.
  played.by = "user:eve";
  assertEquals(await ask(), "/home/weather");
  assertEquals(played.questions, 2);
  played.tier = "T1";
  await ask();
  assertEquals(played.questions, 3);
  played.names.push("home/new");
  await ask();
  assertEquals(played.questions, 4);
  played.names.pop();
  await ask();
  assertEquals(played.questions, 4);
  now += 600_001;
  await ask();
  assertEquals(played.questions, 5);
});

Deno.test("Router does not return a cached name whose world was deleted", async () => {
  const router = new Router(Date.now);
  const played = createFakeState();
  assertEquals((await get(router, played, "/whatever")).status, 303);
  played.gone.add("/home/weather");
  const after = await get(router, played, "/whatever");
  assertEquals(after.status, 404);
  assert(!(await after.text()).includes("weather"));
  const sure = createFakeState({ gone: new Set(["/home/sales-report"]) });
  const vanished = await get(router, sure, "/salse-report");
  assertEquals([vanished.status, await vanished.text()], [404, ""]);
});

Deno.test("Router asks one question for equal requests at the same time", async () => {
  const router = new Router(Date.now);
  const answer = Promise.withResolvers<Response>();
  const received = Promise.withResolvers<void>();
  const played = createFakeState({
    model: () => {
      received.resolve();
      return answer.promise;
    },
  });
  const all = Array.from({ length: 20 }, () => get(router, played, "/whatever"));
  await received.promise;
  answer.resolve(says("/home/weather"));
  for (const answer of await Promise.all(all)) {
    assertEquals(answer.headers.get("location"), "/home/weather");
  }
  assertEquals(played.questions, 1);
});

Deno.test("Router limits the length of a question and of the answer that it reads", async () => {
  let shown = "";
  const played = createFakeState({
    names: Array.from({ length: 300 }, (_, i) => `home/${"n".repeat(200)}${i}`),
    model: (init) => {
      shown = String(init.body);
      let pieces = 0;
      return new Response(
        new ReadableStream({
          pull(controller) {
            if (pieces++ > 1000) controller.error(new Error("read beyond the limit"));
            else controller.enqueue(new Uint8Array(1024).fill(0x61));
          },
        }),
        { headers: { "x-gpu-local": "true" } },
      );
    },
  });
  const answer = await get(new Router(Date.now), played, `/${"q".repeat(3000)}`);
  assertEquals(answer.status, 404);
  assert(shown.length < 10_500, String(shown.length));
  assertEquals(shown.split("\n").filter((line) => line.startsWith("/home/")).length, 39);
});
