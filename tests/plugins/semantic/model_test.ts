import { assert, assertEquals } from "../../support/assert.ts";
import { Problem } from "../../../plugins/kit/problem.ts";
import {
  formatModelName,
  ModelLookup,
  modelProblem,
  parseModel,
  retryAfter,
} from "../../../plugins/semantic/model.ts";
import { FakeServer } from "./fake_server.ts";

Deno.test("ModelLookup reads the model and the version of its configuration", async () => {
  const server = new FakeServer();
  server.put("/etc/gpu.conf", "ollama://localhost");
  const model = await new ModelLookup().read(server.fetch, 0);
  assert(!(model instanceof Problem));
  assertEquals([model.name, model.isLocal], ["fake/m1", true]);
  assert(model.version.startsWith('"1-'));
});

Deno.test("ModelLookup reuses the answer for 50 ms", async () => {
  const server = new FakeServer();
  const lookup = new ModelLookup();
  const nameAt = async (now: number) => {
    const model = await lookup.read(server.fetch, now);
    return model instanceof Problem ? model.message : model.name;
  };
  assertEquals(await nameAt(0), "fake/m1");
  server.identity = { backend: "fake", model: "m2", local: true };
  assertEquals(await nameAt(50), "fake/m1");
  assertEquals(await nameAt(51), "fake/m2");
  assertEquals(server.count("GET", "/dev/gpu"), 2);
});

Deno.test("ModelLookup returns the problem unavailable if there is no model", async () => {
  const server = new FakeServer();
  const answers: [response: () => Response, state: string][] = [
    [() => new Response(null, { status: 404 }), "the gpu plugin is not active"],
    [() => new Response(null, { status: 500 }), "/dev/gpu answered 500"],
    [() => Response.json({ configured: false }), "/etc/gpu.conf names none"],
    [() => Response.json(1), "/dev/gpu did not answer with a JSON object"],
    [() => new Response("not JSON"), "/dev/gpu cannot be read"],
  ];
  for (const [response, state] of answers) {
    server.responses.set("GET /dev/gpu", response);
    const problem = await new ModelLookup().read(server.fetch, 0);
    assert(problem instanceof Problem, state);
    assertEquals(problem.message, `Cannot shape anything: there is no model, ${state}`);
    assertEquals([problem.status, problem.headers], [503, { "retry-after": "30" }]);
  }
});

Deno.test("parseModel() treats a model as remote unless its status says local", () => {
  assertEquals(parseModel({ backend: "b", model: "m" }, "v"), {
    name: "b/m",
    isLocal: false,
    version: "v",
  });
});

Deno.test("formatModelName() joins the names and replaces what a header cannot contain", () => {
  const rows: [backend: unknown, model: unknown, name: string][] = [
    ["ollama", "llama3.2", "ollama/llama3.2"],
    ["ollama", undefined, "ollama"],
    [null, "", "unknown"],
    ["a b\n", "ü", "a_b_/_"],
    ["x".repeat(300), "y", "x".repeat(200)],
  ];
  for (const [backend, model, name] of rows) assertEquals(formatModelName(backend, model), name);
});

Deno.test("modelProblem() translates error responses of the model", () => {
  const rows: [
    status: number,
    retryAfter: string | null,
    expected: number,
    sent: string | undefined,
  ][] = [
    [429, "7", 503, "7"],
    [429, null, 503, "30"],
    [503, "9", 503, "9"],
    [503, "soon", 503, "30"],
    [503, "99999", 503, "3600"],
    [404, null, 503, "30"],
    [504, "7", 503, "7"],
    [413, null, 503, "30"],
    [502, null, 503, "30"],
    [500, null, 503, "30"],
  ];
  for (const [status, header, expected, sent] of rows) {
    const headers = new Headers(header === null ? {} : { "retry-after": header });
    const problem = modelProblem(new Response(null, { status, headers }), "/home/x");
    assertEquals(problem.status, expected, String(status));
    assertEquals(problem.headers["retry-after"], sent, String(status));
    assert(problem.message.startsWith("Cannot shape /home/x: "), problem.message);
  }
});

Deno.test("retryAfter() rounds up to at least one second", () => {
  for (const [seconds, sent] of [[0, "1"], [0.2, "1"], [59.1, "60"], [7, "7"]] as const) {
    assertEquals(retryAfter(seconds), { "retry-after": sent });
  }
});
