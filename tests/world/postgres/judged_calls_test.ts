import { assertEquals, assertRejects } from "../../support/assert.ts";
import { StoreError } from "../../../lib/world/store.ts";
import { withWriteChecks, WriteChecks } from "../../../lib/world/write_checks.ts";
import { JudgedCalls } from "../../../lib/world/postgres/judged_calls.ts";
import { Link } from "../../../lib/world/postgres/link.ts";
import type { Judged } from "../../../lib/world/postgres/queued_job.ts";
import { type Session, SessionError } from "../../../lib/world/postgres/session.ts";
import { parseStoreUrl } from "../../../lib/world/postgres/store_url.ts";

/** A database that refuses what is judged by older numbers than its own, and the node that follows it. */
class Node {
  readonly database = { guard: 0, authority: 0 };
  memory: Judged = { guard: 0, authority: 0 };
  /** What was sent, and what was waited for. */
  readonly log: string[] = [];
  readonly #session: Session = {
    isOpen: true,
    inTransaction: false,
    pid: 0,
    query: () => Promise.resolve([]),
    drop() {},
  };
  readonly calls = new JudgedCalls({
    link: { ask: (_role, run) => run(this.#session) },
    guard: () => this.memory,
    onGuardRaised: () => this.#follow("guard"),
    onAuthorityRaised: () => this.#follow("authority"),
  });

  send(): Promise<string> {
    return this.calls.ask((_, { guard, authority }) => {
      this.log.push(`${guard} ${authority}`);
      const code = guard < this.database.guard
        ? "EL001"
        : authority < this.database.authority
        ? "EL004"
        : undefined;
      if (code !== undefined) return Promise.reject(new SessionError(code, "older"));
      return Promise.resolve("made");
    });
  }

  #follow(what: keyof Judged): Promise<void> {
    this.log.push(what);
    this.memory = { ...this.memory, [what]: this.database[what] };
    return Promise.resolve();
  }
}

Deno.test("ask() judges a request again by what the database has", async () => {
  const node = new Node();
  let isCurrent = true;
  let judged = 0;
  const checks = new WriteChecks({
    pending: () => undefined,
    run() {
      judged++;
      if (!isCurrent) throw new StoreError("busy", "withdrawn");
    },
  });
  Object.assign(node.database, { guard: 3, authority: 5 });
  assertEquals(await withWriteChecks(checks, () => node.send()), "made");
  assertEquals(node.log.splice(0), ["0 0", "guard", "3 0", "authority", "3 5"]);
  assertEquals(judged, 3);
  isCurrent = false;
  await assertRejects(withWriteChecks(checks, () => node.send()), { code: "busy" });
  assertEquals(node.log, []);
  // Work of the server itself has no caller.
  assertEquals(await node.send(), "made");
});

Deno.test("ask() records an effect of the request only if something was changed", async () => {
  const node = new Node();
  for (const isChange of [true, false]) {
    const checks = new WriteChecks();
    const ask = () => node.calls.ask(() => Promise.resolve(isChange), (result) => result);
    assertEquals(await withWriteChecks(checks, ask), isChange);
    assertEquals(checks.hasEffect, isChange);
  }
});

Deno.test("ask() sends no number of accounts that are not known yet", async () => {
  const node = new Node();
  let isRead = false;
  const checks = new WriteChecks({
    pending: () =>
      isRead ? undefined : Promise.resolve().then(() => {
        isRead = true;
      }),
    run: () => {},
  });
  assertEquals(await withWriteChecks(checks, () => node.send()), "made");
  assertEquals(node.log, ["0 -1", "authority", "0 0"]);
});

Deno.test("ask() passes on other errors", async () => {
  const node = new Node();
  const failed = node.calls.ask(() => Promise.reject(new SessionError("42601", "syntax")));
  await assertRejects(failed, { code: "42601" });
  assertEquals(node.log, []);
});

Deno.test("ask() remembers that a try may have made the change, whatever the next ones find", async () => {
  const sent: string[] = [];
  let codes = ["lost", "EL001", "", ""];
  let isPermitted = true;
  const session: Session = {
    ...{ isOpen: true, inTransaction: false, pid: 0, drop: () => {} },
    query: (text) => {
      sent.push(text.includes("emit_message") ? "replicate" : text);
      const code = codes.shift() ?? "";
      return code === "" ? Promise.resolve([]) : Promise.reject(new SessionError(code, code));
    },
  };
  const link = await Link.connect({
    ...{ store: parseStoreUrl("postgres://u@a:1/db"), node: "n", sync: "full", listens: false },
    find: () => Promise.resolve({ host: { host: "a", port: 1 }, timeline: 1 }),
    open: () => Promise.resolve(session),
    log: () => {},
  });
  let follow = () => Promise.resolve();
  const calls = new JudgedCalls({
    link,
    guard: () => ({ guard: 0, authority: 0 }),
    onGuardRaised: () => follow(),
    onAuthorityRaised: () => follow(),
  });
  const checks = new WriteChecks({
    pending: () => undefined,
    run() {
      if (!isPermitted) throw new Error("withdrawn");
    },
  });
  const known: boolean[] = [];
  const change = () =>
    withWriteChecks(checks, () =>
      calls.ask((session, _, { mayHaveHappened }) => {
        known.push(mayHaveHappened);
        return session.query("x", []);
      }));
  await change();
  assertEquals(known, [false, true, true]);
  // What it finds made is acknowledged only after a commit that is replicated.
  assertEquals(sent.splice(0), ["x", "x", "x", "replicate"]);
  codes = ["lost", "EL004"];
  follow = () => Promise.reject(new StoreError("unreachable", "lost"));
  await assertRejects(change, { code: "unknown" });
  codes = ["lost", "EL004"];
  follow = () => {
    isPermitted = false;
    return Promise.resolve();
  };
  await assertRejects(change, { code: "unknown" });
  assertEquals(sent.filter((text) => text === "x").length, 4);
  link.close();
});
