/**
 * Shared by the tests of the semantic plugin: a server with the plugin and with a model whose answers
 * the test defines. Not a test itself.
 */

import { eventually, record } from "../plugin/plugin_test_server.ts";
import { assertEquals } from "../support/assert.ts";
import { APPROVE, bearer, type TestServer } from "../support/test_server.ts";
import { putWorld, withPluginServer } from "../support/plugin_server.ts";
import type { Reply } from "../support/wire.ts";

/** How the model answers one prompt; without fields it writes a short text. */
export interface Script {
  readonly tokens?: readonly string[];
  /** Index of the token before which the model waits for {@link ScriptedModel.release}. */
  readonly hold?: number;
  /**
   * `break` drops the connection, `error` sends an error event, `hang` sends nothing more, `silent`
   * closes without a done event; `length` and `filtered` report that the model did not finish.
   */
  readonly end?: "done" | "break" | "error" | "hang" | "silent" | "length" | "filtered";
  /** Answers only this status. */
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Repeats its tokens without end. */
  readonly endless?: boolean;
  /** Value of X-Gpu-Model if it is not the configured model. */
  readonly model?: string;
}

/** Source of a plugin that replaces the gpu plugin and takes instructions from the test. */
export const SCRIPTED = `
export const description = "a model for tests";
export const routes = ["/dev/gpu"];
export const auth = "T2";
let scripts = [], calls = [], left = 0, held = [], open = 0;
let identity = { backend: "fake", model: "m1", local: true, configured: true };
const frame = (text) => "data: " + text.replaceAll("\\n", "\\ndata: ") + "\\n\\n";
async function control(request, path) {
  if (path === "/script") scripts.push(...await request.json());
  if (path === "/identity") identity = await request.json();
  if (path === "/release") { for (const resolve of held) resolve(); held = []; }
  if (path === "/forget") { scripts = []; calls = []; left = 0; }
  return Response.json({ calls, left, held: held.length, scripts: scripts.length, open });
}
export default { async fetch(request) {
  const path = new URL(request.url).pathname.slice("/dev/gpu".length);
  if (path !== "" && path !== "/stream") return await control(request, path);
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
  const close = () => { open--; };
  return new Response(new ReadableStream({
    async pull(controller) {
      if (at === hold) await new Promise((resolve) => held.push(resolve));
      if (at < tokens.length || endless) {
        return controller.enqueue(encoder.encode(frame(tokens[at++ % tokens.length])));
      }
      if (end === "hang") return await new Promise(() => {});
      close();
      if (end === "break") return controller.error(new Error("connection lost"));
      if (end === "error") controller.enqueue(encoder.encode("event: error\\ndata: burnt\\n\\n"));
      const finish = { done: "stop", error: "error", length: "length", filtered: "filtered" }[end];
      if (finish) controller.enqueue(encoder.encode("event: done\\ndata: " + finish + "\\n\\n"));
      controller.close();
    },
    cancel() { left++; close(); },
  }, { highWaterMark: 0 }), { headers });
} };
`;

/** State of the model. */
export interface ModelState {
  readonly calls: readonly { readonly prompt: string; readonly path: string }[];
  /** Streams that the plugin cancelled. */
  readonly left: number;
  /** Streams that wait for {@link ScriptedModel.release}. */
  readonly held: number;
}

/** The identity that `GET /dev/gpu` reports unless the test changes it. */
const IDENTITY = { backend: "fake", model: "m1", local: true, configured: true };

/** The model, controlled by the test. */
export class ScriptedModel {
  readonly #server: TestServer;

  constructor(server: TestServer) {
    this.#server = server;
  }

  /** Determines the answers to the next prompts, one script each. */
  async script(...scripts: Script[]): Promise<void> {
    await this.#control("/script", JSON.stringify(scripts));
  }

  /** Changes what `GET /dev/gpu` reports and waits until the plugin has read it. */
  async become(changed: Readonly<Record<string, unknown>>): Promise<void> {
    const identity = { ...IDENTITY, ...changed };
    await this.#control("/identity", JSON.stringify(identity));
    const expected = identity.configured
      ? `${identity.backend}/${identity.model}; ${identity.local ? "local" : "remote"}`
      : undefined;
    await eventually(async () => {
      const { headers } = await this.#server.send({
        method: "HEAD",
        target: "/shaped/usr/share/doc/note.md",
        headers: { ...bearer(APPROVE), accept: "text/html" },
      });
      return headers.get("x-semantic-gpu") === expected || undefined;
    }, "the plugin has read the new identity");
  }

  /** Continues all streams that wait. */
  async release(): Promise<void> {
    await this.#control("/release");
  }

  /** Removes scripts and calls. */
  async forget(): Promise<void> {
    await this.#control("/forget");
  }

  async state(): Promise<ModelState> {
    return await this.#control("/state");
  }

  /** Requests the state until it satisfies a condition. */
  async until(what: string, isSo: (state: ModelState) => boolean): Promise<ModelState> {
    return await eventually(async () => {
      const state = await this.state();
      return isSo(state) ? state : undefined;
    }, what);
  }

  async #control(path: string, body = "{}"): Promise<ModelState> {
    const { status, text } = await this.#server.send({
      method: "POST",
      target: `/dev/gpu${path}`,
      headers: bearer(APPROVE),
      body,
    });
    assertEquals(status, 200, text);
    const { calls, left, held } = record(JSON.parse(text));
    if (!Array.isArray(calls)) throw new TypeError(text);
    return { calls, left: Number(left), held: Number(held) };
  }
}

