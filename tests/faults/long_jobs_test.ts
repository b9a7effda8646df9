/**
 * Reads, writes and deletions never wait for audits and copies of long chains. These jobs are
 * shared, limited, and stopped when their clients disconnect.
 */

import { DatabaseSync } from "node:sqlite";
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { createChainSigner } from "../../lib/world/event_chain.ts";
import { readOpenMetrics } from "../support/open_metrics.ts";
import { assertInTime, withMoreTime } from "../support/slow_computer.ts";
import { withTempFolder } from "../support/temp_folder.ts";
import {
  bearer,
  KEY,
  startTestServer,
  type TestServer,
  type TestServerOptions,
} from "../support/test_server.ts";

/**
 * An audit of a chain of the first length takes about a second. What a test does in the meantime can take
 * longer on a busy computer: then it runs again with a longer chain.
 */
const EVENTS = [60_000, 240_000, 960_000];

function fileOf(data: string, name: string): string {
  return `${data}/${name.replaceAll("/", "%2F")}/universe.db`;
}

/** Appends valid events to the chain of a world while its server is stopped. */
function lengthenChain(data: string, name: string, events: number): void {
  const db = new DatabaseSync(fileOf(data, name));
  try {
    const sign = createChainSigner(KEY);
    const last = db.prepare("SELECT id, hmac FROM events ORDER BY id DESC LIMIT 1").get();
    let id = Number(last?.id);
    let head = String(last?.hmac);
    const add = db.prepare("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?)");
    db.exec("BEGIN");
    for (let i = 0; i < events; i++) {
      const hmac = sign(head, "2026-01-01T00:00:00.000Z", "remark", "{}");
      add.run(++id, "2026-01-01T00:00:00.000Z", "remark", "{}", hmac, head);
      head = hmac;
    }
    db.exec("COMMIT");
  } finally {
    db.close();
  }
}

/** Runs a test on a server with worlds that have long chains, and `/home/cold0` to `cold9`. */
function withLongChains(
  names: readonly string[],
  env: NonNullable<TestServerOptions["env"]>,
  use: (server: TestServer, url: string, events: number) => Promise<void>,
  lengths: readonly number[] = EVENTS,
): Promise<void> {
  return withMoreTime(lengths, (events) => withChains(names, env, use, events));
}

function withChains(
  names: readonly string[],
  env: NonNullable<TestServerOptions["env"]>,
  use: (server: TestServer, url: string, events: number) => Promise<void>,
  events: number,
): Promise<void> {
  return withTempFolder(async (folder) => {
    const data = `${folder}/data`;
    const first = await startTestServer({ data });
    for (const name of names) await first.approve("PUT", `/${name}`, "long");
    for (let i = 0; i < 10; i++) await first.approve("PUT", `/home/cold${i}`, `cold ${i}`);
    await first.stop();
    for (const name of names) lengthenChain(data, name, events);
    const server = await startTestServer({ data, env: { ELASTIK_CACHE: "0", ...env } });
    try {
      await use(server, `http://127.0.0.1:${server.port}`, events);
    } finally {
      await server.close();
    }
  });
}

/** Value of a metric without labels. */
async function metricOf(server: TestServer, name: string, limit?: string): Promise<number> {
  const headers = { accept: "application/openmetrics-text" };
  const { text } = await server.send({ method: "GET", target: "/proc/metrics", headers });
  const { samples = [] } = readOpenMetrics(text).get(name) ?? {};
  return samples.find(({ labels }) => labels["limit"] === limit)?.value ?? NaN;
}

/**
 * Waits until a metric has a value.
 *
 * @param isOver whether the job has ended, so that the metric never gets the value
 * @throws after a minute, with the last value
 */
async function untilMetric(
  server: TestServer,
  name: string,
  isReached: (value: number) => boolean,
  isOver: () => boolean = () => false,
): Promise<void> {
  const end = performance.now() + 60_000;
  for (;;) {
    const wasOver = isOver();
    const value = await metricOf(server, name);
    if (isReached(value)) return;
    assertInTime(!wasOver, `the audit ended while ${name} was ${value}`);
    if (performance.now() > end) throw new Error(`${name} is still ${value} after a minute`);
    await new Promise((resume) => setTimeout(resume, 1));
  }
}

