import { assert, assertEquals, assertRejects, errorWith } from "../../support/assert.ts";
import {
  BUSY_ANSWER_MS,
  PRIMARY_ANSWER_MS,
  SHORT_SEARCHES,
  START_ANSWER_MS,
} from "../../../lib/cluster_limits.ts";
import { StoreError } from "../../../lib/world/store.ts";
import { CommitsWait } from "../../../lib/world/commits_wait.ts";
import { PostgresDatabase } from "../../support/postgres_database.ts";
import { serversTest } from "../../support/postgres_servers.ts";
import { Link, type LinkOptions } from "../../../lib/world/postgres/link.ts";
import type { Primary } from "../../../lib/world/postgres/primary.ts";
import { type Session, SessionError } from "../../../lib/world/postgres/session.ts";
import { WRITE_SESSIONS } from "../../../lib/cluster_limits.ts";
import { parseStoreUrl } from "../../../lib/world/postgres/store_url.ts";

/** Two servers, one of which is the primary. */
class Servers {
  primary: Primary | undefined = { host: { host: "a", port: 1 }, timeline: 1 };
  searches = 0;
  /** Timelines below which no primary was wanted. */
  readonly above: number[] = [];
  /** Milliseconds that the hosts had for each search. */
  readonly deadlines: number[] = [];
  readonly log: string[] = [];
  /** Host and statement of everything that was sent. */
  readonly sent: string[] = [];
  readonly open: { host: string; session: Session }[] = [];
  notify: (() => void) | undefined;
  /** Replaces answers. */
  answer: (host: string) => Promise<readonly []> = () => Promise.resolve([]);

  options(more: Partial<LinkOptions> = {}): LinkOptions {
    return {
      store: parseStoreUrl("postgres://u@a:1,b:2/db"),
      node: "n",
      sync: "full",
      listens: true,
      find: (_store, above, deadlineMs) => {
        this.searches++;
        this.deadlines.push(deadlineMs);
        this.above.push(above);
        const { primary } = this;
        if (primary !== undefined) return Promise.resolve(primary);
        return Promise.reject(new SessionError("refused", "no host is the primary"));
      },
      open: ({ host }, { settings, onNotification }) => {
        this.notify = () => onNotification?.("");
        let isOpen = true;
        const session: Session = {
          get isOpen() {
            return isOpen;
          },
          inTransaction: false,
          pid: 0,
          query: async (text) => {
            this.sent.push(`${host} ${text} ${settings?.synchronous_commit ?? ""}`.trim());
            return await this.answer(host);
          },
          drop: () => {
            isOpen = false;
          },
        };
        this.open.push({ host, session });
        return Promise.resolve(session);
      },
      log: (line) => this.log.push(line),
      ...more,
    };
  }

  /** Another server is promoted. */
  promote(host: string, timeline: number): void {
    this.primary = { host: { host, port: 2 }, timeline };
  }
}

/** Returns a test for an error of the store. */
function withCode(code: string) {
  return (error: unknown): error is StoreError =>
    error instanceof StoreError && error.code === code;
}

const REPLICATED = "a SELECT pg_logical_emit_message(true, 'elastik', '')";

const ask = (link: Link, ms?: number) => link.ask("read", (session) => session.query("x"), ms);

Deno.test("Link asks the primary again on a new session after one was lost", async () => {
  const servers = new Servers();
  const link = await Link.connect(servers.options());
  let failures = 2;
  servers.answer = () => {
    if (failures-- > 0) return Promise.reject(new SessionError("lost", "the session ended"));
    return Promise.resolve([]);
  };
  const { read } = link;
  await ask(link);
  assertEquals(servers.sent, ["a x", "a x", "a x"]);
  assertEquals(link.read, read, "the pools of the same primary stay");
  assertEquals([link.searches, link.switches], [2, 0]);
  assertEquals(servers.above, [0, 1, 1]);
  link.close();
});

Deno.test("Link changes to the new primary and drops the sessions of the old one", async () => {
  const servers = new Servers();
  let told = 0;
  const link = await Link.connect(servers.options({ onPrimary: () => told++ }));
  await ask(link);
  const before = link.write;
  servers.promote("b", 2);
  servers.answer = (host) =>
    host === "b" ? Promise.resolve([]) : Promise.reject(new SessionError("late", "no answer"));
  await ask(link);
  assertEquals(link.timeline, 2);
  assertEquals(link.primary.host, "b");
  assertEquals(servers.sent.at(-1), "b x");
  assertEquals(told, 1);
  assertEquals(
    servers.open.filter(({ host }) => host === "a").map(({ session }) => session.isOpen),
    [
      false,
    ],
  );
  await assertRejects(() => before.use(() => Promise.resolve()), SessionError);
  assertEquals(servers.searches, 2);
  await link.reconnect(before);
  assertEquals(servers.searches, 2, "a pool of the old primary needs no search");
  link.close();
});

