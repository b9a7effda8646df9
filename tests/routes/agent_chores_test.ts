/**
 * Two agents do the chores of a shared folder, each with a capability of its own, and the test counts their
 * requests. A chore that needs more requests than stated here costs every agent time and tokens.
 */

import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { eventually } from "../plugin/plugin_test_server.ts";
import { bearer, CLOSED, suite, type TestServer, TOKEN } from "../support/test_server.ts";

/** Requests for the whole list of chores of one agent. */
const MAX_REQUESTS = 60;
const JSON_TYPE = { "content-type": "application/json" };
const AS_JSON = { accept: "application/json" };

/** An agent that counts its requests. */
class Agent {
  count = 0;
  readonly #headers: Record<string, string>;

  constructor(readonly server: TestServer, token: string) {
    this.#headers = bearer(token);
  }

  /** Sends one request; fails if the status is another one. */
  async ask(
    line: string,
    expected: number,
    body?: string,
    headers: Record<string, string> = {},
  ): Promise<string> {
    this.count += 1;
    const space = line.indexOf(" ");
    const request = {
      method: line.slice(0, space),
      target: line.slice(space + 1),
      headers: { ...this.#headers, ...headers },
    };
    const reply = await this.server.send(body === undefined ? request : { ...request, body });
    assertEquals(reply.status, expected, `${line}: ${reply.text.slice(0, 300)}`);
    return reply.text;
  }

  edit(path: string, change: unknown, expected = 200): Promise<string> {
    return this.ask(`PATCH ${path}`, expected, JSON.stringify(change), JSON_TYPE);
  }

  /** Runs a chore and returns the number of its requests. */
  async counted(chore: () => Promise<unknown>): Promise<number> {
    const before = this.count;
    await chore();
    return this.count - before;
  }
}

async function mint(server: TestServer, name: string): Promise<Agent> {
  const target = `/auth/mint?prefix=/home/team&mode=rwd&name=${name}`;
  const headers = bearer(server.approveToken);
  const { status, text } = await server.send({ method: "POST", target, headers }, true);
  assertEquals(status, 200, text);
  const { token } = JSON.parse(text);
  server.secrets.add(token);
  return new Agent(server, token);
}

function put(server: TestServer, target: string, body: string) {
  return server.send({ method: "PUT", target, headers: bearer(TOKEN), body });
}

const test = suite("agents do their chores with few requests", { env: CLOSED });

test("one request finds a word, changes a line, ticks an entry and reads a changelog", async (server) => {
  for (let at = 0; at < 40; at++) {
    await put(
      server,
      `/home/team/notes/${at}.md`,
      `# Note ${at}\n${at === 17 ? "Zugspitze" : "…"}\n`,
    );
  }
  await put(server, "/home/team/todo.md", "- [ ] one\n- [ ] two\n");
  const agent = await mint(server, "kestrel");
  // The index follows changes within two seconds.
  await eventually(async () => {
    const target = "/proc/search/home/team/?q=zugspitze";
    const { text } = await server.send({ method: "GET", target, headers: bearer(TOKEN) });
    return text.includes("17.md") ? true : undefined;
  }, "the word in the index");
  const found = await agent.counted(async () => {
    const text = await agent.ask("GET /proc/search/home/team/?q=zugspitze", 200);
    assertEquals(text, "/home/team/notes/17.md:2: Zugspitze\n");
  });
  assertEquals(found, 1);
  const prepended = await agent.counted(async () => {
    for (let at = 0; at < 10; at++) {
      await agent.edit(`/home/team/notes/${at}.md`, { prepend: "Reviewed by kestrel\n" });
    }
  });
  assertEquals(prepended, 10);
  assertMatch(
    await agent.ask("GET /home/team/notes/3.md?raw", 200),
    /^Reviewed by kestrel\n# Note 3\n/,
  );
  const ticked = await agent.counted(() =>
    agent.edit("/home/team/todo.md", { edits: [{ find: "[ ] two", replace: "[x] two" }] })
  );
  assertEquals(ticked, 1);
  const log = await eventually(async () => {
    const rows = JSON.parse(await agent.ask("GET /proc/log/home/team/?limit=20", 200));
    return rows[0].name === "home/team/todo.md" ? rows : undefined;
  }, "the tick in the changelog");
  const names = new Set(log.map(({ payload }: { payload: { by: string } }) => payload.by));
  assertEquals([...names].sort(), ["T2", "cap:/home/team#kestrel"]);
});

test("8 writers set 200 ticks in one list, and none is lost", async (server) => {
  const lines = Array.from({ length: 200 }, (_, at) => `- [ ] task ${at}.`);
  await put(server, "/home/team/todo.md", `${lines.join("\n")}\n`);
  const agents = await Promise.all(
    Array.from({ length: 8 }, (_, at) => mint(server, `agent-${at}`)),
  );
  await Promise.all(agents.map(async (agent, at) => {
    for (let task = at; task < 200; task += 8) {
      const edits = [{ find: `[ ] task ${task}.`, replace: `[x] task ${task}.` }];
      await agent.edit("/home/team/todo.md", { edits });
    }
  }));
  assertEquals(agents.reduce((sum, { count }) => sum + count, 0), 200);
  const headers = bearer(TOKEN);
  const { text } = await server.send({ method: "GET", target: "/home/team/todo.md?raw", headers });
  assertEquals(text, `${lines.join("\n").replaceAll("[ ]", "[x]")}\n`);
  const audit = await server.send({
    method: "GET",
    target: "/proc/audit/home/team/todo.md",
    headers,
  });
  assertEquals(JSON.parse(audit.text).ok, true);
});

test(`the whole list of chores takes less than ${MAX_REQUESTS} requests`, async (server) => {
  const rows = Array.from({ length: 30 }, (_, at) => `${at},${at % 7 === 0 ? "n/a" : at * 2}`);
  await put(server, "/home/team/data.csv", `day,value\n${rows.join("\n")}\n`);
  for (let at = 0; at < 10; at++) {
    await put(server, `/home/team/reviews/${at}.md`, `# Review ${at}\n`);
  }
  await put(
    server,
    "/home/team/todo.md",
    "- [ ] clean\n- [ ] chart\n- [ ] summary\n- [ ] review\n",
  );
  await put(server, "/home/team/config.json", '{\n  "threshold": 3,\n  "owner": "ada"\n}\n');
  const agent = await mint(server, "kestrel");
  const other = await mint(server, "heron");

  const who = JSON.parse(await agent.ask("GET /auth/whoami", 200));
  assertEquals([who.by, who.mode], ["cap:/home/team#kestrel", "rwd"]);
  assertMatch(await agent.ask("GET /usr/share/doc/note.md?raw", 200), /A note/);
  // Clean the data, and draw a chart of it.
  const csv = await agent.ask("GET /home/team/data.csv?raw", 200);
  const clean = csv.split("\n").filter((row) => !row.endsWith("n/a")).join("\n");
  await agent.ask("PUT /home/team/clean.csv", 201, clean);
  await agent.ask("PUT /home/team/chart.svg", 201, '<svg xmlns="http://www.w3.org/2000/svg"/>');
  await agent.ask("PUT /home/team/summary.md", 201, "# Summary\n[chart](/home/team/chart.svg)\n", {
    "x-meta-author": "kestrel",
    "x-meta-confidence": "0.8",
  });
  // Read all reviews at once, and add a line to each.
  const contents = JSON.parse(
    await agent.ask("GET /home/team/reviews/?contents", 200, undefined, AS_JSON),
  );
  assertEquals(contents.length, 10);
  for (const { name } of contents) {
    await agent.edit(`/home/team/reviews/${name}`, { append: "Reviewed by kestrel.\n" });
  }
  // A value of a shared document, while another agent changes another one.
  const merge = { "content-type": "application/merge-patch+json" };
  await Promise.all([
    agent.ask("PATCH /home/team/config.json", 200, '{"threshold":5}', merge),
    other.ask("PATCH /home/team/config.json", 200, '{"owner":"heron"}', merge),
  ]);
  assertEquals(
    await agent.ask("GET /home/team/config.json?raw", 200),
    '{\n  "threshold": 5,\n  "owner": "heron"\n}\n',
  );
  for (const task of ["clean", "chart", "summary", "review"]) {
    const edits = [{ find: `[ ] ${task}`, replace: `[x] ${task}` }];
    await agent.edit("/home/team/todo.md", { edits });
  }
  // Rename, empty a world by mistake and restore it, delete and bring back.
  await agent.ask("MOVE /home/team/summary.md", 201, undefined, {
    destination: "/home/team/report.md",
  });
  await agent.ask("PUT /home/team/report.md", 200, "");
  await agent.ask("PUT /home/team/report.md?from=2", 200);
  assertMatch(await agent.ask("GET /home/team/report.md?raw", 200), /^# Summary/);
  const { trash } = JSON.parse(await agent.ask("DELETE /home/team/chart.svg", 200));
  await agent.ask(`PUT /home/team/chart.svg?trash=${trash[0]}`, 201);
  // Who did what.
  const mine = await eventually(async () => {
    const by = encodeURIComponent("cap:/home/team#kestrel");
    const log = JSON.parse(await agent.ask(`GET /proc/log/home/team/?by=${by}&limit=100`, 200));
    return log[0].type === "world_restored" ? log : undefined;
  }, "the last change in the changelog");
  assert(mine.length >= 20, `${mine.length} changes`);
  const theirs = encodeURIComponent("cap:/home/team#heron");
  assertEquals(JSON.parse(await agent.ask(`GET /proc/log/home/team/?by=${theirs}`, 200)).length, 1);
  assert(agent.count < MAX_REQUESTS, `${agent.count} requests`);
});
