/** Which callers can use the device, what the plugin can reach, and what is logged of a call. */

import { assert, assertEquals, assertMatch, assertStrictEquals } from "../support/assert.ts";
import { APPROVE, basic, bearer, TOKEN } from "../support/test_server.ts";
import { eventsOf, get, plugin, record, setState, stateOf } from "../plugin/plugin_test_server.ts";
import { pluginText } from "../support/plugin_server.ts";
import { FakeBackend, withBackend } from "./fake_backend.ts";
import { type GpuServer, KEYS, withGpuServer } from "./gpu/gpu_server.ts";

async function put(gpu: GpuServer, name: string, source: string): Promise<void> {
  await gpu.server.approve("PUT", `/lib/${name}`, source);
  assertEquals((await setState(gpu.server, name, "active")).status, 200);
}

Deno.test("POST /dev/gpu calls the backend only for callers with T2 or a capability over it", async () => {
  await withGpuServer(async (gpu) => {
    const { server, backend } = gpu;
    await gpu.configure(`ollama://${backend.host}`);
    const cap = (prefix: string, mode: "r" | "rw" = "rw") =>
      bearer(server.capability(prefix, mode));
    const expired = bearer(server.capability("/dev/gpu", "rw", -10));
    const rows: [caller: string, headers: Record<string, string>, post: number, get: number][] = [
      ["no credential", {}, 401, 401],
      ["a wrong token", bearer("wrong"), 401, 401],
      ["T2", bearer(TOKEN), 200, 200],
      ["T2 as a password", basic("x", TOKEN), 200, 200],
      ["T3", bearer(APPROVE), 200, 200],
      ["a capability elsewhere", cap("/home/scratch"), 403, 403],
      ["a capability on the device", cap("/dev/gpu"), 200, 200],
      ["a capability on all devices", cap("/dev"), 200, 200],
      ["a read-only capability", cap("/dev/gpu", "r"), 403, 200],
      ["an expired capability", expired, 401, 401],
      ["a capability on a path with the same start", cap("/dev/gpus"), 403, 403],
    ];
    for (const [caller, headers, post, read] of rows) {
      const before = backend.calls.length;
      for (const target of ["/dev/gpu", "/bin/dev/gpu", "/dev/gpu/stream", "/dev/%67pu"]) {
        const reply = await server.send({ method: "POST", target, headers, body: "x" });
        assertStrictEquals(reply.status, post, `${caller} ${target}: ${reply.text}`);
      }
      assertStrictEquals(backend.calls.length - before, post === 200 ? 4 : 0, caller);
      assertStrictEquals((await get(server, "/dev/gpu", headers)).status, read, caller);
    }
    // A capability for the stream only, and paths that end in a world which a capability covers.
    const stream = cap("/dev/gpu/stream");
    const calls = backend.calls.length;
    const send = (target: string, headers: Record<string, string>) =>
      server.send({ method: "POST", target, headers, body: "x" });
    assertEquals((await send("/dev/gpu/stream", stream)).status, 200);
    assertEquals((await send("/dev/gpu", stream)).status, 403);
    assertEquals((await send("/dev/gpu/home/scratch", cap("/home/scratch"))).status, 403);
    assertEquals((await send("/dev/gpu/stream/home/scratch", cap("/home/scratch"))).status, 403);
    assertStrictEquals(backend.calls.length, calls + 1);
    const logged = await gpu.usage(21);
    assertEquals([...new Set(logged.map(({ by }) => by))].sort(), [
      "T2",
      "T3",
      "cap:/dev",
      "cap:/dev/gpu",
      "cap:/dev/gpu/stream",
    ]);
  });
});

