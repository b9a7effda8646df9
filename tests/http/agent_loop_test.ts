import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { lowerWorlds } from "../../worlds/mod.ts";
import { EventReader } from "../support/event_reader.ts";
import { CLOSED, startTestServer, type TestServer } from "../support/test_server.ts";

const README = new URL("../../README.md", import.meta.url);
/** Header in which the proxy reports the address of an agent on another computer. */
const ELSEWHERE = "203.0.113.7";

/** The prompt of the README, with the address of this server and a token filled in. */
async function promptFor(url: string, token: string): Promise<string> {
  const page = await Deno.readTextFile(README);
  const quoted = /^((?:> .*\n)+)/m.exec(page)?.[1] ?? "";
  const prompt = quoted.replace(/^> /gm, "").replaceAll("\n", " ").trim();
  assertMatch(prompt, /Token: …$/);
  return prompt.replaceAll("http://localhost:3005", url).replace("…", token);
}

/** An agent that knows HTTP, can read, and receives one sentence. */
class Agent {
  /** The page to read first, the prefix to write below, and the token. */
  readonly manual: string;
  readonly place: string;
  readonly #token: string;
  readonly #from: string | undefined;

  constructor(prompt: string, from?: string) {
    const urls = prompt.match(/https?:\/\/[^\s,]+/g) ?? [];
    assertEquals(urls.length, 2, prompt);
    this.manual = urls[0] ?? "";
    this.place = urls[1] ?? "";
    this.#token = /Token: (\S+)$/.exec(prompt)?.[1] ?? "";
    this.#from = from;
  }

  async ask(method: string, url: string, body?: string, headers: Record<string, string> = {}) {
    const answer = await fetch(url, {
      method,
      headers: { ...this.headers(), ...headers },
      ...(body === undefined ? {} : { body }),
    });
    return { status: answer.status, text: await answer.text(), headers: answer.headers };
  }

