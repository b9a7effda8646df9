/**
 * Where hostile plugins meet a whole machine: the program in a process of its own, with tokens and
 * short limits, somebody who reads and writes other worlds all the while, and a look at what is left
 * of them. Not a test itself.
 */

import { deepStrictEqual as equal, match, ok } from "node:assert/strict";
import { type Program, ROOT, startProgram } from "../../project/program.ts";
import type { Attack } from "./attack.ts";

/** Credentials of the machine under attack. */
export const TOKENS = { t2: "hostile-t2-token", t3: "hostile-t3-token" } as const;

/** Limits short enough to wait for. */
const LIMITS = {
  ELASTIK_CELL_HEAP: "64",
  ELASTIK_CELL_MEMORY: "300",
  ELASTIK_CELL_START: "3000",
  ELASTIK_CELL_ANSWER: "2000",
  ELASTIK_CELL_BEAT: "800",
  ELASTIK_CELL_LOG: "20",
  ELASTIK_CELL_CRASHES: "3",
};

/** An answer, read to its end. */
export interface Answer {
  readonly status: number;
  readonly text: string;
  readonly headers: Headers;
}

/** A machine under attack. */
export class Ground {
  readonly program: Program;
  readonly #folder: string;

  constructor(program: Program, folder: string) {
    this.program = program;
    this.#folder = folder;
  }

  get url(): string {
    return this.program.url;
  }

  /** Sends a request and reads the answer; never throws for a status. */
  async ask(method: string, path: string, by?: "t2" | "t3", body?: BodyInit): Promise<Answer> {
    const answer = await fetch(this.url + path, {
      method,
      redirect: "manual",
      ...(by === undefined ? {} : { headers: { authorization: `Bearer ${TOKENS[by]}` } }),
      ...(body === undefined ? {} : { body }),
    });
    return { status: answer.status, text: await answer.text(), headers: answer.headers };
  }

  /** Stores a plugin's source as T2 and activates it as T3. */
  async install(name: string, source: string): Promise<Answer> {
    const stored = await this.ask("PUT", `/lib/${name}`, "t2", source);
    ok(stored.status < 300, `${name} was not stored: ${stored.text}`);
    return await this.ask("PUT", `/lib/${name}/state`, "t3", "active");
  }

  /** What `GET /lib/<name>/state` tells T3. */
  // deno-lint-ignore no-explicit-any -- the shape is asserted where it is used
  async state(name: string): Promise<any> {
    return JSON.parse((await this.ask("GET", `/lib/${name}/state`, "t3")).text);
  }

  /** Runs one attack from its source to what must hold after it. */
  async suffer(attack: Attack): Promise<void> {
    const { name, status, refused } = attack;
    const activated = await this.install(name, attack.source);
    if (refused !== undefined && (status === undefined || activated.status !== 200)) {
      equal(activated.status, 422, `${name}: ${activated.text}`);
      match(activated.text, refused, name);
      equal((await this.state(name)).up, false, name);
      return;
    }
    equal(activated.status, 200, `${name}: ${activated.text}`);
    await this.servesAgain(name);
    const before: number | undefined = (await this.state(name)).health.pid;
    if (status !== undefined) {
      const answer = await this.ask("GET", `/hostile/${name}`).catch(broken);
      ok(status.includes(answer.status), `${name}: ${answer.status} ${answer.text.slice(0, 300)}`);
      if (answer.status >= 500) inWords(name, answer);
    }
    await attack.more?.(this);
    await this.servesAgain(name);
    const after: number | undefined = (await this.state(name)).health.pid;
    if (attack.ends === true) ok(before === undefined || before !== after, `${name}: goes on`);
    if (attack.ends === false) equal(after, before, `${name}: ended`);
    equal((await this.ask("PUT", `/lib/${name}/state`, "t3", "disabled")).status, 200);
  }

