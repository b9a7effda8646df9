/**
 * The reader of a document: a copy of the checkout, one terminal in which the server runs, one to paste
 * the commands into, and a second one for streams, which do not end.
 */

import { assert, assertEquals } from "../support/assert.ts";
import { freePort } from "../support/free_port.ts";
import { type Program, ROOT, startProgram } from "./program.ts";
import { blocksOf, type Chunk, missingAnswer } from "./readme.ts";
import { ReaderShell, StreamTerminal } from "./reader_shell.ts";
import { tmpdir } from "node:os";

/** The port that every document uses. */
const PORT = 3005;
/** Address of the language model in the documents. */
const MODEL = "localhost:11434";
/** What the server and the documents need of a checkout. */
const FOLDERS = ["lib", "plugins", "worlds", "examples"];
const FILES = ["main.ts", "deno.json", "deno.lock", "LICENSE", "README.md", ".env.example"];
/**
 * The folder of every reader of this process, one after the other: Deno compiles the modules of a folder
 * that it has not seen before, which takes two seconds.
 */
const FOLDER = `${Deno.realPathSync(tmpdir())}/elastik-reader-${crypto.randomUUID()}`;
/** Blocks that start the server, run the whole suite, or have a test of their own (url_run_test.ts). */
const NOT_PASTED = /^deno task (?:start|test)$|--allow-net=/m;
/** A block that adds tokens: the page says to restart the server after it. */
const SETS_TOKENS = />> \.env\b/;

/** Options of {@link readPages}. */
export interface ReadOptions {
  /** Settings of the server, which the shell has too. */
  readonly env?: Readonly<Record<string, string>>;
  /** Runs after the server has started and before the first block. */
  readonly before?: (reader: Reader) => Promise<void>;
  /** Host and port of the language model; by default nothing listens there. */
  readonly model?: string;
}

/** Follows the commands of documents in a copy of the checkout. */
export class Reader {
  /** Never {@link PORT}: tests in parallel, and a server of the developer, may use it. */
  readonly #port = freePort();
  readonly #folder: string;
  readonly #model: string;
  readonly #env: Record<string, string>;
  readonly #shell: ReaderShell;
  #server: Program | undefined;
  /** A stream that is open, and how many streams the server had before it. */
  #stream: { terminal: StreamTerminal; chunk: Chunk; before: number } | undefined;

  constructor(folder: string, { env = {}, model = MODEL }: ReadOptions) {
    this.#folder = folder;
    this.#model = model;
    const deno = Deno.execPath().replace(/\/[^/]+$/, "");
    this.#env = {
      PATH: `${deno}:${Deno.env.get("PATH")}`,
      ELASTIK_PORT: String(this.#port),
      ...env,
    };
    this.#shell = new ReaderShell(folder, this.#env);
  }