  headers(): Record<string, string> {
    return {
      authorization: `Bearer ${this.#token}`,
      ...(this.#from === undefined ? {} : { "x-forwarded-for": this.#from }),
    };
  }
}

/** What a model would write, chosen by the rules of the manual. */
function idea(round: number): string {
  return `<h1>Round ${round}</h1><p>written by an agent</p>`;
}

async function loop(server: TestServer, url: string, from?: string): Promise<void> {
  const token = server.capability("/home/scratch", "rw");
  const agent = new Agent(await promptFor(url, token), from);

  // It reads the page from the prompt and learns there how to find out its rights.
  const manual = await agent.ask("GET", agent.manual);
  assertEquals(manual.status, 200, manual.text);
  assertMatch(manual.text, /^# How to use this server/);
  const origin = new URL(agent.place).origin;
  const [, who = ""] = /curl "\$URL(\/auth\/\w+)"/.exec(manual.text) ?? [];
  const me = JSON.parse((await agent.ask("GET", `${origin}${who}`)).text);
  assertEquals([me.tier, me.prefix, me.mode], ["T2", "/home/scratch", "rw"]);
  assert(me.ttl_sec > 0);
  assert(
    new URL(agent.place).pathname.startsWith(me.prefix),
    "the prompt names a path inside the prefix of the capability",
  );

  // It writes a page while another client watches.
  const page = new URL("page", agent.place).href;
  const stream = await EventReader.open(
    page.replace("/home/", "/stream/home/"),
    agent.headers(),
  );
  // `fetch` sends a text as text/plain; the markup makes it a page.
  const first = await agent.ask("PUT", page, idea(1), { "if-none-match": "*" });
  assertEquals([first.status, JSON.parse(first.text)], [201, { version: 1, ext: "html" }]);
  const shown = await stream.next();
  assertEquals([shown?.type, shown?.lastEventId], ["update", "1"]);
  assertEquals(JSON.parse(shown?.data ?? "{}").stage_html, idea(1));

  // It reads the page and keeps the entity tag.
  const back = await agent.ask("GET", page);
  assertEquals(JSON.parse(back.text).stage_html, idea(1));
  const seen = first.headers.get("etag") ?? "";
  assertEquals((await agent.ask("GET", `${page}?v=1`)).status, 304);

  // Another client writes; the agent's update gets 412, and it reads again.
  await server.approve("PUT", "/home/scratch/page", "<h1>a person was here</h1>");
  assertEquals(JSON.parse((await stream.next())?.data ?? "{}").version, 2);
  const lost = await agent.ask("PUT", page, idea(2), { "if-match": seen });
  assertEquals(lost.status, 412);
  assertMatch(JSON.parse(lost.text).detail, /\S/);
  const now = await agent.ask("GET", page);
  assertMatch(JSON.parse(now.text).stage_html, /a person was here/);
  const merged = `${JSON.parse(now.text).stage_html}${idea(2)}`;
  const tag = now.headers.get("etag") ?? "";
  const again = await agent.ask("PUT", page, merged, { "if-match": tag });
  assertEquals(JSON.parse(again.text).version, 3);
  assertEquals(JSON.parse((await stream.next())?.data ?? "{}").stage_html, merged);

  // It appends to a log, sends its name, and lists its worlds.
  const log = new URL("log", agent.place).href;
  for (const line of ["read the manual\n", "wrote a page\n"]) await agent.ask("POST", log, line);
  assertEquals((await agent.ask("GET", `${log}?raw`)).text, "read the manual\nwrote a page\n");
  const finding = new URL("finding", agent.place).href;
  await agent.ask("PUT", finding, "odd", { "x-meta-author": "agent-7" });
  assertEquals((await agent.ask("HEAD", finding)).headers.get("x-meta-author"), "agent-7");
  assertEquals((await agent.ask("GET", agent.place)).text, "finding\nlog\npage\n");

  // Outside its prefix nothing changes, and the error states what is required.
  const outside: readonly [string, string][] = [
    ["PUT", "/home/other"],
    ["PUT", "/home/scratchy"],
    ["PUT", "/home/scratch/../etc/x"],
    ["PUT", "/etc/passwd"],
    ["GET", "/home/private"],
    ["DELETE", "/home/scratch/page"],
    ["PUT", "/lib/mine"],
    ["POST", "/auth/mint?prefix=/home"],
  ];
  // The server writes its own worlds below /boot after it listens.
  await server.untilBooted();
  const worlds = (await server.approve("GET", "/proc/worlds")).text;
  for (const [method, path] of outside) {
    const refused = await agent.ask(method, `${origin}${path}`, method === "PUT" ? "x" : undefined);
    assert(
      refused.status === 403 || refused.status === 400,
      `${method} ${path}: ${refused.status}`,
    );
    assertMatch(JSON.parse(refused.text).detail, /required|send a canonical path/, path);
  }
  assertEquals((await server.approve("GET", "/proc/worlds")).text, worlds);
  await stream.close();

  // The event chain records its writes under its name.
  const events = JSON.parse((await server.approve("GET", "/proc/log/home/scratch/page")).text);
  assertEquals(
    events.map(({ payload }: { payload: { by: string } }) => payload.by),
    ["cap:/home/scratch", "T3", "cap:/home/scratch"],
  );
  await server.audit();
}

Deno.test("an agent on this computer needs only the README's prompt and a capability", async () => {
  const server = await startTestServer({ lowerTexts: lowerWorlds });
  try {
    await loop(server, `http://localhost:${server.port}`);
  } finally {
    await server.close();
  }
});

Deno.test("an agent on another computer needs only the README's prompt and a capability", async () => {
  const server = await startTestServer({
    lowerTexts: lowerWorlds,
    env: {
      ...CLOSED,
      ELASTIK_TRUST_PROXY_HEADER: "X-Forwarded-For",
      ELASTIK_TRUST_PROXY_FROM: "127.0.0.1",
    },
  });
  try {
    await server.approve("PUT", "/home/private", "not for agents");
    const url = `http://localhost:${server.port}`;
    const refused = await fetch(`${url}/home/private`, {
      headers: { "x-forwarded-for": ELSEWHERE },
    });
    assertEquals([refused.status, (await refused.text()).includes("not for agents")], [
      401,
      false,
    ]);
    await loop(server, url, ELSEWHERE);
  } finally {
    await server.close();
  }
});

Deno.test("GET /llms.txt links to existing pages, from any address", async () => {
  const server = await startTestServer({ lowerTexts: lowerWorlds });
  try {
    const { text } = await server.send({ method: "GET", target: "/llms.txt" });
    assertMatch(text, /^# \S+\n\n> /);
    const links = [...text.matchAll(/\]\(([^)]+)\)/g)].map(([, link = ""]) => link);
    assert(links.includes("/usr/lib/skills/elastik.md?raw"));
    for (const link of links) {
      assertEquals((await server.send({ method: "GET", target: link })).status, 200, link);
    }
  } finally {
    await server.close();
  }
});
