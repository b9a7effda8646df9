/** Two nodes that agree over one real database; the tests set their clocks. */

import { assert, assertEquals, assertRejects } from "../../support/assert.ts";
import { PostgresDatabase } from "../../support/postgres_database.ts";
import { postgresTest, sharedServer } from "../../support/postgres_servers.ts";
import { DatabaseCoordination } from "../../../lib/world/postgres/database_coordination.ts";
import type { Session } from "../../../lib/world/postgres/session.ts";
import { StoreError } from "../../../lib/world/store.ts";
import { withWriteChecks, WriteChecks } from "../../../lib/world/write_checks.ts";
import { until } from "../../plugin/cell_fixture.ts";
import { eventually } from "../../plugin/plugin_test_server.ts";

const server = sharedServer();
/** Longest wait for a duty, in milliseconds: it only ends a test that would never end. */
const MAX_WAIT_MS = 120_000;

interface TestNode {
  readonly coordination: DatabaseCoordination;
  /** Milliseconds by which the clocks of the node are ahead. */
  ahead: number;
  /** Whether it can reach the database. */
  isCut: boolean;
}

/** @param leaseSeconds length of a lease; a node must renew it within the first half, on a slow computer too */
async function withNodes(
  leaseSeconds: number,
  run: (a: TestNode, b: TestNode, session: Session) => Promise<void>,
): Promise<void> {
  await using database = await PostgresDatabase.create(server());
  const open = async (node: string): Promise<TestNode> => {
    const session = await database.open();
    const state = { ahead: 0, isCut: false };
    const coordination = new DatabaseCoordination({
      link: {
        ask(_role, ask) {
          if (state.isCut) return Promise.reject(new StoreError("unreachable", "cut"));
          return ask(session);
        },
      },
      node,
      version: "1.2.3",
      health: () => ({ engine: "postgres", readable: true }),
      clocks: {
        monotonic: () => performance.now() + state.ahead,
        wall: () => Date.now() + state.ahead,
      },
      beatMs: 50,
      leaseSeconds,
      marginSeconds: leaseSeconds / 2,
      log: () => {},
    });
    return Object.assign(state, { coordination });
  };
  const [a, b] = [await open("a"), await open("b")];
  try {
    await run(a, b, await database.open());
  } finally {
    await Promise.all([a.coordination.stop(), b.coordination.stop()]);
  }
}

function handlersOf(name: string, calls: string[]) {
  return {
    onHeld: () => void calls.push(`${name} held`),
    onLost: () => void calls.push(`${name} lost`),
  };
}

postgresTest(
  "DatabaseCoordination.once() is true for one call of all nodes",
  () =>
    withNodes(10, async ({ coordination: a }, { coordination: b }, session) => {
      const calls = Array.from({ length: 10 }, () => [a.once("k", 60), b.once("k", 60)]).flat();
      assertEquals((await Promise.all(calls)).filter(Boolean).length, 1);
      assertEquals(await b.once("other", 60), true);
      await session.query("UPDATE elastik.once SET until = clock_timestamp() WHERE key = 'k'");
      assertEquals([await b.once("k", 60), await a.once("k", 60)], [true, false]);
      const again = "SELECT elastik.once_1('c', 'one call', 60) AS first";
      const answers = [await session.query(again), await session.query(again)];
      assertEquals(answers.map(([row]) => row?.first), [true, true], "a repeated call");
      await session.query("UPDATE elastik.once SET until = clock_timestamp()");
      await session.query("SELECT elastik.forget_coordination_1()");
      assertEquals((await session.query("SELECT count(*) AS n FROM elastik.once"))[0]?.n, 0);
    }),
);