Deno.test("Link shares one search between all sessions that failed", async () => {
  const servers = new Servers();
  const link = await Link.connect(servers.options());
  servers.promote("b", 2);
  servers.answer = (host) =>
    host === "b" ? Promise.resolve([]) : Promise.reject(new SessionError("lost", "gone"));
  await Promise.all([ask(link), ask(link), ask(link)]);
  assertEquals(servers.searches, 2);
  link.close();
});

Deno.test("Link says in the log that a primary which was lost is back, whichever host it is", async (t) => {
  for (const [host, timeline, line] of [["a", 1, "a:1 again"], ["b", 2, "b:2 now"]] as const) {
    await t.step(line, async () => {
      const servers = new Servers();
      let losses = 1;
      const link = await Link.connect(servers.options({
        log: (text) => {
          servers.log.push(text);
          // It is back after the line about the loss.
          if (servers.log.length === 1) {
            servers.primary = { host: { host, port: timeline }, timeline };
          }
        },
      }));
      servers.answer = () => {
        if (losses-- > 0) return Promise.reject(new SessionError("lost", "gone"));
        return Promise.resolve([]);
      };
      servers.primary = undefined;
      await ask(link);
      assertEquals(servers.log, [
        "no host is the primary",
        `the primary of the database is ${line}`,
      ]);
      link.close();
    });
  }
});

Deno.test("Link says nothing in the log about a search that finds the same primary at once", async () => {
  const servers = new Servers();
  const link = await Link.connect(servers.options());
  let losses = 1;
  servers.answer = () => {
    if (losses-- > 0) return Promise.reject(new SessionError("lost", "gone"));
    return Promise.resolve([]);
  };
  await ask(link);
  assertEquals([link.searches, servers.log], [1, []]);
  link.close();
});

Deno.test("Link gives busy hosts more time after some searches that found no primary", async () => {
  const servers = new Servers();
  const link = await Link.connect(servers.options({
    find(_store, above, deadlineMs) {
      servers.deadlines.push(deadlineMs);
      const { length } = servers.deadlines;
      if (length === 1) return Promise.resolve({ host: { host: "a", port: 1 }, timeline: 1 });
      if (length > SHORT_SEARCHES + 2) {
        return Promise.resolve({ host: { host: "b", port: 2 }, timeline: above + 1 });
      }
      return Promise.reject(new SessionError("refused", "no host is the primary"));
    },
  }));
  await link.reconnect(link.read);
  const short = Array.from({ length: SHORT_SEARCHES + 1 }, () => PRIMARY_ANSWER_MS);
  assertEquals(servers.deadlines, [...short, BUSY_ANSWER_MS, BUSY_ANSWER_MS]);
  link.close();
});

Deno.test("Link.connect() asks again, for longer, if a host was late", async () => {
  const servers = new Servers();
  const late = new SessionError("refused", "the host did not answer");
  const find = (isLate: boolean) => async (_store: unknown, _above: number, ms: number) => {
    servers.deadlines.push(ms);
    if (ms === START_ANSWER_MS) return { host: { host: "a", port: 1 }, timeline: 1 };
    if (isLate) await new Promise((resume) => setTimeout(resume, ms));
    throw late;
  };
  const link = await Link.connect(servers.options({ find: find(true) }));
  assertEquals(servers.deadlines, [PRIMARY_ANSWER_MS, 4 * PRIMARY_ANSWER_MS, START_ANSWER_MS]);
  link.close();
  await assertRejects(
    () => Link.connect(servers.options({ find: find(false) })),
    (error: unknown) => error === late,
  );
});

Deno.test("Link.ask() has a change that it repeats replicated before its answer counts", async () => {
  const servers = new Servers();
  const link = await Link.connect(servers.options());
  const outcomes = ["lost", "refused", "", "late", ""];
  servers.answer = () => {
    const code = outcomes.shift() ?? "";
    return code === "" ? Promise.resolve([]) : Promise.reject(new SessionError(code, "no"));
  };
  // The repeated change can find that it has happened, on no standby yet. So can a commit that was late.
  await link.ask("write", (session) => session.query("x"));
  const made = ["a x", "a x", "a x", REPLICATED, "a x", REPLICATED];
  assertEquals(servers.sent.splice(0), made);
  outcomes.push("lost");
  await ask(link);
  outcomes.push("refused");
  await link.ask("write", (session) => session.query("x"));
  assertEquals(servers.sent, ["a x", "a x", "a x", "a x"]);
  link.close();
});

