import { assertEquals, assertRejects } from "../support/assert.ts";
import { LocalCoordination } from "../../lib/world/local_coordination.ts";

Deno.test("LocalCoordination.once() is true for the first call until the key is forgotten", async () => {
  let now = 0;
  const local = new LocalCoordination({ version: "1", now: () => now });
  assertEquals([await local.once("a", 10), await local.once("a", 10)], [true, false]);
  assertEquals(await local.once("b", 10), true);
  now = 9_999;
  assertEquals(await local.once("a", 10), false);
  now = 10_000;
  assertEquals([await local.once("a", 10), await local.once("a", 10)], [true, false]);
});

Deno.test("LocalCoordination.exclusive() runs one action of a key at a time, also after a failure", async () => {
  const local = new LocalCoordination();
  const steps: string[] = [];
  const first = Promise.withResolvers<void>();
  const run = (name: string, wait?: Promise<void>) =>
    local.exclusive("key", async () => {
      steps.push(`${name} begins`);
      await wait;
      steps.push(`${name} ends`);
      return name;
    });
  const a = run("a", first.promise);
  const b = run("b");
  await local.exclusive("other", () => Promise.resolve());
  assertEquals(steps, ["a begins"]);
  first.reject(new Error("a failed"));
  await assertRejects(a, { message: "a failed" });
  assertEquals(await b, "b");
  assertEquals(steps, ["a begins", "b begins", "b ends"]);
});

Deno.test("LocalCoordination.attempt() runs nothing while the action runs, and again after a failure", async () => {
  const local = new LocalCoordination();
  const first = Promise.withResolvers<void>();
  const running = local.attempt("run", () => first.promise);
  assertEquals(await local.attempt("run", () => Promise.reject(new Error("not reached"))), false);
  first.reject(new Error("it failed"));
  await assertRejects(running, { message: "it failed" });
  assertEquals(await local.attempt("run", () => Promise.resolve()), true);
});

Deno.test("LocalCoordination.duty() gives a duty to one candidate at a time", async () => {
  const local = new LocalCoordination();
  const calls: string[] = [];
  const handlersOf = (name: string) => ({
    onHeld: () => void calls.push(name),
    onLost: () => void calls.push(`${name} lost`),
  });
  const a = local.duty("on", handlersOf("a"));
  const b = local.duty("on", handlersOf("b"));
  assertEquals([a.isHeld, b.isHeld, calls], [true, false, ["a"]]);
  await a.end();
  assertEquals([a.isHeld, b.isHeld, calls], [false, true, ["a", "b"]]);
  await b.end();
  const c = local.duty("on", handlersOf("c"));
  assertEquals([c.isHeld, calls], [true, ["a", "b", "c"]]);
});

Deno.test("LocalCoordination.nodes() has one row with what the server reports", async () => {
  const local = new LocalCoordination({ version: "7", now: () => 0 });
  const plugins = { "lib/p": { up: true } };
  local.report(() => ({ url: "http://x", plugins }));
  assertEquals(await local.nodes(), [
    { id: "", version: "7", readable: true, ageMs: 0, url: "http://x", plugins },
  ]);
  assertEquals(await local.claimRoutes(), undefined);
});
