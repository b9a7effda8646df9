import { assert, assertEquals, assertMatch, assertNotEquals } from "../../support/assert.ts";
import { Problem } from "../../../plugins/kit/problem.ts";
import { Generation, type GenerationInput } from "../../../plugins/semantic/generation.ts";
import type { Shape } from "../../../plugins/semantic/shape.ts";
import { FakeServer, HeldModel, modelEvents, modelResponse } from "./fake_server.ts";
import { formatOf, generationInput, HASH } from "./fixtures.ts";

/** Runs a generation to its end with a model that answers with this response. */
async function outcomeOf(
  response: () => Response,
  changed: Partial<GenerationInput> = {},
): Promise<Shape | Problem> {
  const server = new FakeServer();
  server.generate = response;
  const generation = new Generation(generationInput(changed));
  const leave = generation.join();
  await generation.run(server.fetch, 10);
  leave();
  const { outcome } = generation;
  if (outcome === undefined) throw new TypeError("run() resolved without an outcome");
  return outcome;
}

function problemOf(outcome: Shape | Problem): [status: number, message: string] {
  if (!(outcome instanceof Problem)) throw new TypeError(`a shape: ${outcome.text}`);
  return [outcome.status, outcome.message];
}

Deno.test("Generation sends the prompt and makes a shape of the output", async () => {
  const server = new FakeServer();
  const generation = new Generation(generationInput());
  await generation.run(server.fetch, 10);
  const { outcome } = generation;
  assert(outcome !== undefined && !(outcome instanceof Problem));
  assertEquals([outcome.text, outcome.hash], ["shaped text", HASH]);
  assertEquals(outcome.headers["x-semantic-gpu"], "fake/m1; local");
  const prompt = server.sent[0]?.body ?? "";
  assert(prompt.includes("The source.") && prompt.includes('"for me"'), prompt);
});

Deno.test("Generation uses another random mark for each prompt", async () => {
  const server = new FakeServer();
  for (let run = 0; run < 2; run++) {
    await new Generation(generationInput()).run(server.fetch, 10);
  }
  const [first, second] = server.sent.map(({ body }) =>
    /====== [\da-f-]{36} ======/.exec(body)?.[0]
  );
  assert(first !== undefined && second !== undefined);
  assertNotEquals(first, second);
});

Deno.test("Generation refuses output that does not satisfy the format", async () => {
  const json = { format: formatOf("application/json") };
  assertEquals(problemOf(await outcomeOf(() => modelResponse(["{"]), json)), [
    406,
    "Cannot shape /home/x as application/json: the output of the model does not satisfy this media " +
    "type: it is not valid JSON; nothing was stored, try again",
  ]);
  const [status, message] = problemOf(await outcomeOf(() => modelResponse(["a", "\x1b[2J"])));
  assertEquals(status, 406);
  assertMatch(message, /it contains control characters/);
});

Deno.test("Generation stops at the first control character", async () => {
  const server = new FakeServer();
  const model = new HeldModel();
  server.generate = (_, signal) => model.response(signal);
  const generation = new Generation(generationInput());
  const running = generation.run(server.fetch, 10);
  await model.send(modelEvents(["shown", "\x07"], ""));
  await running;
  await model.cancelled;
  assertEquals(generation.text, "shown");
});

Deno.test("Generation does not store what another model wrote", async () => {
  const headers = { "x-gpu-backend": "fake", "x-gpu-model": "other" };
  const outcome = await outcomeOf(() => modelResponse(["text"], undefined, headers));
  assert(!(outcome instanceof Problem));
  assertEquals([outcome.hash, outcome.headers["x-semantic-gpu"]], ["", "fake/other; remote"]);
});

Deno.test("Generation trusts the configured model if the response names none", async () => {
  const outcome = await outcomeOf(() => modelResponse(["text"], undefined, {}));
  assert(!(outcome instanceof Problem));
  assertEquals(outcome.hash, HASH);
});

Deno.test("Generation translates an error response of the model", async () => {
  const outcome = await outcomeOf(() => new Response("no", { status: 503 }));
  assertEquals(problemOf(outcome), [
    503,
    "Cannot shape /home/x: the model is not available, /dev/gpu answered 503",
  ]);
});

Deno.test("Generation reports a failed request as unavailable", async () => {
  const outcome = await outcomeOf(() => {
    throw new TypeError("refused");
  });
  assertEquals(problemOf(outcome), [
    503,
    "Cannot shape /home/x: the model is not available, it stopped early",
  ]);
});

Deno.test("Generation ends after its timeout", async () => {
  const server = new FakeServer();
  const model = new HeldModel();
  server.generate = (_, signal) => model.response(signal);
  const generation = new Generation(generationInput());
  generation.join();
  await generation.run(server.fetch, 0.001);
  const { outcome } = generation;
  assert(outcome instanceof Problem);
  assertEquals([outcome.status, outcome.headers["retry-after"]], [503, "1"]);
  assertMatch(outcome.message, /did not finish within 0.001 seconds/);
});

Deno.test("Generation continues while one client is left and ends with the last", async () => {
  const server = new FakeServer();
  const model = new HeldModel();
  server.generate = (_, signal) => model.response(signal);
  const generation = new Generation(generationInput());
  const [leaveFirst, leaveSecond] = [generation.join(), generation.join()];
  const running = generation.run(server.fetch, 10);
  await generation.begun;
  leaveFirst();
  leaveFirst();
  assertEquals(generation.isAbandoned, false);
  await model.send(modelEvents(["text"], ""));
  leaveSecond();
  assertEquals(generation.isAbandoned, true);
  await model.cancelled;
  await running;
  assert(generation.outcome instanceof Problem);
});

Deno.test("Generation is not abandoned if its clients leave after the end", async () => {
  const generation = new Generation(generationInput());
  const leave = generation.join();
  await generation.run(new FakeServer().fetch, 10);
  leave();
  assertEquals(generation.isAbandoned, false);
});

Deno.test("changed() resolves with each piece and at the end", async () => {
  const server = new FakeServer();
  const model = new HeldModel();
  server.generate = (_, signal) => model.response(signal);
  const generation = new Generation(generationInput());
  const running = generation.run(server.fetch, 10);
  for (const text of ["one", "one two"]) {
    const changed = generation.changed();
    await model.send(modelEvents([text.split(" ").length === 1 ? "one" : " two"], ""));
    await changed;
    assertEquals(generation.text, text);
  }
  const changed = generation.changed();
  await model.send("event: done\ndata: stop\n\n");
  await changed;
  await running;
  assert(generation.outcome !== undefined && !(generation.outcome instanceof Problem));
});