Deno.test("Link.ask() says that a change may have been made once it was sent", async () => {
  const servers = new Servers();
  const link = await Link.connect(servers.options());
  const run = (session: Session) => session.query("x");
  const change = (ms?: number) => link.ask("write", run, ms);
  const outcomes: string[] = [];
  servers.answer = () => {
    const code = outcomes.shift() ?? "lost";
    return code === "" ? Promise.resolve([]) : Promise.reject(new SessionError(code, code));
  };
  // The time is over: the answers of all tries, or of the first one, were lost.
  for (const last of ["lost", "refused", "57014"]) {
    outcomes.push("late", ...Array.from({ length: 99 }, () => last));
    await assertRejects(() => change(20), withCode("unknown"));
    outcomes.length = 0;
  }
  // A later try decides nothing about the first one.
  for (const last of ["53100", "42601"]) {
    outcomes.push("lost", last);
    await assertRejects(() => change(), withCode("unknown"));
  }
  const withdrawn = new Error("withdrawn");
  let tries = 0;
  const refused = () =>
    link.ask("write", (session) => tries++ === 0 ? run(session) : Promise.reject(withdrawn));
  await assertRejects(refused, (error) => withCode("unknown")(error) && tries === 2);
  // Nothing was sent, or what was sent changed nothing.
  for (const code of ["refused", "57014"]) {
    outcomes.push(...Array.from({ length: 99 }, () => code));
    await assertRejects(() => change(20), withCode("unreachable"));
    outcomes.length = 0;
  }
  await assertRejects(() => ask(link, 20), withCode("unreachable"));
  const closing = assertRejects(() => change(), withCode("unknown"));
  link.close();
  await closing;
  await assertRejects(() => change(), withCode("closed"));
});

Deno.test("Link.ask() does not take a session that could not be opened for a change that was sent", async () => {
  const servers = new Servers();
  const link = await Link.connect(servers.options({
    open: () => Promise.reject(new SessionError("late", "no answer")),
  }));
  const change = () => link.ask("write", (session) => session.query("x"), 20);
  await assertRejects(change, withCode("unreachable"));
  link.close();
});

Deno.test("Link.ask() says that the disk of the database is full", async () => {
  const servers = new Servers();
  const link = await Link.connect(servers.options());
  servers.answer = () => Promise.reject(new SessionError("53100", "No space left on device"));
  const run = (session: Session) => session.query("x");
  await assertRejects(() => link.ask("write", run), withCode("full"));
  await assertRejects(() => link.ask("read", run), withCode("unreachable"));
  assertEquals(servers.sent.length, 2, "it is asked once");
  link.close();
});

Deno.test("the error of Link.ask() has the reason of the newest search, which names every host", async () => {
  const servers = new Servers();
  const link = await Link.connect(servers.options());
  servers.primary = undefined;
  servers.answer = () => Promise.reject(new SessionError("lost", "the session with a ended"));
  await assertRejects(() => ask(link, 20), (error: unknown) => {
    assert(withCode("unreachable")(error), String(error));
    assertEquals(
      error.message,
      "Cannot reach the database: no host is the primary",
    );
    return true;
  });
  assertEquals(
    link.createUnreachableError(undefined, "home/a").message,
    "Cannot reach the database: no host is the primary",
  );
  link.close();
});

for (const code of ["late", "55P03"]) {
  Deno.test(`Link.ask() says that commits wait for a standby, after ${code}`, async () => {
    const servers = new Servers();
    const link = await Link.connect(servers.options());
    assertEquals(link.commitsWait, false);
    servers.primary = { host: { host: "a", port: 1 }, timeline: 1, standbyWait: "commits wait" };
    servers.answer = () => Promise.reject(new SessionError(code, "no answer"));
    await assertRejects(() => ask(link, 20), (error: unknown) => {
      assert(error instanceof CommitsWait, String(error));
      assertEquals(error.message, "The database does not confirm commits: commits wait");
      return true;
    });
    assertEquals([link.commitsWait, servers.log], [true, ["commits wait"]]);
    // The next search finds that they do not wait any more.
    servers.primary = { host: { host: "a", port: 1 }, timeline: 1 };
    await link.reconnect(link.read);
    assertEquals(link.commitsWait, false);
    link.close();
  });
}

Deno.test("Link.ask() fails with unreachable when there is no primary for too long", async () => {
  const servers = new Servers();
  const link = await Link.connect(servers.options());
  servers.answer = () => Promise.reject(new SessionError("lost", "the server has gone"));
  servers.primary = undefined;
  await assertRejects(() => ask(link, 20), withCode("unreachable"));
  assertEquals(servers.log, ["no host is the primary"], "a fault is logged once");
  servers.answer = () => Promise.resolve([]);
  servers.promote("b", 2);
  await ask(link);
  link.close();
});

Deno.test("Link.ask() passes on the error of a statement", async () => {
  const servers = new Servers();
  const link = await Link.connect(servers.options());
  servers.answer = () => Promise.reject(new SessionError("42601", "syntax error"));
  await assertRejects(() => ask(link), errorWith(SessionError, "syntax error"));
  assertEquals(servers.searches, 1);
  link.close();
});

