import { assertEquals, assertRejects, assertStrictEquals } from "../support/assert.ts";
import { readBody } from "../../lib/http/read_body.ts";
import { Problem, type ProblemType } from "../../lib/http/problem.ts";
import {
  followsFirst,
  isNothingToDo,
  isRefusalOfMemory,
  judgeAgain,
  type JudgedStore,
} from "../../lib/request/judge_again.ts";
import { StoreError, type StoreErrorCode } from "../../lib/world/store.ts";
import { currentWriteChecks } from "../../lib/world/write_checks.ts";

const MISSING = () => new Problem("not-found", "Cannot find it");

function contextOf(method: string, path = "/home/x", isCollection = false, body?: string) {
  const request = new Request(`http://localhost${path}`, {
    method,
    ...(body === undefined ? {} : { body }),
  });
  const target = { path, name: path.slice(1), query: "", isCollection };
  return { request, target, caller: { tier: "T2", by: "T2" } } as const;
}

/** A store whose memory is `missed` changes behind until it is refreshed. */
function storeBehind(missed: Partial<Pick<JudgedStore, "seq" | "listingRevision">> = { seq: 2 }) {
  const state = { refreshes: 0, seq: 1, listingRevision: 1 };
  const store: JudgedStore = {
    get seq() {
      return state.seq;
    },
    get listingRevision() {
      return state.listingRevision;
    },
    isCollection: (name) => name === "home/c",
    refresh() {
      state.refreshes += 1;
      Object.assign(state, missed);
      return Promise.resolve();
    },
  };
  return { store, state };
}

Deno.test("judgeAgain() judges a refusal again if memory was behind", async () => {
  for (const missed of [{ seq: 2 }, { listingRevision: 2 }]) {
    const { store, state } = storeBehind(missed);
    const context = contextOf("PUT", "/home/x", false, "text");
    const bodies: number[] = [];
    const response = await judgeAgain(store, context, false, async () => {
      bodies.push((await readBody(context.request, 10)).length);
      if (state.refreshes === 0) throw MISSING();
      return new Response("done");
    });
    assertEquals([await response.text(), state.refreshes], ["done", 1]);
    // The content is there each time.
    assertEquals(bodies, [4, 4]);
  }
});

Deno.test("judgeAgain() sends a refusal that holds, after two looks at most", async () => {
  const rows = [
    { missed: {}, isCurrent: false, looks: 1, refreshes: 1 },
    { missed: { seq: 2 }, isCurrent: false, looks: 2, refreshes: 1 },
    { missed: { seq: 2 }, isCurrent: true, looks: 1, refreshes: 0 },
  ];
  for (const { missed, isCurrent, looks, refreshes } of rows) {
    const { store, state } = storeBehind(missed);
    let count = 0;
    const judged = judgeAgain(store, contextOf("DELETE"), isCurrent, () => {
      count += 1;
      return Promise.resolve(new Response(null, { status: 412 }));
    });
    assertEquals([(await judged).status, count, state.refreshes], [412, looks, refreshes]);
  }
});

Deno.test("judgeAgain() judges a success without an effect again if memory was behind", async () => {
  for (const method of ["PUT", "PATCH", "DELETE", "PROPPATCH"]) {
    const { store, state } = storeBehind();
    const seen: number[] = [];
    const response = await judgeAgain(store, contextOf(method), false, () => {
      seen.push(state.seq);
      if (state.seq > 1) throw MISSING();
      return new Response("nothing to do");
    }).catch((error) => error);
    assertEquals([response.message, seen], ["Cannot find it", [1, 2]], method);
  }
});

Deno.test("judgeAgain() judges once what is a read, makes something, or had an effect", async () => {
  const rows = [
    { method: "GET", answer: () => new Response(null, { status: 404 }) },
    { method: "PROPFIND", answer: () => new Response(null, { status: 404 }) },
    {
      method: "PUT",
      answer: () => {
        currentWriteChecks()?.recordEffect();
        return new Response(null, { status: 201 });
      },
    },
    { method: "POST", answer: () => new Response("a capability") },
    { method: "PUT", answer: () => new Response(null, { status: 403 }) },
    {
      method: "POST",
      answer: () => {
        currentWriteChecks()?.recordEffect();
        return new Response(null, { status: 409 });
      },
    },
  ];
  for (const { method, answer } of rows) {
    const { store, state } = storeBehind();
    let count = 0;
    await judgeAgain(store, contextOf(method), false, () => {
      count += 1;
      return answer();
    });
    assertEquals([count, state.refreshes], [1, 0], method);
  }
});

