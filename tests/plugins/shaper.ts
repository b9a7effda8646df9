/**
 * What the tests of the thinking layer share: a machine with the semantic plugin and a model that does
 * exactly as its test says, also what no sane model would. Not a test itself.
 */

import { equal } from "node:assert/strict";
import { install, QUICK, record } from "../plugin/plugin_machine.ts";
import { APPROVE, bearer, type TestMachine, withMachine } from "../support/machine.ts";
import type { Reply } from "../support/wire.ts";

/** How the model answers one prompt; what is not given is a short text in good order. */
export interface Script {
  readonly tokens?: readonly string[];
  /** Waits before the token of this number, or before the end, until it is released. */
  readonly hold?: number;
  /**
   * `break` drops the connection, `error` says so, `hang` never ends, `silent` lacks the end mark,
   * `length` ran into a bound.
   */
  readonly end?: "done" | "break" | "error" | "hang" | "silent" | "length";
  /** Answers with this status before anything else. */
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Repeats its tokens for ever. */
  readonly endless?: boolean;
  /** What X-Gpu-Model says, where it shall not be the truth. */
  readonly model?: string;
}

/** Stands in for the gpu plugin, and has a door for its test. */
export const SCRIPTED = `
export const description = "a model that does as it is told";
export const routes = ["/dev/gpu"];
export const auth = "T2";
let scripts = [], calls = [], left = 0, held = [], open = 0;
let identity = { backend: "fake", model: "m1", local: true, configured: true };
const frame = (text) => "data: " + text.replaceAll("\\n", "\\ndata: ") + "\\n\\n";
async function door(request, path) {
  if (path === "/script") scripts.push(...await request.json());
  if (path === "/identity") identity = await request.json();
  if (path === "/release") { for (const go of held) go(); held = []; }
  if (path === "/forget") { scripts = []; calls = []; left = 0; }
  return Response.json({ calls, left, held: held.length, scripts: scripts.length, open });
}
export default { async fetch(request) {
  const path = new URL(request.url).pathname.slice("/dev/gpu".length);
  if (path !== "" && path !== "/stream") return await door(request, path);
  if (request.method === "GET") return Response.json(identity);
  const prompt = await request.text();
  calls.push({ prompt, path });
  const script = scripts.shift() ?? {};
  const { tokens = ["shaped ", "text"], hold, end = "done", status = 200, endless } = script;
  const headers = {
    "content-type": "text/event-stream",
    "x-gpu-backend": identity.backend,
    "x-gpu-model": script.model ?? identity.model,
    "x-gpu-local": String(identity.local),
    ...script.headers,
  };
  if (status !== 200) return new Response("no", { status, headers });
  const encoder = new TextEncoder();
  let at = 0;
  open++;
  const over = () => { open--; };
  return new Response(new ReadableStream({
    async pull(controller) {
      if (at === hold) await new Promise((resolve) => held.push(resolve));
      if (at < tokens.length || endless) {
        return controller.enqueue(encoder.encode(frame(tokens[at++ % tokens.length])));
      }
      if (end === "hang") return await new Promise(() => {});
      over();
      if (end === "break") return controller.error(new Error("the line broke"));
      if (end === "error") controller.enqueue(encoder.encode("event: error\\ndata: it burnt down\\n\\n"));
      const finish = { done: "stop", error: "error", length: "length" }[end];
      if (finish) controller.enqueue(encoder.encode("event: done\\ndata: " + finish + "\\n\\n"));
      controller.close();
    },
    cancel() { left++; over(); },
  }, { highWaterMark: 0 }), { headers });
} };
`;

/** What the model saw and did. */
export interface Seen {
  readonly calls: readonly { readonly prompt: string; readonly path: string }[];
  /** Prompts given up by who asked. */
  readonly left: number;
  /** Answers that wait to be released. */
  readonly held: number;
}

/** The model, from its test's side. */
export class ScriptedModel {
  readonly #machine: TestMachine;

  constructor(machine: TestMachine) {
    this.#machine = machine;
  }

  /** Says how the next prompts are answered, one script each. */
  async script(...scripts: Script[]): Promise<void> {
    await this.#ask("/script", JSON.stringify(scripts));
  }

  /** Changes what `GET /dev/gpu` tells. */
  async become(identity: Readonly<Record<string, unknown>>): Promise<void> {
    const usual = { backend: "fake", model: "m1", local: true, configured: true };
    await this.#ask("/identity", JSON.stringify({ ...usual, ...identity }));
    // The name of the model is asked for anew after this long.
    await new Promise((resolve) => setTimeout(resolve, 60));
  }

  /** Lets everything go on that waits. */
  async release(): Promise<void> {
    await this.#ask("/release");
  }

  /** Forgets scripts and calls. */
  async forget(): Promise<void> {
    await this.#ask("/forget");
  }

  async seen(): Promise<Seen> {
    return await this.#ask("/seen");
  }

  /** Looks until the model has seen or done something; fails after ten seconds. */
  async until(what: string, so: (seen: Seen) => boolean): Promise<Seen> {
    for (const end = Date.now() + 10_000; Date.now() < end;) {
      const seen = await this.seen();
      if (so(seen)) return seen;
    }
    throw new Error(`Not so after ten seconds: ${what}`);
  }