/** A server with the plugin and a scripted model. */
export interface Shaper {
  readonly server: TestServer;
  readonly model: ScriptedModel;
  /** Origin of the server, for tests that read a response in parts. */
  readonly url: string;
  /** Requests a shape, with T2 unless the headers contain a credential. */
  shape(
    path: string,
    headers?: Record<string, string>,
    method?: string,
  ): Promise<Reply & { header(name: string): string | undefined }>;
  /** Stores a world with T3. */
  put(path: string, body: string | Uint8Array): Promise<void>;
  /** Writes `/etc/semantic.conf` and waits until it is in effect. */
  configure(text: string): Promise<void>;
}

/** Options of the server. */
export interface ShaperOptions {
  /** True for a server with a T2 token; without one, loopback callers have T2. */
  readonly hasTokens?: boolean;
  /** Text of `/etc/semantic.conf` from the start. */
  readonly conf?: string;
  /** True for a server without a model. */
  readonly bare?: boolean;
}

/** Runs a test with its own server. */
export function withShaper(
  { hasTokens = false, conf, bare = false }: ShaperOptions,
  test: (shaper: Shaper) => Promise<void>,
): Promise<void> {
  return withPluginServer({
    plugins: bare ? ["semantic"] : [["gpu", SCRIPTED], "semantic"],
    worlds: conf === undefined ? {} : { "/etc/semantic.conf": conf },
    env: hasTokens ? {} : { ELASTIK_TOKEN: undefined },
  }, (server) => test(shaperOf(server)));
}

function shaperOf(server: TestServer): Shaper {
  return {
    server,
    model: new ScriptedModel(server),
    url: `http://127.0.0.1:${server.port}`,
    async shape(path, headers = {}, method = "GET") {
      const reply = await server.send({ method, target: `/shaped${path}`, headers });
      return { ...reply, header: (name) => reply.headers.get(name) };
    },
    put: (path, body) => putWorld(server, path, body),
    async configure(text) {
      const before = (await reconfigurations(server)).length;
      await server.approve("PUT", "/etc/semantic.conf", text);
      await eventually(
        async () => (await reconfigurations(server)).length > before || undefined,
        "the configuration is in effect",
      );
    },
  };
}

async function reconfigurations(server: TestServer): Promise<unknown[]> {
  const { text } = await server.approve("GET", "/proc/log/lib/semantic?limit=1000");
  const events: unknown = JSON.parse(text);
  if (!Array.isArray(events)) throw new TypeError(text);
  return events.filter((event) => record(event).type === "plugin_reconfigured");
}

/**
 * Runs test steps one after the other on one server, each with its own world `/home/case-<index>`.
 *
 * @param title name of the test
 * @param conf text of `/etc/semantic.conf`
 * @param steps the steps by their titles
 */
export function shaperSteps(
  title: string,
  conf: string,
  steps: Readonly<Record<string, (shaper: Shaper, path: string) => Promise<void>>>,
): void {
  Deno.test(title, async (t) => {
    await withShaper({ conf }, async (shaper) => {
      for (const [at, [name, run]] of Object.entries(steps).entries()) {
        await t.step(name, async () => {
          const path = `/home/case-${at}`;
          await shaper.put(path, `The world of case ${at}.\n`);
          await shaper.model.forget();
          await run(shaper, path);
        });
      }
    });
  });
}

/** One server-sent event. */
export interface StreamEvent {
  readonly type: string;
  readonly data: string;
}

/** The events of a stream that has ended. */
export function eventsIn(text: string): StreamEvent[] {
  return text.split("\n\n").filter((block) => block.trim() !== "" && !block.startsWith(":"))
    .map((block) => {
      const lines = block.split("\n");
      const valuesOf = (field: string) =>
        lines.filter((line) => line.startsWith(`${field}: `)).map((line) =>
          line.slice(field.length + 2)
        );
      return { type: valuesOf("event")[0] ?? "message", data: valuesOf("data").join("\n") };
    });
}

/** The text of a stream that has ended. */
export function textIn(text: string): string {
  return eventsIn(text).filter(({ type }) => type === "message").map(({ data }) => data).join("");
}

/** A page in the pieces in which {@link respondInFormat} writes it. */
export const HTML_PIECES = [
  "<!doctype html>",
  "<html><body><h1>Dear",
  " Grandma</h1></body></html>",
] as const;

/** The output of a model that writes the media type that the prompt names. */
export function respondInFormat({ prompt }: { readonly prompt: string }): readonly string[] {
  if (prompt.includes("It is text/html")) return HTML_PIECES;
  if (prompt.includes("It is text/csv")) return ["source,kind\n", "two,grants"];
  return ["Two grants", " and a loan."];
}