Deno.test("POST /dev/gpu by a plugin uses the plugin's grant, whatever its caller can do", async () => {
  await withGpuServer(async (gpu) => {
    const { server, backend } = gpu;
    await gpu.configure(`ollama://${backend.host}`);
    const body = `
      const to = url.searchParams.get("to");
      const own = url.searchParams.has("caller") ? env.caller : env.machine;
      if (url.searchParams.has("get")) return await own.fetch(to, { headers: { accept: "application/json" } });
      return await own.fetch(to, { method: "POST", body: "from a plugin" });`;
    await put(gpu, "one", plugin({ routes: ["/one"], grants: { "/dev/gpu": "rw" } }, body));
    await put(gpu, "both", plugin({ routes: ["/both"], grants: { "/dev/gpu/": "rw" } }, body));
    await put(gpu, "reads", plugin({ routes: ["/reads"], grants: { "/dev/gpu/": "r" } }, body));
    await put(gpu, "none", plugin({ routes: ["/none"] }, body));
    const rows: [route: string, device: number, stream: number, status: number][] = [
      ["/one", 200, 403, 200],
      ["/both", 200, 200, 200],
      ["/reads", 403, 403, 200],
      ["/none", 403, 403, 403],
    ];
    // The caller sends no credential, so only the plugin's grant counts.
    for (const [route, device, stream, status] of rows) {
      assertStrictEquals((await get(server, `${route}?to=/dev/gpu`)).status, device, route);
      assertStrictEquals((await get(server, `${route}?to=/dev/gpu/stream`)).status, stream, route);
      assertStrictEquals((await get(server, `${route}?to=/dev/gpu&get`)).status, status, route);
      assertEquals((await get(server, `${route}?to=/dev/gpu&caller`)).status, 401, route);
      assertEquals(
        (await get(server, `${route}?to=/dev/gpu&caller`, bearer(TOKEN))).status,
        200,
        route,
      );
    }
    const answered = await get(server, "/one?to=/dev/gpu");
    assertEquals(answered.text, "You said: from a plugin");
    assertEquals(
      ["backend", "model", "local", "finish"].map((name) => answered.headers.get(`x-gpu-${name}`)),
      ["ollama", "llama3.2", "true", "stop"],
    );
    const streamed = await get(server, "/both?to=/dev/gpu/stream");
    assertMatch(
      streamed.text,
      /^data: You said: \n\ndata: from a plugin\n\nevent: done\ndata: stop\n\n$/,
    );
    assertEquals(JSON.parse((await get(server, "/one?to=/dev/gpu&get")).text), {
      backend: "ollama",
      model: "llama3.2",
      local: true,
      configured: true,
    });
    const logged = await gpu.usage(9);
    assertEquals([...new Set(logged.map(({ by }) => by))].sort(), [
      "T2",
      "plugin:both",
      "plugin:one",
    ]);
  });
});

Deno.test("gpu can read only the configured key and reach only the configured host", async () => {
  await withGpuServer(async (gpu) => {
    const { server, backend } = gpu;
    const other = new FakeBackend();
    try {
      // The plugin with one more parameter, which shows what the plugin can access.
      const source = await pluginText("gpu");
      const probed = source.replace(
        "const settings = parseSettings(env.config[CONFIG_PATH]);",
        `const look = new URL(request.url).searchParams.get("look");
         if (look === "vars") return Response.json(env.vars);
         if (look !== null) {
           return await fetch(look).then(() => new Response("reached"), () => new Response("not reached"));
         }
         $&`,
      );
      assert(probed !== source);
      await server.approve("PUT", "/lib/gpu", probed);
      assertEquals((await setState(server, "gpu", "active")).status, 200);
      const look = async (what: string): Promise<string> =>
        // Unlike a response of the plugin itself, this one may contain a key.
        (await server.send({
          method: "GET",
          target: `/dev/gpu?look=${encodeURIComponent(what)}`,
          headers: bearer(TOKEN),
        }, true)).text;
      assertEquals(await look("vars"), "{}");
      assertEquals(await look(backend.url), "not reached");
      const needs: [line: string, key: keyof typeof KEYS | undefined, header: string][] = [
        [`ollama://${backend.host}`, undefined, ""],
        [`openai://${backend.host}`, "OPENAI_API_KEY", "authorization"],
        [`claude://${backend.host}`, "ANTHROPIC_API_KEY", "x-api-key"],
        [`deepseek://${backend.host}`, "DEEPSEEK_API_KEY", "authorization"],
        [`vast://${backend.host}`, "VAST_API_KEY", "authorization"],
        [`openai://${backend.host}\nkey none`, undefined, ""],
        [`ollama://${backend.host}\nkey VAST_API_KEY`, "VAST_API_KEY", "authorization"],
      ];
      for (const [line, key, header] of needs) {
        await gpu.configure(line);
        assertEquals(
          JSON.parse(await look("vars")),
          key === undefined ? {} : { [key]: KEYS[key] },
        );
        assertEquals(await look(`${backend.url}/x`), "reached", line);
        for (const away of [other.url, gpu.url, `${gpu.url}/proc/status`, "https://example.com"]) {
          assertEquals(await look(away), "not reached", away);
        }
        const { permissions } = await stateOf(server, "gpu");
        assertEquals(permissions, {
          net: [backend.host],
          read: [],
          write: [],
          env: key === undefined ? [] : [key],
        });
        backend.clear();
        assertEquals((await gpu.ask("x")).status, 200);
        const sent = [...backend.last.headers].filter(([, value]) =>
          Object.values(KEYS).some((secret) => value.includes(secret))
        );
        const value = key === undefined ? "" : KEYS[key];
        assertEquals(
          sent,
          key === undefined ? [] : [[header, header === "x-api-key" ? value : `Bearer ${value}`]],
        );
        assert(!backend.last.text.includes("sk-") && !backend.last.headers.has("cookie"));
        assert(![...backend.last.headers.values()].some((text) => text.includes(TOKEN)));
      }
      assertEquals(other.calls.length, 0);
    } finally {
      await other.close();
    }
  });
});

