import { equal, ok } from "node:assert/strict";
import { type SeenCall, withBackend } from "../plugins/fake_backend.ts";
import { inFolder, onPath, type Program, ROOT, startProgram } from "./program.ts";
import { blocksOf, type Chunk, missingAnswer } from "./readme.ts";
import { ReaderShell } from "./reader_shell.ts";

const TOOLS = ["bash", "curl", "openssl", "sqlite3"].filter((tool) => !onPath(tool));
const missing = TOOLS.length === 0 ? "" : ` (skipped: no ${TOOLS.join(", ")} here)`;
const PORT = 3005;
/** Where the README has a language model. */
const MODEL = "localhost:11434";
const DOC = "worlds/usr/share/doc";

/** What is in a checkout, as far as the machine needs it. */
async function checkoutIn(folder: string): Promise<void> {
  for (const part of ["lib", "plugins", "worlds"]) {
    await copyFolder(`${ROOT}/${part}`, `${folder}/${part}`);
  }
  for (
    const file of ["main.ts", "deno.json", "deno.lock", "LICENSE", "README.md", ".env.example"]
  ) {
    await Deno.copyFile(`${ROOT}/${file}`, `${folder}/${file}`);
  }
}

async function copyFolder(from: string, to: string): Promise<void> {
  await Deno.mkdir(to);
  for await (const { name, isDirectory } of Deno.readDir(from)) {
    if (isDirectory) await copyFolder(`${from}/${name}`, `${to}/${name}`);
    else await Deno.copyFile(`${from}/${name}`, `${to}/${name}`);
  }
}

/** The port of the pages where it is free, any other where somebody's machine has it. */
function pagePort(): number {
  for (const port of [PORT, 0]) {
    try {
      const listener = Deno.listen({ port, hostname: "127.0.0.1" });
      listener.close();
      return listener.addr.port;
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    }
  }
  throw new Error("no port is free");
}

/** A page's reader: a checkout, a terminal in which the machine runs, and one to paste into. */
class Reader {
  readonly #port = pagePort();
  readonly #folder: string;
  readonly #model: string;
  readonly #env: Record<string, string>;
  readonly shell: ReaderShell;
  #machine: Program | undefined;

  constructor(folder: string, env: Record<string, string> = {}, model = MODEL) {
    this.#folder = folder;
    this.#model = model;
    const deno = Deno.execPath().replace(/\/[^/]+$/, "");
    this.#env = {
      PATH: `${deno}:${Deno.env.get("PATH")}`,
      ...(this.#port === PORT ? {} : {
        ELASTIK_PORT: String(this.#port),
        // What the scripts that come along call it; the machine itself has no use for it.
        ELASTIK_URL: `http://localhost:${this.#port}`,
      }),
      ...env,
    };
    this.shell = new ReaderShell(folder, this.#env);
  }

  async start(): Promise<void> {
    this.#machine = await startProgram({
      command: "bash",
      args: ["-c", "exec deno task start"],
      cwd: this.#folder,
      env: this.#env,
    });
  }

  async stop(): Promise<void> {
    const machine = this.#machine;
    this.#machine = undefined;
    if (machine !== undefined) equal((await machine.stop()).code, 0, machine.output());
  }

  async close(): Promise<void> {
    await this.shell.close();
    await this.stop();
  }

  /** Does what a reader does with a block. */
  async follow(block: readonly Chunk[]): Promise<void> {
    const text = block.map(({ commands }) => commands).join("\n");
    // The machine runs in another terminal; the whole suite runs this test.
    if (/^deno task (?:start|test)$/m.test(text)) return;
    // Run by url_run_test.ts, on a port of its own.
    if (text.includes("--allow-net=")) return;
    if (text.includes("deno task verify")) await this.stop();
    for (const { commands, answers } of block) {
      const local = commands.replaceAll(String(PORT), String(this.#port))
        .replaceAll("/tmp/", `${this.#folder}/`).replaceAll(MODEL, this.#model);
      const { code, output, complaints } = await this.shell.paste(local);
      equal(code, 0, `${commands}\n${output}\n${complaints}`);
      const absent = missingAnswer(answers, output.replaceAll(String(this.#port), String(PORT)));
      ok(absent === undefined, `${commands}\nshould answer\n${absent}\nand answers\n${output}`);
      ok(answers.length > 0 || !/"status":[45]\d\d/.test(output), `${commands}\n${output}`);
    }
    // "To close it, choose tokens and start it again."
    if (text.includes("> .env")) {
      await this.stop();
      await this.start();
    }
  }
}

async function read(
  page: string,
  t: Deno.TestContext,
  env: Record<string, string> = {},
  before: (reader: Reader) => Promise<void> = async () => {},
  model?: string,
): Promise<void> {
  const blocks = blocksOf(await Deno.readTextFile(`${ROOT}/${page}`));
  ok(blocks.length > 0);
  await inFolder(async (folder) => {
    await checkoutIn(folder);
    const reader = new Reader(folder, env, model);
    try {
      await reader.start();
      await before(reader);
      for (const block of blocks) {
        const title = block[0]?.commands.split("\n")[0] ?? "";
        await t.step(title, () => reader.follow(block));
      }
    } finally {
      await reader.close();
    }
  });
}

/** Settings of a machine that has tokens, which its reader has in the shell as well. */
const TOKENS = { ELASTIK_TOKEN: "t2-of-the-test", ELASTIK_APPROVE_TOKEN: "t3-of-the-test" };
/** Each page, and with which settings it is read. */
const PAGES: Readonly<Record<string, Record<string, string>>> = {
  "README.md": {},
  [`${DOC}/running.md`]: {},
  [`${DOC}/commands.md`]: {},
  [`${DOC}/configuration.md`]: {},
  [`${DOC}/shell.md`]: TOKENS,
  [`${DOC}/service.md`]: {},
  [`${DOC}/observing.md`]: { ...TOKENS, ELASTIK_LOG: "line" },
};

/** What a model would say: a page where one is asked for, else an echo. */
function say({ prompt, system }: SeenCall): string[] {
  return /text\/html|<!doctype/i.test(`${system} ${prompt}`)
    ? [
      "<!doctype html><html><head><title>x</title></head>",
      "<body><p>All is well.</p></body></html>",
    ]
    : ["You said: ", prompt];
}

for (const [page, env] of Object.entries(PAGES)) {
  Deno.test({
    name: `${page} holds commands that do what it says${missing}`,
    ignore: missing !== "",
    fn: (t) =>
      withBackend(async (backend) => {
        backend.behaviour = { tokens: say };
        await read(page, t, env, undefined, backend.host);
      }),
  });
}

Deno.test({
  name: `elastik.md, the skill, holds commands that do what it says for a capability${missing}`,
  ignore: missing !== "",
  fn: (t) =>
    read(
      "worlds/usr/lib/skills/elastik.md",
      t,
      TOKENS,
      async (reader) => {
        const url = `http://localhost:${PORT}`;
        await reader.follow([{
          commands: [
            `URL=${url}`,
            `TOKEN=$(curl -sX POST "$URL/auth/mint?prefix=/home/scratch&ttl=600&mode=rw" \\`,
            `  -H "Authorization: Bearer $ELASTIK_APPROVE_TOKEN" | sed 's/.*"token":"\\([^"]*\\)".*/\\1/')`,
          ].join("\n"),
          answers: [],
        }]);
      },
    ),
});
