/** Servers over one PostgreSQL database, in this process, and starts that are refused. */

import { assert, assertEquals, assertMatch, assertRejects } from "../support/assert.ts";
import { ClusterStores } from "../support/cluster_stores.ts";
import { postgresTest, sharedServer } from "../support/postgres_servers.ts";
import { ConfigError, readConfig } from "../../lib/config.ts";
import { type RunningServer, startServer } from "../../lib/server/start.ts";
import { withTempFolder } from "../support/temp_folder.ts";
import { toKeyId } from "../../lib/world/key_id.ts";
import { fromCheckout, runProgram, startProgram } from "../project/program.ts";
import { STORE_WORKER } from "../support/store_worker.ts";
import { LEASE_MS } from "../../lib/cluster_limits.ts";

const MAIN = new URL("../../main.ts", import.meta.url).pathname;

const server = sharedServer();
const SECRETS = {
  ELASTIK_KEY: "the key of all nodes",
  ELASTIK_TOKEN: "token-of-all-nodes",
  ELASTIK_APPROVE_TOKEN: "approve-token-of-all-nodes",
};

const EVENTS = "SELECT name, id, hmac FROM elastik.events ORDER BY name, id";

function start(
  env: Readonly<Record<string, string>>,
  data: string,
  log: (line: string) => void = () => {},
): Promise<RunningServer> {
  const settings: Readonly<Record<string, string>> = {
    ELASTIK_PORT: "0",
    ELASTIK_DATA: data,
    ...env,
  };
  return startServer({
    config: readConfig((name) => settings[name]),
    env: (name) => settings[name],
    lowerWorlds: {},
    storeWorkerUrl: STORE_WORKER,
    log,
    onStoreFailure: () => {},
  });
}

function send(node: RunningServer, path: string, init: RequestInit = {}): Promise<Response> {
  const headers = { authorization: `Bearer ${SECRETS.ELASTIK_TOKEN}`, ...init.headers };
  return fetch(`${node.url}${path}`, { ...init, headers });
}

postgresTest(
  "two servers share the worlds of one database, without a data folder",
  () =>
    withTempFolder(async (folder) => {
      await using stores = await ClusterStores.create(server());
      const data = `${folder}/data`;
      const nodes: RunningServer[] = [];
      try {
        for (const node of ["a", "b"]) {
          const env = { ...SECRETS, ELASTIK_STORE: stores.url, ELASTIK_NODE: node };
          nodes.push(await start(env, data));
        }
        const [a, b] = nodes;
        assert(a !== undefined && b !== undefined);
        const written = await send(a, "/home/x", { method: "PUT", body: "one" });
        assertEquals([written.status, await written.text()], [201, '{"version":1,"ext":"txt"}\n']);
        const fresh = await send(b, "/home/x?raw", { headers: { "cache-control": "no-cache" } });
        assertEquals([fresh.status, await fresh.text()], [200, "one"]);
        const second = await send(b, "/home/x", {
          method: "PUT",
          body: "two",
          headers: { "if-match": written.headers.get("etag") ?? "" },
        });
        assertEquals(second.status, 200);
        await second.body?.cancel();
        const position = second.headers.get("elastik-at") ?? "";
        const seen = await send(a, "/home/x?raw", { headers: { "elastik-at": position } });
        assertEquals(await seen.text(), "two");
        // A position that no node knows, such as one from before a restart, costs a refresh; what no
        // node can have sent is refused.
        const [unknown, rubbish] = await Promise.all([
          send(a, "/home/x?raw", { headers: { "elastik-at": crypto.randomUUID() } }).then(text),
          send(a, "/home/x?raw", { headers: { "elastik-at": "rubbish" } }).then(text),
        ]);
        assertEquals([unknown.status, unknown.body, rubbish.status], [200, "two", 400]);
        // A position does not show that a world changed that its reader cannot read.
        const approve = { authorization: `Bearer ${SECRETS.ELASTIK_APPROVE_TOKEN}` };
        const hidden = await send(b, "/etc/shadow", { method: "PUT", body: "", headers: approve });
        const third = await send(b, "/home/x", { method: "PUT", body: "two" });
        assertEquals([hidden.status, third.status], [201, 200]);
        assertEquals(third.headers.get("elastik-at"), position);
        await Promise.all([hidden.body?.cancel(), third.body?.cancel()]);
        const lost = await send(a, "/home/x", {
          method: "PUT",
          body: "three",
          headers: { "if-match": written.headers.get("etag") ?? "" },
        });
        assertEquals(lost.status, 412);
        await lost.body?.cancel();
        assertEquals([...Deno.readDirSync(folder)], [], "no data folder was made");
      } finally {
        await Promise.all(nodes.map((node) => node.close()));
      }
    }),
);