Deno.test("gpu uses another backend without a restart, and a call continues at its first one", async () => {
  await withGpuServer(async (gpu) => {
    await withBackend(async (second) => {
      const { backend, server } = gpu;
      const nothing = await gpu.ask("x");
      assertEquals(nothing.status, 503);
      assertMatch(
        nothing.text,
        /no backend is configured; PUT \/etc\/gpu\.conf with a line such as/,
      );
      await gpu.configure(`ollama://${backend.host}`);
      const gate = Promise.withResolvers<void>();
      backend.next({
        tokens: ["still", " here"],
        before: (at) => at === 1 ? gate.promise : undefined,
      });
      const slow = await gpu.open("x");
      assertEquals((await slow.next())?.data, "still");
      await gpu.configure(`claude://${second.host}`);
      assertEquals((await gpu.ask("y")).headers.get("x-gpu-backend"), "claude");
      assertEquals([backend.calls.length, second.calls.length], [1, 1]);
      gate.resolve();
      assertEquals([(await slow.next())?.data, (await slow.next())?.data], [" here", "stop"]);

      // A configuration with a fault is reported, and the earlier backend is not used instead.
      await gpu.configure(`claude://${second.host}\n\ntemperature warm`);
      const broken = await gpu.ask("x", "/dev/gpu", { accept: "text/plain" });
      assertEquals(broken.status, 503);
      assertMatch(broken.text, /\/etc\/gpu\.conf line 3: temperature is not a number from 0 to 2/);
      assertMatch(
        (await get(server, "/dev/gpu", bearer(TOKEN))).text,
        /line 3: temperature is not/,
      );
      const state = await stateOf(server, "gpu");
      assertMatch(String(state.fault), /\/etc\/gpu\.conf line 3: temperature is not/);
      assertEquals(state.up, true);
      assertEquals(state.permissions, { net: [], read: [], write: [], env: [] });
      const asks = await server.approve("GET", "/lib/gpu/state?asks");
      assertMatch(String(record(JSON.parse(asks.text).asks).fault), /line 3: temperature is not/);
      assertEquals(second.calls.length, 1);
      await gpu.configure(`claude://${second.host}\n\ntemperature 0.7`);
      assertEquals((await gpu.ask("z")).text, "You said: z");
      assertEquals((await stateOf(server, "gpu")).fault, undefined);
      await gpu.configure(undefined);
      assertEquals((await gpu.ask("x", "/dev/gpu/stream")).status, 503);
      assertEquals(
        (await eventsOf(server, "gpu")).filter(({ type }) => type === "plugin_ended").length,
        0,
      );
    });
  });
});

Deno.test("gpu logs each call in a world with an event chain, without its texts", async () => {
  await withGpuServer(async (gpu) => {
    const { server, backend } = gpu;
    await gpu.configure(`openai://${backend.host}\nsystem the system prompt`);
    const secret = "a prompt that is not logged";
    backend.behaviour = { tokens: ["a response ", "that is not logged: ü"] };
    await gpu.ask(secret);
    await gpu.events(secret, "/dev/gpu/stream?model=other");
    backend.next({ status: 500, errorText: "text of the backend" });
    await gpu.ask(secret);
    backend.next({ tokens: ["half"], end: "error", errorText: "text of the backend" });
    await gpu.events(secret);
    backend.next({ status: 429 });
    await gpu.ask(secret);
    const logged = await gpu.usage(5);
    const records = logged.map(({ at, ms, first_ms, ...rest }) => {
      assertMatch(String(at), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
      assert(typeof ms === "number" && ms >= 0);
      assertStrictEquals(typeof first_ms, Number(rest.answer_bytes) > 0 ? "number" : "undefined");
      return rest;
    });
    const common = { by: "T2", backend: "openai", model: "default", prompt_bytes: secret.length };
    const device = { ...common, route: "/dev/gpu" };
    const stream = { ...common, route: "/dev/gpu/stream" };
    assertEquals(records, [
      { ...device, answer_bytes: 33, status: 200, finish: "stop" },
      { ...stream, model: "other", answer_bytes: 33, status: 200, finish: "stop" },
      { ...device, answer_bytes: 0, status: 503, finish: "error" },
      { ...stream, answer_bytes: 4, status: 200, finish: "error" },
      { ...device, answer_bytes: 0, status: 503, finish: "error" },
    ]);
    const day = String(logged[0]?.["at"]).slice(0, 10);
    const log = (await server.approve("GET", `/proc/log/var/log/gpu/${day}.ndjson`)).text;
    assertMatch(log, /"by":"plugin:gpu"/);
    const audit = JSON.parse(
      (await server.approve("GET", `/proc/audit/var/log/gpu/${day}.ndjson`)).text,
    );
    assertEquals(audit.ok, true);
    await server.audit();
    const rows: { name: string }[] = JSON.parse((await server.approve("GET", "/proc/worlds")).text);
    const worlds = rows.map(({ name }) => name);
    const texts = await Promise.all(
      worlds.filter((name) => name.startsWith("var/")).map(async (name) =>
        (await server.approve("GET", `/${name}?raw`)).text
      ),
    );
    for (const text of [...texts, log, ...server.log]) {
      for (const word of ["that is not logged", "the system prompt", "text of the backend"]) {
        assert(!text.includes(word), `${word} in ${text}`);
      }
    }
  });
});
