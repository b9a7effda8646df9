import {
  assertEquals,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "../support/assert.ts";
import { LOCAL } from "../../lib/auth/authenticate.ts";
import type { Caller } from "../../lib/auth/caller.ts";
import { Problem } from "../../lib/http/problem.ts";
import {
  assertSubject,
  describeAbsence,
  withAbsenceExplained,
} from "../../lib/routes/missing_world.ts";
import { StoreError, type WorldEntry } from "../../lib/world/store.ts";
import { runScenarios, type Scenario } from "../support/scenario.ts";
import { APPROVE, bearer, CLOSED, suite, TOKEN } from "../support/test_server.ts";

/** A store in which the given collections exist, and no world. */
function storeWith(...collections: string[]) {
  return {
    stat: (): WorldEntry | undefined => undefined,
    isCollection: (name: string) => collections.includes(name),
  };
}

const SCOPED: Caller = {
  tier: "T2",
  by: "cap:/home/team/a",
  scope: { root: "/home/team/a", prefixes: ["/home/team/a"], mode: "rw", exp: 9e9 },
};

Deno.test("describeAbsence() says that the path is a collection", () => {
  assertStrictEquals(
    describeAbsence(storeWith("home/a b"), LOCAL, "home/a b"),
    "it is a collection, not a world; GET /home/a%20b/ lists it",
  );
});

Deno.test("withAbsenceExplained() names what else works for a collection, and for nothing else", async () => {
  const explain = (name: string) =>
    withAbsenceExplained(
      storeWith("home/a"),
      LOCAL,
      name,
      "read the log of",
      Promise.reject(new StoreError("absent", "no world")),
      "GET /proc/log/home/a/ sends the events of its worlds",
    );
  await assertRejects(
    explain("home/a"),
    /it is a collection, not a world; GET \/home\/a\/ lists it; GET \/proc\/log\/home\/a\/ sends the/,
  );
  await assertRejects(explain("home/a/x"), (error: Error) => !error.message.includes("/proc/log/"));
});

Deno.test("describeAbsence() names the closest collection above that exists", () => {
  const nearest = (...collections: string[]) =>
    describeAbsence(storeWith(...collections), LOCAL, "home/a/b/c/d");
  const text = (path: string) =>
    `nothing is here; GET ${path} lists the closest collection above it`;
  assertStrictEquals(nearest("home/a/b/c", "home/a"), text("/home/a/b/c/"));
  assertStrictEquals(nearest("home/a"), text("/home/a/"));
  assertStrictEquals(nearest(), text("/home/"), "a namespace can be listed even if it is empty");
});

Deno.test("describeAbsence() names no collection that the caller cannot read", () => {
  const describe = (caller: Caller, name: string) =>
    describeAbsence(
      storeWith("home/team", "home/team/a/b", "var/cache", "var/cache/p"),
      caller,
      name,
    );
  assertStrictEquals(describe(SCOPED, "home/team/a/x"), "nothing is here");
  assertEquals(describe(SCOPED, "home/team/a/b/x").includes("/home/team/a/b/"), true);
  assertEquals(describe(LOCAL, "var/cache/p/x").includes("GET /var/ lists"), true);
});

Deno.test("withAbsenceExplained() explains a missing world and throws every other error", async () => {
  const explain = (code: StoreError["code"], stat: () => WorldEntry | undefined) =>
    withAbsenceExplained(
      { ...storeWith(), stat },
      LOCAL,
      "home/x",
      "audit",
      Promise.reject(new StoreError(code, "Cannot audit the world: a reason", "home/x")),
    );
  const none = () => undefined;
  await assertRejects(
    () => explain("absent", none),
    (error: unknown) =>
      error instanceof Problem && error.type === "not-found" &&
      error.detail.startsWith("Cannot audit /home/x: nothing is here; GET /home/ lists"),
  );
  await assertRejects(() => explain("busy", none), StoreError);
  // Only the fields that are compared matter; the entry is never read.
  const entry = {} as WorldEntry;
  await assertRejects(() => explain("absent", () => entry), StoreError);
  assertStrictEquals(
    await withAbsenceExplained(storeWith(), LOCAL, "home/x", "audit", Promise.resolve(7)),
    7,
  );
});

Deno.test("assertSubject() names a path that can be the name of a world", () => {
  assertSubject("home/x", "/proc/log", "read the log of");
  const detailOf = (name: string) => {
    let detail = "";
    assertThrows(() => assertSubject(name, "/proc/log", "read"), (error: unknown) => {
      if (error instanceof Problem && error.type === "bad-name") detail = error.detail;
      return true;
    });
    return detail;
  };
  assertEquals(detailOf("a b").endsWith("such as /proc/log/home/a%20b"), true);
  assertEquals(detailOf("home").endsWith("GET /home/ lists its worlds"), true);
  assertEquals(detailOf("home/a:b").endsWith("it contains the character :"), true);
});

const test = suite("a 404 of a log or a listing says what would work", { env: CLOSED });

test("the detail names what exists and what the caller can read", async (server, t) => {
  const T2 = bearer(TOKEN);
  const T3 = bearer(APPROVE);
  for (const target of ["/home/team/a/x", "/home/team/secret/x"]) {
    await server.send({ method: "PUT", target, headers: T2, body: "x" });
  }
  await server.approve("PUT", "/var/cache/hidden/deeper/x", "x");
  const cap = bearer(server.capability("/home/team/b", "rw"));
  const world = (route: string): Scenario[] => [
    {
      title: "needs the whole path",
      send: `GET ${route}/nothing`,
      as: T2,
      status: 400,
      text: new RegExp(`such as ${route}/home/nothing"`),
    },
    {
      title: "names the route, or reads the log of the whole tree",
      send: `GET ${route}`,
      as: T2,
      ...(route === "/proc/log"
        ? { status: 200, lacks: [/hidden/] }
        : { status: 404, text: new RegExp(`such as ${route}/home/x"`) }),
    },
    {
      title: "names the closest collection",
      send: `GET ${route}/home/team/typo/x`,
      as: T2,
      status: 404,
      text: /nothing is here; GET \/home\/team\/ lists the closest collection above it/,
    },
    {
      title: "says that it is a collection",
      send: `GET ${route}/home/team/a`,
      as: T2,
      status: 404,
      text: /it is a collection, not a world; GET \/home\/team\/a\/ lists it/,
    },
    {
      title: "names nothing outside the capability",
      send: `GET ${route}/home/team/b/x`,
      as: cap,
      status: 404,
      text: /nothing is here"/,
      lacks: [/secret|lists/],
    },
  ];
  await runScenarios(t, server, [
    ...["/proc/log", "/proc/audit", "/proc/snapshot"].flatMap(world),
    {
      title: "names the closest collection",
      send: "GET /home/team/typo/",
      as: T2,
      status: 404,
      text: /Cannot list \/home\/team\/typo\/: nothing is here; GET \/home\/team\/ lists/,
    },
    {
      title: "names nothing outside the capability",
      send: "GET /home/team/b/",
      as: cap,
      status: 404,
      text: /nothing is here"/,
      lacks: [/lists/],
    },
    {
      title: "names the hidden collection to T3",
      send: "GET /var/cache/hidden/typo/",
      as: T3,
      status: 404,
      text: /GET \/var\/cache\/hidden\/ lists/,
    },
    {
      title: "answers 403 with nothing about what exists",
      send: "GET /var/cache/hidden/typo/",
      as: T2,
      status: 403,
      lacks: [/lists/],
    },
  ]);
});