postgresTest(
  "a node continues worlds that a retired key signed, after a new key became the one of the store",
  () =>
    withTempFolder(async (folder) => {
      await using stores = await ClusterStores.create(server());
      const data = `${folder}/data`;
      const env = { ...SECRETS, ELASTIK_STORE: stores.url, ELASTIK_NODE: "a" };
      await using first = await start(env, data).then(closing);
      const put = (body: string) => ({ method: "PUT", body });
      assertEquals((await text(await send(first.node, "/home/x", put("one")))).status, 201);
      // It changes nothing for a node that runs, or starts again, before the store has another key.
      const rotated = await runProgram(fromCheckout(folder, ["key", "rotate"], env));
      assertEquals(rotated.code, 0, rotated.stderr);
      assertEquals((await text(await send(first.node, "/home/y", put("one")))).status, 201);
      // What changes the facts of the store is refused while a node runs.
      const owner = { ELASTIK_KEY: "other", ELASTIK_STORE: asOwner(stores.url) };
      for (
        const [args, own] of [
          [["store", "rekey"], owner],
          [["store", "check", "--restored"], { ...owner, ELASTIK_KEY: SECRETS.ELASTIK_KEY }],
        ] as const
      ) {
        const refused = await runProgram(fromCheckout(folder, args, own));
        assertEquals([refused.code, refused.stdout], [1, ""], refused.stderr);
        assertMatch(refused.stderr, /: nodes run or ran until \d+ s ago: a; stop every node\n$/);
      }
      await first.node.close();
      const lines: string[] = [];
      await using again = await start(env, data, (line) => lines.push(line)).then(closing);
      const changes = (after: string) => `/proc/changes/home/?after=${after}`;
      const { cursor } = JSON.parse((await text(await send(again.node, changes("now")))).body);
      assertEquals((await text(await send(again.node, "/home/y", put("two")))).status, 200);
      assertMatch(
        lines.join("\n"),
        /^the key [0-9a-f]{16} of ELASTIK_KEY is retired, and still signs/m,
      );
      await again.node.close();
      const next = { ...env, ELASTIK_KEY: "the next key of all nodes" };
      const { ELASTIK_KEY } = next;
      const ELASTIK_STORE = asOwner(stores.url);
      const rekeyed = await runProgram(
        fromCheckout(folder, ["store", "rekey"], { ELASTIK_KEY, ELASTIK_STORE }),
      );
      assertEquals(rekeyed.code, 0, rekeyed.stderr);
      // Without it, the node would report valid chains as broken and refuse changes of their worlds.
      await assertRejects(() => start(next, `${folder}/other`), (error: Error) => {
        assert(error instanceof ConfigError, String(error));
        const id = toKeyId(SECRETS.ELASTIK_KEY);
        return new RegExp(`lacks the retired key ${id}, .*; copy .* elastik key add$`).test(
          error.message,
        );
      });
      await assertRejects(() => start(env, data), (error: Error) => {
        return /ELASTIK_KEY is a retired key of it/.test(error.message);
      });
      await using second = await start(next, data).then(closing);
      // Clients and plugins continue where they were.
      const since = await text(await send(second.node, changes(cursor)));
      assertMatch(since.body, /"name":"home\/y","id":2,/);
      const changed = await text(await send(second.node, "/home/x", put("two")));
      assertEquals(changed.status, 200, changed.body);
      const audit = await text(
        await send(second.node, "/proc/audit/home/x", {
          headers: { authorization: `Bearer ${SECRETS.ELASTIK_APPROVE_TOKEN}` },
        }),
      );
      assertMatch(audit.body, /"ok":true,"events":2,/);
    }),
);

/** The address of the database for its owner. */
function asOwner(url: string): string {
  return url.replace(/\/\/[^@]+@/, "//postgres@");
}

function closing(node: RunningServer) {
  return { node, [Symbol.asyncDispose]: () => node.close() };
}

async function text(response: Response): Promise<{ status: number; body: string }> {
  return { status: response.status, body: await response.text() };
}

postgresTest(
  "a server with ELASTIK_STORE refuses to start without what all nodes share",
  () =>
    withTempFolder(async (data) => {
      await using stores = await ClusterStores.create(server());
      const env = { ...SECRETS, ELASTIK_STORE: stores.url, ELASTIK_NODE: "a" };
      const empty = server().url("postgres");
      const cases: readonly (readonly [Readonly<Record<string, string | undefined>>, RegExp])[] = [
        [{ ELASTIK_KEY: undefined }, /ELASTIK_KEY is not set/],
        [{ ELASTIK_TOKEN: undefined }, /ELASTIK_TOKEN is not set/],
        [{ ELASTIK_NODE: undefined }, /ELASTIK_NODE is not set/],
        [{ ELASTIK_KEY: "another key" }, /ELASTIK_KEY is not its key/],
        [{ ELASTIK_STORE: "postgres://u@127.0.0.1:1/x" }, /no host is the primary/],
        [{ ELASTIK_STORE: "mysql://u@127.0.0.1/x" }, /Cannot read ELASTIK_STORE/],
        [{ ELASTIK_STORE: empty }, /the database has no store; run elastik store init/],
      ];
      for (const [change, expected] of cases) {
        const settings = Object.entries({ ...env, ...change })
          .filter((entry): entry is [string, string] => entry[1] !== undefined);
        await assertRejects(() => start(Object.fromEntries(settings), data), (error: Error) => {
          assert(error instanceof ConfigError, String(error));
          return expected.test(error.message) && !error.message.includes("\n");
        });
      }
    }),
);