  async start(): Promise<void> {
    this.#server = await startProgram({
      command: "bash",
      args: ["-c", "exec deno task start"],
      cwd: this.#folder,
      env: this.#env,
    });
  }

  async stop(): Promise<void> {
    await this.expectStream();
    const server = this.#server;
    this.#server = undefined;
    if (server !== undefined) assertEquals((await server.stop()).code, 0, server.output());
  }

  async close(): Promise<void> {
    await this.#stream?.terminal.close();
    this.#stream = undefined;
    await this.#shell.close();
    await this.stop();
  }

  /**
   * Runs the commands of a block as a reader does. A block with only `curl -N` runs in a second terminal
   * until {@link expectStream}, because later blocks cause its output.
   */
  async follow(block: readonly Chunk[]): Promise<void> {
    const text = block.map(({ commands }) => commands).join("\n");
    if (NOT_PASTED.test(text)) return;
    const [first] = block;
    if (first !== undefined && block.length === 1 && /^curl -N /.test(first.commands)) {
      await this.expectStream();
      const before = await this.#countStreams();
      const terminal = new StreamTerminal(this.#local(first.commands), this.#folder, this.#env);
      this.#stream = { terminal, chunk: first, before };
      // A reader sees that the stream is open before it types the next command.
      await this.#untilStreams((count) => count > before, "did not open");
      return;
    }
    if (text.includes("deno task verify")) await this.stop();
    for (const chunk of block) await this.#paste(chunk);
    if (SETS_TOKENS.test(text)) await this.stop();
    if (this.#server === undefined) await this.start();
  }

  async #countStreams(): Promise<number> {
    const answer = await fetch(`http://127.0.0.1:${this.#port}/proc/metrics`);
    return Number(/^elastik_streams_open (\d+)/m.exec(await answer.text())?.[1]);
  }

  async #untilStreams(holds: (count: number) => boolean, fault: string): Promise<void> {
    const end = Date.now() + MAX_STREAM_START_MS;
    while (!holds(await this.#countStreams())) {
      if (Date.now() > end) throw new Error(`the stream of the page ${fault}`);
      await new Promise((resume) => setTimeout(resume, 20));
    }
  }

  /** Waits for the answers of a stream that is open, and closes it. */
  async expectStream(): Promise<void> {
    const stream = this.#stream;
    this.#stream = undefined;
    if (stream === undefined) return;
    const { chunk: { answers, commands }, before } = stream;
    const missing = (output: string) => missingAnswer(answers, this.#asWritten(output));
    const output = await stream.terminal.until((seen) => missing(seen) === undefined);
    await stream.terminal.close();
    // The server finds out later. Until then it would count as the next stream.
    await this.#untilStreams((count) => count <= before, "did not end");
    const absent = missing(output);
    assert(absent === undefined, `${commands}\nshould answer\n${absent}\nand answers\n${output}`);
  }

  async #paste({ commands, answers }: Chunk): Promise<void> {
    const { code, output, complaints } = await this.#shell.paste(this.#local(commands));
    assertEquals(code, 0, `${commands}\n${output}\n${complaints}`);
    const absent = missingAnswer(answers, this.#asWritten(output));
    assert(absent === undefined, `${commands}\nshould answer\n${absent}\nand answers\n${output}`);
    assert(answers.length > 0 || !/"status":[45]\d\d/.test(output), `${commands}\n${output}`);
  }

  /** Commands of a page as they run here: another port, another model, no file in /tmp. */
  #local(commands: string): string {
    return commands.replaceAll(String(PORT), String(this.#port))
      .replaceAll("/tmp/", `${this.#folder}/`).replaceAll(MODEL, this.#model);
  }

  #asWritten(output: string): string {
    return output.replaceAll(String(this.#port), String(PORT));
  }
}

/** Longest time until a stream of a page is open, in milliseconds. */
const MAX_STREAM_START_MS = 60_000;

/**
 * Starts a server in a copy of the checkout and follows the blocks of pages, one step each.
 *
 * @param pages paths of the pages below the checkout; one server and one shell for all of them
 */
export async function readPages(
  pages: readonly string[],
  t: Deno.TestContext,
  options: ReadOptions = {},
): Promise<void> {
  await Deno.mkdir(FOLDER);
  try {
    await checkoutIn(FOLDER);
    const reader = new Reader(FOLDER, options);
    try {
      await reader.start();
      await options.before?.(reader);
      for (const page of pages) {
        const blocks = blocksOf(await Deno.readTextFile(`${ROOT}/${page}`));
        const file = page.replace(/^.*\//, "");
        for (const block of blocks) {
          const title = block[0]?.commands.split("\n")[0] ?? "";
          await t.step(`${file}: ${title}`, () => reader.follow(block));
        }
        await t.step(`${file}: end`, () => reader.expectStream());
      }
    } finally {
      await reader.close();
    }
  } finally {
    await Deno.remove(FOLDER, { recursive: true });
  }
}

async function checkoutIn(folder: string): Promise<void> {
  for (const part of FOLDERS) await copyFolder(`${ROOT}/${part}`, `${folder}/${part}`);
  for (const file of FILES) await Deno.copyFile(`${ROOT}/${file}`, `${folder}/${file}`);
}

async function copyFolder(from: string, to: string): Promise<void> {
  await Deno.mkdir(to);
  for await (const { name, isDirectory } of Deno.readDir(from)) {
    if (isDirectory) await copyFolder(`${from}/${name}`, `${to}/${name}`);
    else await Deno.copyFile(`${from}/${name}`, `${to}/${name}`);
  }
}
