/** Failures of the model and of the source, as clients of the semantic plugin see them. */

import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { type Script, shaperSteps, textIn, withShaper } from "./shaper.ts";

shaperSteps("GET /shaped/… reports failures", "budget 10000\nsource 1024", {
  "answers each failure of the model with its status": async ({ shape, model }, path) => {
    const rows: [Script, status: number, retryAfter: string | undefined][] = [
      [{ status: 429, headers: { "retry-after": "7" } }, 503, "7"],
      [{ status: 503, headers: { "retry-after": "9" } }, 503, "9"],
      [{ status: 502 }, 503, "30"],
      [{ status: 504 }, 503, "30"],
      [{ status: 413 }, 503, "30"],
      [{ end: "break" }, 503, "30"],
      [{ end: "error" }, 503, "30"],
      [{ end: "silent" }, 503, "30"],
      [{ end: "length" }, 502, undefined],
      [{ end: "filtered" }, 502, undefined],
      [{ tokens: ["x".repeat(10_000)], endless: true }, 502, undefined],
    ];
    for (const [script, status, retryAfter] of rows) {
      await model.script(script);
      const reply = await shape(path, { accept: "text/html" });
      const row = `${JSON.stringify(script).slice(0, 99)} ${reply.text}`;
      assertEquals([reply.status, reply.header("retry-after")], [status, retryAfter], row);
      assertEquals(reply.header("cache-control"), "no-store");
      assertMatch(reply.text, /^\d{3} .*\nCannot shape \/home\/case-0: /);
    }
    await model.script({ status: 502 });
    const problem = await shape(path, { accept: "application/json" });
    assertEquals(problem.header("content-type"), "application/problem+json");
    assertEquals(JSON.parse(problem.text).type, "/usr/share/doc/problems/unavailable.md");
  },
  "sends the source instead of 503 if text/plain is ranked first": async (
    { shape, model },
    path,
  ) => {
    const source = "The world of case 1.\n";
    for (const status of [429, 502, 503]) {
      await model.script({ status });
      const raw = await shape(path, { accept: "text/plain, */*;q=0.1" });
      assertEquals([raw.status, raw.text], [200, source]);
      assertEquals(raw.header("x-semantic-cache"), "fallback-raw");
      assertEquals(raw.header("cache-control"), "no-store");
      assert(raw.headers.has("retry-after"));
      await model.script({ status });
      assertEquals((await shape(path, { accept: "*" })).status, 503);
      await model.script({ status });
      const picture = await shape(path, { accept: "image/png, text/plain;q=0.8" });
      assertEquals(picture.status, 503);
      await model.script({ status });
      const stream = await shape(path, { accept: "text/event-stream, text/plain" });
      assertEquals(textIn(stream.text), source);
      assertEquals(stream.header("x-semantic-cache"), "fallback-raw");
    }
    await model.script({ tokens: [], end: "error" });
    const failed = await shape(path, { accept: "text/event-stream, text/plain" });
    assertEquals(textIn(failed.text), source);
    assertMatch(failed.text, /event: done\ndata: {"cache":"fallback-raw"}/);
    await model.become({ configured: false });
    for (const accept of ["text/html", "image/png, text/plain;q=0.8"]) {
      assertEquals((await shape(path, { accept })).status, 503, accept);
    }
    const raw = await shape(path, { accept: "text/plain" });
    assertEquals(raw.header("x-semantic-cache"), "fallback-raw");
    await model.become({});
  },
  "sends X-Semantic-Cut if the model received only the beginning": async (
    { shape, model, put },
    path,
  ) => {
    await put(path, `${"ä".repeat(511)}xäend of it`);
    const reply = await shape(path);
    assertEquals(reply.header("x-semantic-cut"), "1024/1034");
    const { prompt = "" } = (await model.state()).calls[0] ?? {};
    assert(prompt.includes("äx\n") && !prompt.includes("end of it"));
    assertMatch(prompt, /it was cut/);
    assertEquals((await shape(path)).header("x-semantic-cut"), "1024/1034");
  },
  "answers 415, 422 and 404 without a generation": async ({ shape, put, model }, path) => {
    await put(path, new Uint8Array([0x89, 0x50, 0, 1, 0xff]));
    assertEquals((await shape(path)).status, 415);
    await put(path, "  \n");
    assertEquals((await shape(path)).status, 422);
    const absent = await shape("/home/absent", { accept: "application/json" });
    assertEquals(absent.status, 404);
    assertMatch(absent.text, /\/home\/absent/);
    assertEquals(absent.header("x-semantic-cache"), "none");
    for (const target of ["/", "/dev/gpu", "/proc/status", "/shaped/home/x", "/stream/home/x"]) {
      assertEquals((await shape(target)).status, 404, target);
    }
    assertEquals((await shape("/home/")).status, 404);
    assertEquals((await model.state()).calls.length, 0);
  },
});

Deno.test("GET /shaped/… answers 503 if the model does not finish in time", async () => {
  await withShaper({ conf: "timeout 1" }, async ({ shape, put, model }) => {
    await put("/home/a", "a");
    await model.script({ end: "hang" });
    const reply = await shape("/home/a", { accept: "text/html" });
    assertEquals([reply.status, reply.header("retry-after")], [503, "1"]);
    assertEquals((await model.until("it was cancelled", ({ left }) => left === 1)).left, 1);
  });
});

Deno.test("GET /shaped/… answers 503 with Retry-After if there is no model", async () => {
  await withShaper({ bare: true }, async ({ shape, put }) => {
    await put("/home/a", "a");
    const reply = await shape("/home/a", { accept: "text/html" });
    assertEquals([reply.status, reply.header("retry-after")], [503, "30"]);
    assertMatch(reply.text, /the gpu plugin is not active/);
    assertEquals((await shape("/home/a", { accept: "text/plain" })).text, "a");
    // A missing source is reported first.
    assertEquals((await shape("/home/absent", { accept: "text/html" })).status, 404);
  });
});