postgresTest(
  "a server that was stopped for longer than its lease asks before it answers",
  () =>
    withTempFolder(async (folder) => {
      await using stores = await ClusterStores.create(server());
      const program = await startProgram({
        command: Deno.execPath(),
        args: ["run", "-A", "--no-lock", MAIN],
        cwd: folder,
        env: { ...SECRETS, ELASTIK_PORT: "0", ELASTIK_STORE: stores.url, ELASTIK_NODE: "stopped" },
      });
      try {
        assert(
          program.output().includes(`worlds in ${stores.url.split("?")[0]}\n`),
          program.output(),
        );
        const headers = { authorization: `Bearer ${SECRETS.ELASTIK_TOKEN}` };
        const read = async () =>
          await (await fetch(`${program.url}/home/x?raw`, { headers })).text();
        const other = await stores.open();
        const put = async (text: string) => {
          const body = new TextEncoder().encode(text);
          await other.put({ name: "home/x", body, ext: "txt", meta: [], by: "T2" });
        };
        const init = { method: "PUT", body: "one", headers };
        await (await fetch(`${program.url}/home/x`, init)).body?.cancel();
        assertEquals(await read(), "one");
        Deno.kill(program.pid, "SIGSTOP");
        await put("two");
        // The lease must end while the process stands still; nothing in it can tell of that.
        await new Promise((resume) => setTimeout(resume, LEASE_MS + 500));
        Deno.kill(program.pid, "SIGCONT");
        assertEquals(await read(), "two");
        assertEquals([...Deno.readDirSync(folder)], [], "it has no data folder");
      } finally {
        Deno.kill(program.pid, "SIGCONT");
        await program.stop();
      }
    }),
);

postgresTest(
  "a server that was stopped while the store got another key changes nothing with its own, and ends",
  () =>
    withTempFolder(async (folder) => {
      await using stores = await ClusterStores.create(server());
      const data = `${folder}/data`;
      const env = { ...SECRETS, ELASTIK_STORE: stores.url, ELASTIK_NODE: "stopped" };
      const program = await startProgram({
        command: Deno.execPath(),
        args: ["run", "-A", "--no-lock", MAIN],
        cwd: folder,
        env: { ...env, ELASTIK_PORT: "0" },
      });
      let isRunning = true;
      const headers = { authorization: `Bearer ${SECRETS.ELASTIK_TOKEN}` };
      const write = async (path: string, method: string) =>
        await text(await fetch(`${program.url}${path}`, { method, headers, body: "text" }));
      const sql = (query: string) => server().sql(query, "a", stores.database);
      const next = { ...env, ELASTIK_KEY: "the next key of all nodes" };
      try {
        assertEquals((await write("/home/x", "PUT")).status, 201);
        const rotated = await runProgram(fromCheckout(folder, ["key", "rotate"], env));
        assertEquals(rotated.code, 0, rotated.stderr);
        Deno.kill(program.pid, "SIGSTOP");
        const before = await sql(EVENTS);
        // As after 30 s in which nothing is heard of it.
        await sql("UPDATE elastik.nodes SET seen_at = '-infinity'");
        const waiting = [
          ...Array.from({ length: 20 }, (_, at) => write(`/home/new${at}`, "PUT")),
          ...Array.from({ length: 20 }, (_, at) => write("/home/x", at % 2 ? "PUT" : "POST")),
        ];
        const ended = Promise.allSettled(waiting);
        const owner = { ELASTIK_KEY: next.ELASTIK_KEY, ELASTIK_STORE: asOwner(stores.url) };
        const rekeyed = await runProgram(fromCheckout(folder, ["store", "rekey"], owner));
        assertEquals(rekeyed.code, 0, rekeyed.stderr);
        Deno.kill(program.pid, "SIGCONT");
        for (const outcome of await ended) {
          // One that the server did not read until its end has no answer.
          if (outcome.status === "rejected") continue;
          const { status, body } = outcome.value;
          assertEquals(status, 503, body);
          assertMatch(body, /: the store has another key now, and the server stops; nothing was/);
        }
        assertEquals((await program.ended()).code, 1);
        isRunning = false;
        assertEquals(await sql(EVENTS), before);
      } finally {
        if (isRunning) await program.stop("SIGKILL");
      }
      const failures = program.output().split("\n").filter((line) => /^The /.test(line));
      assertEquals(failures, [
        "The store failed: ELASTIK_KEY is a retired key of it; set ELASTIK_KEY to its present key; " +
        "start the server again",
      ]);
      await using second = await start(next, data).then(closing);
      assertEquals(
        (await text(await send(second.node, "/home/x", { method: "PUT", body: "two" }))).status,
        200,
      );
      const approve = { authorization: `Bearer ${SECRETS.ELASTIK_APPROVE_TOKEN}` };
      const audit = await text(await send(second.node, "/proc/audit/home/x", { headers: approve }));
      assertMatch(audit.body, /"ok":true,"events":2,/);
    }),
);