  /** Waits until a plugin answers as if nothing had been, as its Retry-After tells. */
  async servesAgain(name: string): Promise<void> {
    let last = "";
    for (const end = Date.now() + 8000; Date.now() < end;) {
      const answer = await this.ask("GET", `/hostile/${name}/ok`);
      if (answer.status === 200) return equal(answer.text, "ok", name);
      last = `${answer.status} ${answer.text}`;
      // What was still in the cell when it ended fails with it.
      ok([502, 503, 504].includes(answer.status), `${name}: ${last}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`${name} does not serve again: ${last}`);
  }

  /** Waits until the machine's processes are `count` and idle; says what they cost then. */
  async calm(count: number, ms = 4000): Promise<{ cpu: number; rssMiB: number; pids: number[] }> {
    for (const end = Date.now() + ms;;) {
      const pids = tree(this.program.pid);
      const before = ticks(pids);
      await new Promise((resolve) => setTimeout(resolve, 400));
      const cpu = (ticks(pids) - before) / 40;
      const rssMiB = pids.reduce((sum, pid) => sum + residentMiB(pid), 0);
      if (pids.length === count && cpu < 0.1 || Date.now() > end) return { cpu, rssMiB, pids };
    }
  }

  /** Runs attacks, so many at a time; gives what failed, each as a line that begins with its name. */
  async sufferAll(attacks: readonly Attack[], at: number): Promise<string[]> {
    const failures: string[] = [];
    const waiting = [...attacks];
    await Promise.all(Array.from({ length: at }, async () => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        const { name } = next;
        await this.suffer(next).catch((error) => failures.push(`${name}: ${error.message}`));
      }
    }));
    return failures;
  }

  /** Stops the machine in good order and takes its folder away. */
  async close(): Promise<void> {
    const { code } = await this.program.stop();
    await Deno.remove(this.#folder, { recursive: true });
    equal(code, 0, this.program.output().slice(-2000));
  }

  /** Ends a machine of which nothing better is expected. */
  async kill(): Promise<void> {
    try {
      await this.program.stop("SIGKILL");
    } catch (error) {
      if (!(error instanceof TypeError)) throw error; // it has ended by itself
    }
    await Deno.remove(this.#folder, { recursive: true });
  }
}

/** The answer of a connection that broke before it was complete. */
function broken(error: unknown): Answer {
  if (!(error instanceof TypeError)) throw error;
  return { status: 0, text: error.message, headers: new Headers() };
}

/** Fails unless a refusal is in the machine's words and none of the plugin's. */
export function inWords(name: string, { text, headers }: Answer): void {
  match(headers.get("content-type") ?? "", /^application\/problem\+json/, name);
  const { detail } = JSON.parse(text);
  ok(typeof detail === "string" && detail.length > 20, `${name}: ${text}`);
  ok(
    !/boom|file:|\/tmp|data:|\n\s+at /.test(detail),
    `${name} shows what it should not: ${detail}`,
  );
}

/**
 * Starts a machine.
 *
 * @param how `process` gives each plugin a process; `worker` narrows the server as the README says
 */
export async function startGround(how: "process" | "worker"): Promise<Ground> {
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
    },
  });
  return new Ground(program, folder);
}

function freePort(): number {
  const listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
  const { port } = listener.addr;
  listener.close();
  return port;
}

/** A process and everything below it that is not a zombie (Linux; elsewhere the process alone). */
export function tree(root: number): number[] {
  if (Deno.build.os !== "linux") return [root];
  const parents = new Map<number, number>();
  for (const { name } of Deno.readDirSync("/proc")) {
    const fields = /^\d+$/.test(name) ? statOf(Number(name)) : undefined;
    if (fields !== undefined && fields[0] !== "Z") parents.set(Number(name), Number(fields[1]));
  }
  const found = [root];
  for (const above of found) {
    for (const [pid, parent] of parents) if (parent === above) found.push(pid);
  }
  return found;
}

/** Hundredths of a second of processor time of several processes together. */
export function ticks(pids: readonly number[]): number {
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

/** Threads of a process. */
export function threads(pid: number): number {
  return Number(statOf(pid)?.[17] ?? 0);
}

/** Fields of `/proc/<pid>/stat` from the state on; undefined when there is no such process. */
function statOf(pid: number): string[] | undefined {
  try {
    return Deno.readTextFileSync(`/proc/${pid}/stat`).split(") ").pop()?.split(" ");
  } catch {
    return undefined; // it has ended, or this is no Linux
  }
}
