/**
 * The server under attack: the program in its own process, with tokens and short limits, and functions
 * that run an attack and measure the processes, memory and CPU time afterwards. Not a test itself.
 */

import { assert, assertEquals, assertMatch } from "../../support/assert.ts";
import { type Program, ROOT, startProgram } from "../../project/program.ts";
import type { Attack } from "./attack.ts";
import { freePort } from "../../support/free_port.ts";

/** Credentials of the server. */
export const TOKENS = { t2: "hostile-t2-token", t3: "hostile-t3-token" } as const;

/** Limits of every server. */
const LIMITS = {
  ELASTIK_CELL_HEAP: "64",
  ELASTIK_CELL_MEMORY: "300",
  ELASTIK_CELL_LOG: "20",
  ELASTIK_CELL_CRASHES: "3",
};

/** Times that are short enough to wait for, if what the test expects is their end. */
const SHORT_TIMES = {
  ELASTIK_CELL_START: "8000",
  ELASTIK_CELL_ANSWER: "8000",
  ELASTIK_CELL_BEAT: "3000",
};
/** What the server says of a plugin that needs longer for its start. */
export const NOT_READY = new RegExp(`not ready after ${SHORT_TIMES.ELASTIK_CELL_START} ms`);

/** Times that a plugin on a busy computer does not need. */
export const LONG_TIMES = {
  ELASTIK_CELL_START: "60000",
  ELASTIK_CELL_ANSWER: "60000",
  ELASTIK_CELL_BEAT: "30000",
};

/** A response that was read to its end. */
export interface Answer {
  readonly status: number;
  readonly text: string;
  readonly headers: Headers;
}

/** A server under attack. */
export class AttackedServer {
  readonly program: Program;
  readonly #folder: string;

  constructor(program: Program, folder: string) {
    this.program = program;
    this.#folder = folder;
  }

  get url(): string {
    return this.program.url;
  }

  /** Sends a request and reads the response. Does not throw for a status. */
  async ask(method: string, path: string, by?: "t2" | "t3", body?: BodyInit): Promise<Answer> {
    const answer = await fetch(this.url + path, {
      method,
      redirect: "manual",
      ...(by === undefined ? {} : { headers: { authorization: `Bearer ${TOKENS[by]}` } }),
      ...(body === undefined ? {} : { body }),
    });
    return { status: answer.status, text: await answer.text(), headers: answer.headers };
  }

  /** Stores the source of a plugin with T2 and activates it with T3. */
  async install(name: string, source: string): Promise<Answer> {
    const stored = await this.ask("PUT", `/lib/${name}`, "t2", source);
    assert(stored.status < 300, `${name} was not stored: ${stored.text}`);
    return await this.ask("PUT", `/lib/${name}/state`, "t3", "active");
  }

  /** The JSON of `GET /lib/<name>/state` for T3. */
  // deno-lint-ignore no-explicit-any -- the shape is asserted where it is used
  async state(name: string): Promise<any> {
    return JSON.parse((await this.ask("GET", `/lib/${name}/state`, "t3")).text);
  }

  /** Runs one attack and checks its result. */
  async run(attack: Attack): Promise<void> {
    const { name, status, refused } = attack;
    let activated = await this.install(name, attack.source);
    // A busy computer can need longer for the start than the short limit allows.
    for (const end = performance.now() + 120_000; performance.now() < end;) {
      if (refused !== undefined || !/not ready after/.test(activated.text)) break;
      activated = await this.ask("PUT", `/lib/${name}/state`, "t3", "active");
    }
    if (refused !== undefined && (status === undefined || activated.status !== 200)) {
      assertEquals(activated.status, 422, `${name}: ${activated.text}`);
      assertMatch(activated.text, refused, name);
      assertEquals((await this.state(name)).up, false, name);
      return;
    }
    assertEquals(activated.status, 200, `${name}: ${activated.text}`);
    await this.untilServing(name);
    const before: number | undefined = (await this.state(name)).health.pid;
    if (status !== undefined) {
      const answer = await this.ask("GET", `/hostile/${name}`).catch(closedConnection);
      assert(
        status.includes(answer.status),
        `${name}: ${answer.status} ${answer.text.slice(0, 300)}`,
      );
      if (answer.status >= 500) assertProblem(name, answer);
    }
    await attack.check?.(this);
    await this.untilServing(name);
    const { health } = await this.state(name);
    const after: number | undefined = health.pid;
    if (attack.cellEnds === true) {
      assert(before === undefined || before !== after, `${name}: the cell did not end`);
    }
    if (attack.cellEnds === false) {
      assertEquals(after, before, `${name}: the cell ended: ${JSON.stringify(health)}`);
    }
    assertEquals((await this.ask("PUT", `/lib/${name}/state`, "t3", "disabled")).status, 200);
  }