Deno.test("judgeAgain() follows before a change of a tree, and judges it once", async () => {
  const { store, state } = storeBehind();
  let seen = 0;
  const judged = judgeAgain(store, contextOf("DELETE", "/home/c/", true), false, () => {
    seen = state.seq;
    return Promise.reject(MISSING());
  });
  await assertRejects(judged, { message: "Cannot find it" });
  assertEquals([seen, state.refreshes], [2, 1]);
});

Deno.test("judgeAgain() answers 503 if it cannot find out whether a refusal holds", async () => {
  const { store } = storeBehind();
  const lost = () => Promise.reject(new StoreError("unreachable", "no answer"));
  const judged = judgeAgain({ ...store, refresh: lost }, contextOf("PUT"), false, () => {
    throw MISSING();
  });
  await assertRejects(judged, { code: "unreachable" });
});

Deno.test("followsFirst() is true for what depends on more than the worlds that it replaces", () => {
  const { store } = storeBehind();
  const rows: readonly [method: string, path: string, isCollection: boolean, expected: boolean][] =
    [
      ["MOVE", "/home/x", false, true],
      ["COPY", "/dav/home/x", false, true],
      ["DELETE", "/home/new/", true, true],
      ["DELETE", "/dav/home/c", false, true],
      ["PROPPATCH", "/dav/home/x", false, true],
      ["PUT", "/dav/home/x", false, true],
      ["DELETE", "/home/c", false, true],
      ["DELETE", "/home/x", false, false],
      ["PUT", "/home/c", false, false],
      ["MKCOL", "/dav/home/new", true, true],
      ["LOCK", "/dav/home/x", false, true],
      ["UNLOCK", "/dav/home/x", false, true],
      ["PUT", "/lib/p/state", false, true],
      ["GET", "/lib/p/state", false, false],
      ["PUT", "/lib/p", false, false],
      ["PUT", "/home/lib/p/state", false, false],
    ];
  for (const [method, path, isCollection, expected] of rows) {
    const context = contextOf(method, path, isCollection);
    assertStrictEquals(followsFirst(store, context), expected, `${method} ${path}`);
  }
});

Deno.test("isNothingToDo() is true for a success of what changes something", () => {
  const done = { response: new Response(null, { status: 204 }) };
  assertStrictEquals(isNothingToDo("PUT", done), true);
  assertStrictEquals(isNothingToDo("POST", done), false);
  assertStrictEquals(isNothingToDo("PUT", { error: MISSING() }), false);
  const refused = { response: new Response(null, { status: 403 }) };
  assertStrictEquals(isNothingToDo("DELETE", refused), false);
});

Deno.test("isRefusalOfMemory() leaves out what does not depend on memory", () => {
  const ofMemory: readonly ProblemType[] = [
    "not-found",
    "method-not-allowed",
    "conflict",
    "precondition-failed",
    "unprocessable",
    "locked",
    "quota-exceeded",
    "lower-layer",
  ];
  for (const type of ofMemory) {
    assertStrictEquals(isRefusalOfMemory({ error: new Problem(type, "x") }), true, type);
  }
  const others: readonly ProblemType[] = ["bad-body", "unauthorized", "forbidden", "unreachable"];
  for (const type of others) {
    assertStrictEquals(isRefusalOfMemory({ error: new Problem(type, "x") }), false, type);
  }
  const codes: readonly [StoreErrorCode, boolean][] = [
    ["absent", true],
    ["quota", true],
    // The store has asked the database.
    ["precondition", false],
    ["unknown", false],
  ];
  for (const [code, expected] of codes) {
    assertStrictEquals(isRefusalOfMemory({ error: new StoreError(code, "x") }), expected, code);
  }
  assertStrictEquals(isRefusalOfMemory({ error: new Error("x") }), false);
});