postgresTest(
  "DatabaseCoordination.exclusive() runs actions of all nodes one after another",
  () =>
    withNodes(10, async ({ coordination: a }, { coordination: b }) => {
      let running = 0;
      let most = 0;
      const act = async () => {
        most = Math.max(most, ++running);
        await new Promise((resolve) => setTimeout(resolve, 5));
        running--;
      };
      const failing = assertRejects(a.exclusive("k", () => Promise.reject(new Error("x"))), {
        message: "x",
      });
      await Promise.all([failing, ...[a, b, a, b, b, a].map((node) => node.exclusive("k", act))]);
      assertEquals([most, running], [1, 0]);
      const open = Promise.withResolvers<void>();
      const held = a.exclusive("k", () => open.promise);
      assertEquals(await b.exclusive("other", () => Promise.resolve("free")), "free");
      open.resolve();
      await held;
    }),
);

postgresTest(
  "DatabaseCoordination.exclusive() refuses changes once the lease is lost for ever",
  () =>
    withNodes(8, async (a, { coordination: b }) => {
      const checks = new WriteChecks();
      await withWriteChecks(checks, async () => {
        const open = Promise.withResolvers<void>();
        const begun = Promise.withResolvers<void>();
        const first = a.coordination.exclusive("k", () => {
          checks.run();
          begun.resolve();
          return open.promise;
        });
        await begun.promise;
        // It keeps the lease for longer than one lease lasts.
        await new Promise((resolve) => setTimeout(resolve, 8_500));
        checks.run();
        a.isCut = true;
        assertEquals(await b.exclusive("k", () => Promise.resolve("taken")), "taken");
        a.isCut = false;
        await new Promise((resolve) => setTimeout(resolve, 200));
        try {
          checks.run();
          throw new Error("no error");
        } catch (error) {
          assert(error instanceof StoreError && error.code === "unreachable");
        }
        open.resolve();
        await first;
      });
    }),
);

postgresTest(
  "DatabaseCoordination.attempt() runs an action on one node at a time",
  () =>
    withNodes(10, async ({ coordination: a }, { coordination: b }) => {
      const open = Promise.withResolvers<void>();
      const begun = Promise.withResolvers<void>();
      const first = a.attempt("run", () => {
        begun.resolve();
        return open.promise;
      });
      await begun.promise;
      const never = () => Promise.reject(new Error("not reached"));
      assertEquals([await b.attempt("run", never), await a.attempt("run", never)], [false, false]);
      open.resolve();
      assertEquals([await first, await b.attempt("run", () => Promise.resolve())], [true, true]);
    }),
);

postgresTest(
  "DatabaseCoordination.duty() is held by one node, and by another one when it ends",
  () =>
    withNodes(10, async ({ coordination: a }, { coordination: b }) => {
      const calls: string[] = [];
      const first = a.duty("on", handlersOf("a", calls));
      await until(() => first.isHeld, MAX_WAIT_MS, "a has the duty");
      const second = b.duty("on", handlersOf("b", calls));
      const third = a.duty("on", handlersOf("a2", calls));
      await new Promise((resolve) => setTimeout(resolve, 150));
      assertEquals([second.isHeld, third.isHeld, calls], [false, false, ["a held"]]);
      await first.end();
      assertEquals([third.isHeld, calls], [true, ["a held", "a2 held"]]);
      await third.end();
      await until(() => second.isHeld, MAX_WAIT_MS, "b has the duty");
      assertEquals(calls, ["a held", "a2 held", "b held"]);
    }),
);

postgresTest(
  "DatabaseCoordination.duty() is lost before another node can have it",
  () =>
    withNodes(6, async (a, { coordination: b }) => {
      const calls: string[] = [];
      const first = a.coordination.duty("on", handlersOf("a", calls));
      await until(() => first.isHeld, MAX_WAIT_MS, "a has the duty");
      const second = b.duty("on", handlersOf("b", calls));
      a.isCut = true;
      await until(() => second.isHeld, MAX_WAIT_MS, "b has the duty");
      assertEquals(calls, ["a held", "a lost", "b held"]);
      a.isCut = false;
      await second.end();
      await until(() => first.isHeld, MAX_WAIT_MS, "a has the duty again");
      assertEquals(calls.at(-1), "a held");
    }),
);