  async #ask(path: string, body = "{}"): Promise<Seen> {
    const { status, text } = await this.#machine.send({
      method: "POST",
      target: `/dev/gpu${path}`,
      headers: bearer(APPROVE),
      body,
    });
    equal(status, 200, text);
    const { calls, left, held } = record(JSON.parse(text));
    if (!Array.isArray(calls)) throw new TypeError(text);
    return { calls, left: Number(left), held: Number(held) };
  }
}

/** The plugin's source. */
export function semanticSource(): Promise<string> {
  return Deno.readTextFile(new URL("../../plugins/semantic.ts", import.meta.url));
}

/** A machine whose worlds are shaped by a scripted model. */
export interface Shaper {
  readonly machine: TestMachine;
  readonly model: ScriptedModel;
  /** `http://127.0.0.1:41234`, for what a whole reply cannot show. */
  readonly url: string;
  /** Asks for a shape, as T2 on this computer unless told otherwise. */
  shape(
    path: string,
    headers?: Record<string, string>,
    method?: string,
  ): Promise<Reply & { header(name: string): string | undefined }>;
  /** Stores a world as T3. */
  put(path: string, body: string | Uint8Array): Promise<void>;
  /** Sets the plugin's configuration and waits until it holds. */
  configure(text: string): Promise<void>;
}

/** How a shaper's machine differs. */
export interface ShaperOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** `/etc/semantic.conf`, from the beginning. */
  readonly conf?: string;
  /** Without the model's plugin. */
  readonly bare?: boolean;
}

/** Runs a test on a machine of its own. */
export async function withShaper(
  options: ShaperOptions,
  test: (shaper: Shaper) => Promise<void>,
): Promise<void> {
  await withMachine({ env: { ...QUICK, ...options.env } }, async (machine) => {
    if (options.conf !== undefined) {
      await machine.approve("PUT", "/etc/semantic.conf", options.conf);
    }
    const closed = options.env?.ELASTIK_TOKEN !== undefined;
    const up = closed ? installAsApprover : install;
    if (options.bare !== true) await up(machine, "gpu", SCRIPTED);
    await up(machine, "semantic", await semanticSource());
    await test(shaperOf(machine));
  });
}

async function installAsApprover(
  machine: TestMachine,
  name: string,
  source: string,
): Promise<void> {
  await machine.approve("PUT", `/lib/${name}`, source);
  const { status, text } = await machine.approve("PUT", `/lib/${name}/state`, "active");
  equal(status, 200, text);
}

function shaperOf(machine: TestMachine): Shaper {
  return {
    machine,
    model: new ScriptedModel(machine),
    url: `http://127.0.0.1:${machine.port}`,
    async shape(path, headers = {}, method = "GET") {
      const reply = await machine.send({ method, target: `/shaped${path}`, headers });
      return { ...reply, header: (name) => reply.headers.get(name) };
    },
    async put(path, body) {
      const { status, text } = await machine.approve("PUT", path, body);
      equal(status === 200 || status === 201, true, text);
    },
    async configure(text) {
      const before = (await reconfigured(machine)).length;
      await machine.approve("PUT", "/etc/semantic.conf", text);
      for (const end = Date.now() + 10_000; Date.now() < end;) {
        if ((await reconfigured(machine)).length > before) return;
      }
      throw new Error("The configuration was not taken");
    },
  };
}

async function reconfigured(machine: TestMachine): Promise<unknown[]> {
  const { text } = await machine.approve("GET", "/proc/log/lib/semantic?limit=1000");
  const events: unknown = JSON.parse(text);
  if (!Array.isArray(events)) throw new TypeError(text);
  return events.filter((event) => record(event).type === "plugin_reconfigured");
}

/** One server-sent event. */
export interface Told {
  readonly type: string;
  readonly data: string;
}

/** The events of a stream that is over. */
export function eventsIn(text: string): Told[] {
  return text.split("\n\n").filter((block) => block.trim() !== "" && !block.startsWith(":"))
    .map((block) => {
      const lines = block.split("\n");
      const of = (field: string) =>
        lines.filter((line) => line.startsWith(`${field}: `)).map((line) =>
          line.slice(field.length + 2)
        );
      return { type: of("event")[0] ?? "message", data: of("data").join("\n") };
    });
}

/** The text that a stream carried. */
export function textIn(text: string): string {
  return eventsIn(text).filter(({ type }) => type === "message").map(({ data }) => data).join("");
}

/** A page in pieces, as {@link obliging} writes it. */
export const OBLIGING_PAGE = [
  "<!doctype html>",
  "<html><body><h1>Dear",
  " Grandma</h1></body></html>",
] as const;

/** What a model that does as it is asked writes, by the form that the prompt names. */
export function obliging({ prompt }: { readonly prompt: string }): readonly string[] {
  if (prompt.includes("It is text/html")) return OBLIGING_PAGE;
  if (prompt.includes("It is text/csv")) return ["source,kind\n", "two,grants"];
  return ["Two grants", " and a loan."];
}