Deno.test("reads, logs, history, writes and deletions of worlds are answered while audits run", () =>
  withLongChains(["home/long"], {}, async (server, url, events) => {
    let isAudited = false;
    const audits = Array.from({ length: 50 }, async () => {
      const response = await fetch(`${url}/proc/audit/home/long`);
      isAudited = true;
      return await response.text();
    });
    const isRunning = (running: number) => running > 0;
    await untilMetric(server, "elastik_long_jobs_running", isRunning, () => isAudited);
    for (
      const target of [
        "/home/cold1?raw",
        "/home/cold2",
        "/home/cold3?at=1",
        "/home/long?raw",
        "/proc/log/home/long",
        "/proc/log/home/long?before=5000&limit=1000",
        "/proc/audit/usr/share/doc/note.md",
        "/home/",
      ]
    ) assertEquals((await server.send({ method: "GET", target })).status, 200, target);
    assertEquals((await server.approve("PUT", "/home/cold4", "new")).status, 200);
    assertEquals((await server.approve("DELETE", "/home/cold5")).status, 200);
    const wasAudited = isAudited;
    const verdicts = new Set(await Promise.all(audits));
    // A request that waits for the audit does that for a chain of any length.
    assertInTime(!wasAudited, "a request waited for the audit");
    assertEquals(verdicts.size, 1);
    assertMatch([...verdicts][0] ?? "", new RegExp(`"ok":true,"events":${events + 1},`));
    const shared = await metricOf(server, "elastik_long_jobs_shared");
    assertInTime(shared >= 48, `${shared} audits were shared`);
  }));

Deno.test("reads of short worlds do not wait for reads of long bodies and old versions", () =>
  withLongChains(["home/long"], { ELASTIK_MAX_BODY: "20000000" }, async (server, url) => {
    const body = new Uint8Array(4_000_000);
    for (let i = 0; i < 8; i++) {
      body[0] = i;
      assertEquals((await server.approve("PUT", "/home/big", body)).status, 200 + Number(i === 0));
    }
    let remaining = 0;
    const reads = ["", ...Array.from({ length: 6 }, (_, i) => `&at=${i + 2}`)].map(
      async (query) => {
        remaining += 1;
        const response = await fetch(`${url}/home/big?raw${query}`);
        remaining -= 1;
        return [response.status, (await response.bytes()).length];
      },
    );
    const { status, body: text } = await fetch(`${url}/home/cold1?raw`);
    await text?.cancel();
    assertEquals(status, 200);
    const isFirst = remaining > 0;
    for (const found of await Promise.all(reads)) assertEquals(found, [200, body.length]);
    // All answers can arrive while this process stands still; a read that waits comes last each time.
    assertInTime(isFirst, "the read waited for all long reads");
  }, Array<number>(10).fill(0)));

Deno.test("an audit stops when all its clients have disconnected", () =>
  withLongChains(["home/long"], {}, async (server, url) => {
    for (let round = 1; round <= 3; round++) {
      const client = new AbortController();
      const { signal } = client;
      let isAudited = false;
      const audits = Promise.allSettled(
        Array.from({ length: 20 }, async () => {
          await fetch(`${url}/proc/audit/home/long`, { signal });
          isAudited = true;
        }),
      );
      const isRunning = (running: number) => running > 0;
      await untilMetric(server, "elastik_long_jobs_running", isRunning, () => isAudited);
      client.abort();
      await audits;
      const isIdle = (running: number) => running === 0;
      await untilMetric(server, "elastik_long_jobs_running", isIdle);
      const stopped = await metricOf(server, "elastik_long_jobs_stopped");
      assertInTime(stopped >= round, `${stopped} audits were stopped in ${round} rounds`);
    }
    assertEquals((await server.send({ method: "GET", target: "/home/cold1" })).status, 200);
  }));