  /** Requests `/ok` of a plugin until it answers 200, for at most two minutes. */
  async untilServing(name: string): Promise<void> {
    let last = "";
    for (const end = performance.now() + 120_000; performance.now() < end;) {
      const answer = await this.ask("GET", `/hostile/${name}/ok`);
      if (answer.status === 200) return assertEquals(answer.text, "ok", name);
      last = `${answer.status} ${answer.text}`;
      // Requests that were in the cell when it ended fail.
      assert([502, 503, 504].includes(answer.status), `${name}: ${last}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`${name} does not serve again: ${last}`);
  }

  /**
   * Waits until the server has `count` processes and all are idle, at most `ms`, and returns their
   * processor time, memory and ids.
   */
  async untilIdle(
    count: number,
    ms = 60_000,
  ): Promise<{ cpu: number; rssMiB: number; pids: number[] }> {
    for (const end = performance.now() + ms;;) {
      const pids = processTree(this.program.pid);
      const [before, since] = [cpuTicks(pids), performance.now()];
      await new Promise((resolve) => setTimeout(resolve, 400));
      // A tick is 10 ms.
      const cpu = (cpuTicks(pids) - before) * 10 / (performance.now() - since);
      const rssMiB = pids.reduce((sum, pid) => sum + residentMiB(pid), 0);
      if (pids.length === count && cpu < 0.1 || performance.now() > end) {
        return { cpu, rssMiB, pids };
      }
    }
  }

  /** Runs attacks, some at the same time. Returns failures as lines that begin with the name. */
  async runAll(attacks: readonly Attack[], concurrency: number): Promise<string[]> {
    const failures: string[] = [];
    const waiting = [...attacks];
    await Promise.all(Array.from({ length: concurrency }, async () => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        const { name } = next;
        await this.run(next).catch((error) => failures.push(`${name}: ${error.message}`));
      }
    }));
    return failures;
  }

  /** Stops the server with SIGTERM and removes its folder. */
  async close(): Promise<void> {
    const { code } = await this.program.stop();
    await Deno.remove(this.#folder, { recursive: true });
    assertEquals(code, 0, this.program.output().slice(-2000));
  }

  /** Kills the server and removes its folder. */
  async kill(): Promise<void> {
    try {
      await this.program.stop("SIGKILL");
    } catch (error) {
      if (!(error instanceof TypeError)) throw error; // it has ended already
    }
    await Deno.remove(this.#folder, { recursive: true });
  }
}

/** Replaces the response if the connection closed before it was complete. */
function closedConnection(error: unknown): Answer {
  if (!(error instanceof TypeError)) throw error;
  return { status: 0, text: error.message, headers: new Headers() };
}

/** Checks that a response is a problem of the server that contains no text of the plugin. */
export function assertProblem(name: string, { text, headers }: Answer): void {
  assertMatch(headers.get("content-type") ?? "", /^application\/problem\+json/, name);
  const { detail } = JSON.parse(text);
  assert(typeof detail === "string" && detail.length > 20, `${name}: ${text}`);
  assert(
    !/boom|file:|\/tmp|data:|\n\s+at /.test(detail),
    `${name} contains a text of the plugin or a path: ${detail}`,
  );
}

/**
 * Starts a server.
 *
 * @param how `process` runs each plugin in a process; `worker` starts the server with the narrow
 * permissions of the README, so that each plugin runs in a Worker
 */
export async function startAttackedServer(
  how: "process" | "worker",
  env: Readonly<Record<string, string>> = {},
): Promise<AttackedServer> {
  const folder = await Deno.makeTempDir({ prefix: "elastik-hostile-" });
  const data = `${folder}/data`;
  const port = how === "worker" ? freePort() : 0;
  const rights = how === "process" ? ["-A"] : [
    "--no-prompt",
    `--allow-net=127.0.0.1:${port}`,
    "--allow-env=ELASTIK_*",
    `--allow-read=${data},${folder}/.env,${ROOT}/lib`,
    `--allow-write=${data}`,
  ];
  const program = await startProgram({
    command: Deno.execPath(),
    args: ["run", ...rights, "--config", `${ROOT}/deno.json`, `${ROOT}/main.ts`],
    cwd: folder,
    env: {
      ELASTIK_PORT: String(port),
      ELASTIK_DATA: data,
      ELASTIK_TOKEN: TOKENS.t2,
      ELASTIK_APPROVE_TOKEN: TOKENS.t3,
      ...LIMITS,
      ...SHORT_TIMES,
      ...env,
    },
  });
  return new AttackedServer(program, folder);
}

/** A process and its descendants without zombies (Linux; elsewhere only the process). */
export function processTree(root: number): number[] {
  if (Deno.build.os !== "linux") return [root];
  const parents = new Map<number, number>();
  for (const { name } of Deno.readDirSync("/proc")) {
    const fields = /^\d+$/.test(name) ? statOf(Number(name)) : undefined;
    if (fields !== undefined && fields[0] !== "Z") parents.set(Number(name), Number(fields[1]));
  }
  const found = [root];
  for (const ancestor of found) {
    for (const [pid, parent] of parents) if (parent === ancestor) found.push(pid);
  }
  return found;
}

/** Processor time of several processes together, in hundredths of a second. */
export function cpuTicks(pids: readonly number[]): number {
  let sum = 0;
  for (const pid of pids) {
    const fields = statOf(pid);
    if (fields !== undefined) sum += Number(fields[11]) + Number(fields[12]);
  }
  return sum;
}

/** Resident memory of a process in MiB. */
export function residentMiB(pid: number): number {
  try {
    return Number(Deno.readTextFileSync(`/proc/${pid}/statm`).split(" ")[1]) / 256;
  } catch {
    return 0; // it has ended
  }
}

/** Number of threads of a process. */
export function threads(pid: number): number {
  return Number(statOf(pid)?.[17] ?? 0);
}

/** Fields of `/proc/<pid>/stat` from the state on; undefined if the process does not exist. */
function statOf(pid: number): string[] | undefined {
  try {
    return Deno.readTextFileSync(`/proc/${pid}/stat`).split(") ").pop()?.split(" ");
  } catch {
    return undefined; // it has ended, or the host is not Linux
  }
}