postgresTest(
  "DatabaseCoordination.duty() begins anew if the node did not run for some time",
  () =>
    withNodes(10, async (a) => {
      const calls: string[] = [];
      const duty = a.coordination.duty("on", handlersOf("a", calls));
      await until(() => duty.isHeld, MAX_WAIT_MS, "a has the duty");
      a.ahead += 6_000;
      assertEquals(duty.isHeld, false, "by the clock, before any timer");
      await until(() => duty.isHeld, MAX_WAIT_MS, "a has it again");
      assertEquals(calls, ["a held", "a lost", "a held"]);
    }),
);

postgresTest(
  "DatabaseCoordination.claimRoutes() refuses routes that overlap those of another plugin",
  () =>
    withNodes(10, async ({ coordination: a }, { coordination: b }, session) => {
      await session.query(
        `INSERT INTO elastik.worlds (id, name, version, ext, headers, state, updated_at,
        len, sha256, event_id, event_hmac, event_at, by, body)
      SELECT n, 'lib/' || chr(96 + n), 1, 'ts', '[]', 'active', '', 0, '', 1, '', '', 'T2', ''
      FROM generate_series(1, 4) AS x(n)`,
      );
      assertEquals(await a.claimRoutes("lib/a", ["/a", "/x/y", "fallback"]), undefined);
      assertEquals(await a.claimRoutes("lib/a", ["/a", "/x/y", "fallback"]), undefined);
      for (const routes of [["/a"], ["/b", "/a/deep"], ["/x"], ["fallback"]]) {
        assertEquals(await b.claimRoutes("lib/b", routes), "lib/a", routes.join());
      }
      assertEquals(await b.claimRoutes("lib/b", ["/ab", "/x/yz"]), undefined);
      const both = await Promise.all([
        a.claimRoutes("lib/c", ["/new"]),
        b.claimRoutes("lib/d", ["/new/deep"]),
      ]);
      assertEquals(both.filter((other) => other === undefined).length, 1);
      assertEquals(await a.claimRoutes("lib/a", ["/z"]), undefined);
      const rows = await session.query("SELECT path FROM elastik.routes WHERE plugin = 'lib/a'");
      assertEquals(rows.map(({ path }) => path), ["/z"]);
      // A plugin that another node has disabled takes none.
      await session.query("DELETE FROM elastik.routes WHERE plugin = 'lib/a'");
      await session.query("UPDATE elastik.worlds SET state = 'disabled' WHERE name = 'lib/a'");
      assertEquals(await a.claimRoutes("lib/a", ["/z"]), undefined);
      const left = await session.query("SELECT path FROM elastik.routes WHERE plugin = 'lib/a'");
      assertEquals(left, []);
    }),
);

postgresTest(
  "DatabaseCoordination.nodes() lists what each node reports about itself",
  () =>
    withNodes(10, async ({ coordination: a }, { coordination: b }, session) => {
      const run = { cron: "* * * * *", started_at: "2026-01-01T00:00:00.000Z", result: "ok" };
      const plugins = { "lib/p": { up: false, fault: "no GPU", cron: [run], delivers: true } };
      a.report(() => ({ url: "http://a", plugins }));
      a.start();
      b.start();
      await eventually(
        async () => (await a.nodes()).length === 2 ? true : undefined,
        "both have reported",
      );
      const [first, second] = await b.nodes();
      assertEquals({ ...first, ageMs: 0 }, {
        id: "a",
        url: "http://a",
        version: "1.2.3",
        readable: true,
        ageMs: 0,
        plugins,
      });
      assertEquals([second?.id, second?.plugins], ["b", {}]);
      // What another version of the program reports is read as far as it is known.
      const odd = { readable: 1, lease_age_ms: 5, plugins: { "lib/q": { up: 2, cron: [1, {}] } } };
      await session.query(
        "INSERT INTO elastik.nodes VALUES ('c', '', '', $1::jsonb, clock_timestamp())",
        [JSON.stringify(odd)],
      );
      const [, , other] = await a.nodes();
      assertEquals([other?.readable, other?.leaseAgeMs, other?.plugins], [false, 5, {
        "lib/q": { up: false, cron: [] },
      }]);
    }),
);