Deno.test("a DELETE of a world does not wait for an audit of it", () =>
  withLongChains(["home/long"], {}, async (server, url) => {
    let isAudited = false;
    const audit = fetch(`${url}/proc/audit/home/long`).finally(() => isAudited = true);
    const isRunning = (running: number) => running > 0;
    await untilMetric(server, "elastik_long_jobs_running", isRunning, () => isAudited);
    assertEquals((await server.approve("DELETE", "/home/long")).status, 200);
    // The interrupted audit started again and found no world.
    const { status, body } = await audit;
    await body?.cancel();
    assertInTime(status !== 200, "the audit ended before the DELETE");
    assertEquals(status, 404);
  }));

Deno.test("audits beyond the limits get 503 with Retry-After, and a client cannot take every place", () => {
  const env = {
    ELASTIK_LONG_JOBS: "2",
    ELASTIK_LONG_JOBS_WAITING: "2",
    ELASTIK_LONG_JOBS_CLIENT: "1",
  };
  return withLongChains(["home/long", "home/other"], env, async (server, url) => {
    using stack = new DisposableStack();
    const client = new AbortController();
    stack.defer(() => client.abort());
    const audit = (name: string, init: RequestInit = {}) =>
      fetch(`${url}/proc/audit/home/${name}`, init);
    let isOver = false;
    const end = () => void (isOver = true);
    const running = audit("long", { signal: client.signal });
    running.then(end, end);
    const until = (name: string, count: number) =>
      untilMetric(server, name, (value) => value === count, () => isOver);
    await until("elastik_long_jobs_running", 1);
    const waiting = audit("cold1");
    await until("elastik_long_jobs_waiting", 1);
    const refused = await audit("cold2");
    assertInTime(!isOver, "the audit ended before another one was refused");
    assertEquals([refused.status, refused.headers.get("retry-after")], [503, "5"]);
    assertMatch(
      (await refused.json()).detail,
      /1 audits, copies and filtered logs of this client are waiting; at/,
    );
    // Another client has a place, and callers of a waiting job share it.
    const { signal } = client;
    const other = audit("other", { signal, headers: bearer(server.approveToken) });
    other.then(end, end);
    await until("elastik_long_jobs_running", 2);
    const shared = audit("cold1");
    await until("elastik_long_jobs_shared", 1);
    assertEquals(await metricOf(server, "elastik_long_jobs_refused", "client"), 1);
    client.abort();
    await Promise.allSettled([running, other]);
    for (const reply of await Promise.all([waiting, shared])) {
      assertEquals([reply.status, (await reply.json()).ok], [200, true]);
    }
  });
});

Deno.test("an audit after a change of the file by another program reports the change", () =>
  withLongChains(["home/long"], {}, async (server) => {
    const audit = async () =>
      JSON.parse((await server.send({ method: "GET", target: "/proc/audit/home/long" })).text);
    for (let i = 0; i < 2; i++) assertEquals((await audit()).ok, true);
    const db = new DatabaseSync(fileOf(server.data, "home/long"));
    db.exec("PRAGMA busy_timeout = 60000; UPDATE events SET payload = '{ }' WHERE id = 7");
    db.close();
    const { ok, chain } = await audit();
    assertEquals([ok, chain.broken_at], [false, 7]);
  }));

Deno.test("a shutdown does not wait for an audit", () =>
  withLongChains(["home/long"], {}, async (server, url) => {
    const audit = fetch(`${url}/proc/audit/home/long`).then(async (response) => {
      await response.body?.cancel();
      return response.status;
    });
    let isAudited = false;
    void audit.finally(() => isAudited = true);
    const isRunning = (running: number) => running > 0;
    await untilMetric(server, "elastik_long_jobs_running", isRunning, () => isAudited);
    const stopped = server.stop();
    // Either the audit ended in time, or the server refused it; in both cases it was answered.
    assert([200, 503].includes(await audit));
    await stopped;
  }));
