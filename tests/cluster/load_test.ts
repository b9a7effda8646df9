/**
 * The load and the judge against one server: a run with kills passes, and each of three deliberately
 * wrong servers is found. A scripted server shows how a client repeats its requests.
 */

import { assert, assertEquals } from "../support/assert.ts";
import { createRandom } from "../support/random.ts";
import { withTempFolder } from "../support/temp_folder.ts";
import { Cluster } from "./cluster.ts";
import { runUnderLoad, showViolations } from "./fault_run.ts";
import type { Call, Rule } from "./history.ts";
import { Load, type LoadOptions } from "./load.ts";
import { TcpProxy } from "./tcp_proxy.ts";

const SEED = crypto.getRandomValues(new Uint32Array(1))[0] ?? 1;
/** Acknowledged writes before and after each fault. */
const WRITES = 50;
/** Most milliseconds until a bad network cuts a connection. */
const MAX_CONNECTION_MS = 10_000;

Deno.test(`a run with SIGKILL and SIGSTOP of one server breaks no rule (seed ${SEED})`, () =>
  withTempFolder(async (folder) => {
    const cluster = await Cluster.start({ folder, env: { ELASTIK_SYNC: "normal" } });
    try {
      // Two addresses of one server are judged as two nodes.
      const urls = () => [...cluster.urls, ...cluster.urls];
      const headers = cluster.approval;
      const options = {
        seed: SEED,
        urls,
        headers,
        prefix: "home/run/",
        mix: { delete: 8, move: 8 },
      };
      const { report, violations, history, final } = await runUnderLoad(options, async (load) => {
        const [node] = cluster.nodes;
        await load.untilAcknowledged(WRITES);
        await node?.kill();
        await node?.start();
        await load.untilAcknowledged(WRITES);
        node?.stop();
        await new Promise((resume) => setTimeout(resume, 300));
        node?.cont();
        await load.untilAcknowledged(WRITES);
      });
      assertEquals(showViolations(violations), "");
      assertEquals(report.unexpected, []);
      // A run that does nothing would pass, too.
      assert(report.acknowledged >= 3 * WRITES && report.repeated > 0, JSON.stringify(report));
      assert(report.reads > 0 && report.refused > 0 && report.longestPauseMs >= 300);
      const kinds = new Set(history.calls.map(({ kind }) => kind));
      assertEquals([...kinds].sort(), ["append", "delete", "move", "prepend", "put", "read"]);
      assertEquals(history.streams.length, 2);
      for (const { events } of history.streams) assert(events.length > 2);
      for (const { rows } of history.changes) assert(rows.length > report.acknowledged / 2);
      assert(history.collections.every(({ worlds }) => worlds.size > 2));
      assert(
        [...final.timelines.values()].some((own) => own.some(({ kind }) => kind === "delete")),
      );
    } finally {
      await cluster.close();
    }
  }));

Deno.test(`a run over a network that cuts connections and stalls breaks no rule (seed ${SEED})`, () =>
  withTempFolder(async (folder) => {
    const cluster = await Cluster.start({ folder, env: { ELASTIK_SYNC: "normal" } });
    const random = createRandom(SEED);
    // Half of the connections last 120 ms at most, and some last seconds, which a slow computer needs.
    const cutAfterMs = () =>
      isCutting ? Math.min(20 + 100 * (1 / random() - 1), MAX_CONNECTION_MS) : undefined;
    let isCutting = true;
    const proxies = [1, 2].map(() => TcpProxy.start(cluster.randomUrl(), { cutAfterMs }));
    try {
      const { report, violations } = await runUnderLoad(
        {
          seed: SEED,
          urls: () => proxies.map(({ url }) => url),
          headers: cluster.approval,
          prefix: "home/run/",
          finalUrls: () => cluster.urls,
        },
        async (load) => {
          const [proxy] = proxies;
          await load.untilAcknowledged(WRITES);
          proxy?.stall();
          await load.untilAcknowledged(WRITES);
          // Requests of clients that have left arrive now.
          proxy?.heal();
          await load.untilAcknowledged(WRITES);
          isCutting = false;
        },
      );
      assertEquals(showViolations(violations), "");
      assertEquals(report.unexpected, []);
      assert(report.unknown > 0 && report.repeated > 0, JSON.stringify(report));
    } finally {
      await Promise.all(proxies.map((proxy) => proxy.close()));
      await cluster.close();
    }
  }));