Deno.test("Link.ask() repeats a statement that failed for a passing reason", async () => {
  const servers = new Servers();
  const link = await Link.connect(servers.options());
  const codes = ["57014", "40P01", "40001"];
  servers.answer = () => {
    const code = codes.shift();
    return code === undefined
      ? Promise.resolve([])
      : Promise.reject(new SessionError(code, "cancelled"));
  };
  await ask(link);
  assertEquals([servers.sent.length, servers.searches], [4, 1]);
  servers.answer = () => Promise.reject(new SessionError("57014", "cancelled"));
  await assertRejects(() => ask(link, 20), withCode("unreachable"));
  link.close();
});

Deno.test("Link.ask() looks for the primary when a server became a standby", async () => {
  const servers = new Servers();
  const link = await Link.connect(servers.options());
  servers.promote("b", 2);
  servers.answer = (host) =>
    host === "b"
      ? Promise.resolve([])
      : Promise.reject(new SessionError("25006", "read-only transaction"));
  await ask(link);
  assertEquals(link.timeline, 2);
  link.close();
});

Deno.test("Link listens on the session of the feed only, unless it polls", async () => {
  const servers = new Servers();
  let notified = 0;
  const link = await Link.connect(servers.options({ onNotification: () => notified++ }));
  await link.ask("feed", (session) => session.query("y"));
  assertEquals(servers.sent, ["a LISTEN elastik", "a y"]);
  servers.notify?.();
  assertEquals(notified, 1);
  link.close();
  const polling = await Link.connect(servers.options({ listens: false, sync: "normal" }));
  await polling.ask("feed", (session) => session.query("z"));
  assertEquals(servers.sent.at(-1), "a z local");
  assertEquals(servers.sent.length, 3);
  polling.close();
});

Deno.test("Link fails with closed after its end", async () => {
  const servers = new Servers();
  const link = await Link.connect(servers.options());
  await ask(link);
  link.close();
  await assertRejects(() => ask(link), withCode("closed"));
  assertEquals(servers.open.every(({ session }) => !session.isOpen), true);
});

Deno.test("Link.close() ends a search", async () => {
  const servers = new Servers();
  const link = await Link.connect(servers.options());
  servers.primary = undefined;
  servers.answer = () => Promise.reject(new SessionError("lost", "gone"));
  const asking = assertRejects(() => ask(link), withCode("closed"));
  link.close();
  await asking;
});

serversTest(
  "commits that wait for a standby take a bounded number of sessions, and none is acknowledged before",
  { servers: 2, synchronous: "b" },
  async (servers) => {
    await using database = await PostgresDatabase.create(servers);
    const operator = await database.open();
    const count = async (condition: string) => {
      const [row] = await operator.query(
        `SELECT count(*) AS count FROM pg_stat_activity
         WHERE application_name = 'elastik/n' AND ${condition}`,
      );
      return Number(row?.count);
    };
    const link = await Link.connect({
      ...{ store: database.url, node: "n", sync: "full", listens: false },
      log: () => {},
    });
    try {
      await servers.pause("b");
      const mark = (name: string, deadlineMs?: number) =>
        link.ask(
          "write",
          (session) => session.query("SELECT elastik.mark_1($1, true, 0, 0)", [name], deadlineMs),
          deadlineMs === undefined ? 600_000 : 0,
        );
      // A wait that is cancelled has committed, and what is repeated finds nothing to change.
      let isMarked = false;
      const marked = mark("home/cancelled").then(() => isMarked = true);
      const WAITS = "wait_event = 'SyncRep'";
      while (await count(WAITS) === 0);
      await operator.query(
        "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'",
      );
      while (!isMarked && await count(`${WAITS} AND query LIKE '%emit_message%'`) === 0);
      assert(!isMarked, "it was acknowledged, and no standby has it");
      servers.resume("b");
      await marked;
      await servers.pause("b");
      // What was sent may be made; what found no session was not sent. Within the deadline a slow server, too,
      // begins what was sent: it does not work for a session before that.
      let sent = 0;
      for (let i = 0; i < 8 * WRITE_SESSIONS; i++) {
        const error: unknown = await mark(`home/${i}`, 500).catch((error) => error);
        if (withCode("unknown")(error)) sent++;
        else assert(withCode("unreachable")(error), String(error));
      }
      assert(sent > 0 && sent <= WRITE_SESSIONS + 2, `${sent} were sent`);
      const waiting = await count("true");
      assert(waiting <= WRITE_SESSIONS + 2, `${waiting} sessions`);
      servers.resume("b");
      await mark("home/x");
      assert(await count("true") <= WRITE_SESSIONS + 2);
    } finally {
      link.close();
      servers.resume("b");
    }
  },
);
