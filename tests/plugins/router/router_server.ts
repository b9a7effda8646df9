/**
 * A server with the router plugin, and a plugin that replaces `/dev/gpu`, records its questions and
 * answers as the test defines. Not a test itself.
 */

import { assertEquals } from "../../support/assert.ts";
import type { SettingName } from "../../../lib/settings.ts";
import { get, plugin, record, setState } from "../../plugin/plugin_test_server.ts";
import { bearer, type TestServer } from "../../support/test_server.ts";
import { withPluginServer } from "../../support/plugin_server.ts";
import type { Reply } from "../../support/wire.ts";

/** Accept of a browser that opens a page. */
export const BROWSER = { accept: "text/html,application/xhtml+xml,*/*;q=0.8" };

/** A lower layer with nothing that the router proposes. */
const SHELL = { "usr/lib/shell/index.html": "<!doctype html><title>the shell</title>" };

/** How the device answers. */
export interface Behaviour {
  /** Body of the answer. */
  readonly says?: string;
  readonly status?: number;
  /** Whether the backend is local; `header` is the value of X-Gpu-Local in the response. */
  readonly local?: boolean;
  readonly header?: string;
  readonly configured?: boolean;
  /** `head` sends no response, `body` never ends the body, `throw` throws. */
  readonly fails?: "head" | "body" | "throw";
}

const DEVICE = plugin(
  { routes: ["/dev/gpu", "/behaviour"], auth: "T1" },
  `
  if (url.pathname === "/behaviour") {
    if (request.method === "PUT") { globalThis.behaviour = await request.json(); globalThis.questions = []; }
    return Response.json(globalThis.questions ?? []);
  }
  const behaviour = globalThis.behaviour ?? {};
  const local = behaviour.local ?? true;
  if (request.method === "GET") {
    return Response.json({ backend: "b", model: "m", local, configured: behaviour.configured ?? true });
  }
  (globalThis.questions ??= []).push(await request.text());
  if (behaviour.fails === "throw") throw new Error("the device is broken");
  if (behaviour.fails === "head") await new Promise(() => {});
  const headers = { "content-type": "text/plain", "x-gpu-local": behaviour.header ?? String(local) };
  const body = behaviour.fails === "body"
    ? new ReadableStream({ start(c) { c.enqueue(new TextEncoder().encode("/home/")); } })
    : behaviour.says ?? "NONE";
  return new Response(body, { status: behaviour.status ?? 200, headers });`,
);

/** A server with the router and the device. */
export class RouterServer {
  constructor(readonly server: TestServer) {}

  /** Stores worlds with these names, as T3. */
  async storeWorlds(...names: string[]): Promise<void> {
    for (const name of names) {
      // The router orders them by their times, which have one millisecond.
      await new Promise((resolve) => setTimeout(resolve, 3));
      const target = encodeURI(`/${name}`);
      const reply = await this.server.approve("PUT", target, `bytes of ${name}`);
      assertEquals(reply.status === 200 || reply.status === 201, true, reply.text);
    }
  }

  /**
   * Waits until all worlds are in the past. A world that is created again is as late as the second after
   * the end of the earlier world of its name.
   */
  async waitForTimes(): Promise<void> {
    const headers = { accept: "application/json" };
    const rows: unknown = JSON.parse((await this.get("/proc/worlds", headers)).text);
    if (!Array.isArray(rows)) throw new TypeError("/proc/worlds is not a list");
    const times = rows.map((row) => Date.parse(String(record(row).updated_at)));
    const left = Math.max(...times) - Date.now();
    await new Promise((resolve) => setTimeout(resolve, left + 3));
  }

  /** Deletes the worlds of the tests and restarts the router, so that its cache is empty. */
  async reset(behaviour: Behaviour = {}, conf?: string): Promise<void> {
    for (const space of ["home", "etc"]) {
      const headers = { ...bearer(this.server.approveToken), accept: "application/json" };
      const reply = await this.server.send({ method: "GET", target: `/${space}/`, headers });
      const rows: unknown = JSON.parse(reply.text);
      if (!Array.isArray(rows)) throw new TypeError(reply.text);
      for (const row of rows) {
        const { name, dir, version } = record(row);
        const target = `/${space}/${encodeURIComponent(String(name))}`;
        if (dir === true) await this.server.approve("DELETE", `${target}/`);
        if (typeof version === "number" && version > 0) {
          await this.server.approve("DELETE", target);
        }
      }
    }
    assertEquals((await setState(this.server, "router", "disabled")).status, 200);
    if (conf !== undefined) await this.server.approve("PUT", "/etc/router.conf", conf);
    assertEquals((await setState(this.server, "router", "active")).status, 200);
    await this.setBehaviour(behaviour);
  }

  /** Sets the behaviour of the device and clears its questions. */
  async setBehaviour(behaviour: Behaviour): Promise<void> {
    assertEquals(
      (await this.server.approve("PUT", "/behaviour", JSON.stringify(behaviour))).status,
      200,
    );
  }

  /** Returns the questions that the device has received. */
  async questions(): Promise<string[]> {
    const questions: unknown = JSON.parse(
      (await this.server.approve("GET", "/behaviour?now")).text,
    );
    return Array.isArray(questions) ? questions.map(String) : [];
  }

  /** Returns the names in the first question. */
  async namesInQuestion(): Promise<string[]> {
    const [question = ""] = await this.questions();
    return question.split("\n").filter((line) => line.startsWith("/"));
  }

  get(target: string, headers: Record<string, string> = {}): Promise<Reply> {
    return get(this.server, target, headers);
  }

  /** Asserts a redirect to a location. */
  async assertRedirects(
    target: string,
    location: string,
    headers: Record<string, string> = {},
  ): Promise<void> {
    const reply = await this.get(target, headers);
    assertEquals(
      [reply.status, reply.headers.get("location")],
      [303, location],
      `${target}: ${reply.text}`,
    );
  }

  /** Asserts the 404 that a server without the router sends. */
  async assertNotFound(target: string, headers: Record<string, string> = {}): Promise<void> {
    const reply = await this.get(target, headers);
    assertEquals(reply.status, 404, `${target}: ${reply.head}`);
    // The shell's page for a browser, otherwise a problem without names of the router.
    if (reply.text.includes("the shell")) return;
    const problem = record(JSON.parse(reply.text));
    assertEquals(problem.type, "/usr/share/doc/problems/not-found.md", reply.text);
    assertEquals("near" in problem, false, reply.text);
    assertEquals(reply.text.includes("near"), false, reply.text);
  }
}

/** Adds one case. */
type AddCase = (title: string, run: (router: RouterServer) => Promise<void>) => void;

/** Defines a test whose cases run one after another on a server, which is empty before each. */
export function routerSuite(
  title: string,
  add: (add: AddCase) => void,
  env: { readonly [S in SettingName]?: string } = {},
): void {
  Deno.test(title, async (t) => {
    const cases: [string, Parameters<AddCase>[1]][] = [];
    add((name, run) => void cases.push([name, run]));
    const plugins = [["gpu", DEVICE] as const, "router"];
    // Without a token local callers have T2; some cases set one.
    const settings = { ELASTIK_TOKEN: undefined, ...env };
    await withPluginServer({ plugins, env: settings, lowerTexts: SHELL }, async (server) => {
      const router = new RouterServer(server);
      for (const [name, run] of cases) {
        await router.reset();
        await t.step(name, () => run(router));
      }
    });
  });
}