/** Answers a request that a proxy received, or forwards it. */
type Forward = (request: Request) => Promise<Response>;

/** Wrong servers: a proxy each, with the rule that finds it. */
const WRONG: Record<
  string,
  { proxy: (forward: Forward, random: () => number) => Forward; rules: Rule[] }
> = {
  "acknowledges some PUTs without making them": {
    proxy: (forward, random) => async (request) => {
      if (request.method !== "PUT" || random() < 0.5) return await forward(request);
      const head = await forward(
        new Request(request.url, { method: "HEAD", headers: request.headers }),
      );
      const version = Number(/^"(\d+)-/.exec(head.headers.get("etag") ?? "")?.[1] ?? 0) + 1;
      return Response.json({ version, ext: "txt" });
    },
    rules: ["a", "f"],
  },
  "answers some reads from a copy that is too old": {
    proxy: (forward, random) => {
      const copies = new Map<string, Response>();
      return async (request) => {
        if (request.method !== "GET") return await forward(request);
        const copy = copies.get(request.url);
        if (copy !== undefined && random() < 0.5) return copy.clone();
        const response = await forward(request);
        if (response.ok && copy === undefined) copies.set(request.url, response.clone());
        return response;
      };
    },
    rules: ["c", "plain"],
  },
  "sends some writes twice": {
    proxy: (forward, random) => async (request) => {
      if (!["PUT", "POST"].includes(request.method) || random() < 0.5) {
        return await forward(request);
      }
      const again = request.clone();
      const lost = await forward(request);
      await lost.body?.cancel();
      return await forward(again);
    },
    rules: ["e"],
  },
};

Deno.test(`wrong servers are found (seed ${SEED})`, (t) =>
  withTempFolder(async (folder) => {
    const cluster = await Cluster.start({ folder, env: { ELASTIK_SYNC: "normal" } });
    try {
      for (const [i, [what, { proxy, rules }]] of Object.entries(WRONG).entries()) {
        await t.step(`a server that ${what}`, async () => {
          const forward: Forward = (request) => {
            const { pathname, search } = new URL(request.url);
            return fetch(new Request(`${cluster.randomUrl()}${pathname}${search}`, request));
          };
          const handle = proxy(forward, createRandom(SEED));
          const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, handle);
          const options: LoadOptions = {
            seed: SEED,
            urls: () => [`http://127.0.0.1:${server.addr.port}`],
            headers: cluster.approval,
            prefix: `home/wrong${i}/`,
            worlds: { mixed: 3, locked: 0, followed: 0 },
            mix: { delete: 0, move: 0 },
          };
          try {
            const { violations } = await runUnderLoad(
              { ...options, followers: 0, finalUrls: () => cluster.urls },
              (load) => load.untilAcknowledged(WRITES),
            );
            const found = new Set(violations.map(({ rule }) => rule));
            assert(rules.some((rule) => found.has(rule)), showViolations(violations));
          } finally {
            await server.shutdown();
          }
        });
      }
    } finally {
      await cluster.close();
    }
  }));

/** Sends PUTs of one client to a scripted server until some calls are recorded. */
async function record(
  answer: (request: Request, count: number) => Response,
  options: Partial<LoadOptions> = {},
  calls = 4,
): Promise<readonly Call[]> {
  let count = 0;
  const server = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen() {} },
    (request) => answer(request, count++),
  );
  const nothing = { put: 0, swap: 0, create: 0, append: 0, prepend: 0, delete: 0, move: 0 };
  const load = new Load({
    seed: 1,
    urls: () => [`http://127.0.0.1:${server.addr.port}`],
    headers: {},
    prefix: "home/x/",
    clients: 1,
    worlds: { mixed: 3, locked: 0, followed: 0 },
    mix: { ...nothing, put: 1, lock: 0, read: 0, fresh: 0 },
    ...options,
  });
  try {
    load.start();
    while (load.calls.length < calls) await new Promise((resume) => setTimeout(resume, 5));
    await load.stop();
    return load.calls.slice(0, calls);
  } finally {
    await server.shutdown();
  }
}

const made = () => Response.json({ version: 1 }, { status: 201 });
const problem = (status: number, type: string) =>
  new Response(JSON.stringify({ type: `/usr/share/doc/problems/${type}.md`, status }), {
    status,
    headers: { "retry-after": "0" },
  });

Deno.test("Load repeats a write that was answered 503 and changed nothing", async () => {
  const calls = await record((_, i) => i % 2 === 0 ? problem(503, "unreachable") : made());
  assertEquals(calls.map(({ outcome }) => outcome), ["ok", "ok", "ok", "ok"]);
});

Deno.test("Load repeats a write of unknown outcome only with an Idempotency-Key", async () => {
  const keys: (string | null)[] = [];
  const calls = await record(
    (request) => {
      const key = request.headers.get("idempotency-key");
      const isRepeated = key !== null && keys.includes(key);
      keys.push(key);
      return isRepeated ? made() : problem(503, "outcome-unknown");
    },
    {},
    8,
  );
  // One request without a key, two with a key.
  const outcomes = keys.filter((key, i) => key === null || keys.indexOf(key) !== i)
    .map((key) => key === null ? "unknown" : "ok");
  assertEquals(calls.map(({ outcome }) => outcome), outcomes.slice(0, 8));
  assert(new Set(outcomes).size === 2, outcomes.join());
});

Deno.test("Load does not record a refusal after a request that was not answered as a refusal", async () => {
  const keys: (string | null)[] = [];
  const calls = await record(
    (request) => {
      const key = request.headers.get("idempotency-key");
      const isFirst = key !== null && !keys.includes(key);
      keys.push(key);
      return isFirst ? problem(503, "outcome-unknown") : problem(412, "precondition-failed");
    },
    {},
    8,
  );
  const outcomes = keys.filter((key, i) => key === null || keys.indexOf(key) !== i)
    .map((key) => key === null ? "refused" : "unknown");
  assertEquals(calls.map(({ outcome }) => outcome), outcomes.slice(0, 8));
  assert(new Set(outcomes).size === 2, outcomes.join());
});

/** Locks a world at a server that has lost the lock when it is used. Returns the locks that the load lost. */
async function lostLocks(lockSeconds: number, lockMs: number, useMs: number) {
  let lockedAt = Infinity;
  const until = (ms: number) =>
    new Promise((resume) => setTimeout(resume, Math.max(0, lockedAt + ms - performance.now())));
  const server = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen() {} },
    async (request) => {
      if (request.method === "LOCK") {
        lockedAt = performance.now();
        await until(lockMs);
        return new Response("", { headers: { "lock-token": "<urn:uuid:1>" } });
      }
      if (!request.headers.has("if")) return made();
      await until(useMs);
      return problem(412, "precondition-failed");
    },
  );
  const nothing = { put: 0, swap: 0, create: 0, append: 0, prepend: 0, delete: 0, move: 0 };
  const load = new Load({
    seed: 1,
    urls: () => [`http://127.0.0.1:${server.addr.port}`],
    headers: {},
    prefix: "home/x/",
    clients: 1,
    worlds: { mixed: 0, locked: 1, followed: 0 },
    mix: { ...nothing, lock: 1, read: 0, fresh: 0 },
    lockSeconds,
  });
  try {
    load.start();
    while (!load.calls.some(({ status }) => status === 412)) {
      await new Promise((resume) => setTimeout(resume, 5));
    }
    await load.stop();
    return load.report().lostLocks;
  } finally {
    await server.shutdown();
  }
}

Deno.test("Load reports a lock that is lost before its time is over", async () => {
  const [lost] = await lostLocks(600, 0, 0);
  assertEquals(lost?.world, "home/x/l0");
});

Deno.test("Load counts the time of a lock from its request on", async () => {
  assertEquals(await lostLocks(1, 500, 1_001), []);
});

Deno.test("Load chooses the same calls with the same seed", async () => {
  const choices = async () => {
    const calls = await record(made, { mix: { read: 0, fresh: 0, lock: 0, swap: 0 } }, 30);
    return calls.map(({ kind, world, to, text, condition }) => [kind, world, to, text, condition]);
  };
  assertEquals(await choices(), await choices());
});

Deno.test("Load reports an answer that no client expects", async () => {
  const unexpected = () => new Response("boom", { status: 500 });
  const [call] = await record(unexpected, {}, 1);
  assertEquals(call?.outcome, "unknown");
});
