/**
 * What the router's tests share: a machine with the real router in its cell, and a device in the place
 * of `/dev/gpu` that does as its test says and tells what it was asked. Not a test itself.
 */

import { deepStrictEqual, equal } from "node:assert/strict";
import { eventually, get, plugin, QUICK, record, setState } from "../plugin/plugin_machine.ts";
import type { SettingName } from "../../lib/config.ts";
import { bearer, type TestMachine, withMachine } from "../support/machine.ts";
import type { Reply } from "../support/wire.ts";

/** A browser that goes somewhere. */
export const BROWSER = { accept: "text/html,application/xhtml+xml,*/*;q=0.8" };

/** A lower layer without a world that could be meant. */
const SHELL = { "usr/lib/shell/index.html": "<!doctype html><title>the shell</title>" };

/** How the device behaves. */
export interface Behaviour {
  /** What it says. */
  readonly says?: string;
  readonly status?: number;
  /** Whether it is on this computer, and whether it tells so with its answer. */
  readonly local?: boolean;
  readonly header?: string;
  readonly configured?: boolean;
  /** `head` never answers, `body` never ends its answer, `throw` fails. */
  readonly fails?: "head" | "body" | "throw";
}

const DEVICE = plugin(
  { routes: ["/dev/gpu", "/told"], auth: "T1" },
  `
  if (url.pathname === "/told") {
    if (request.method === "PUT") { globalThis.told = await request.json(); globalThis.asked = []; }
    return Response.json(globalThis.asked ?? []);
  }
  const told = globalThis.told ?? {};
  const local = told.local ?? true;
  if (request.method === "GET") {
    return Response.json({ backend: "b", model: "m", local, configured: told.configured ?? true });
  }
  (globalThis.asked ??= []).push(await request.text());
  if (told.fails === "throw") throw new Error("the device is broken");
  if (told.fails === "head") await new Promise(() => {});
  const headers = { "content-type": "text/plain", "x-gpu-local": told.header ?? String(local) };
  const body = told.fails === "body"
    ? new ReadableStream({ start(c) { c.enqueue(new TextEncoder().encode("/home/")); } })
    : told.says ?? "NONE";
  return new Response(body, { status: told.status ?? 200, headers });`,
);

/** A machine with the router and the device. */
export class RouterMachine {
  constructor(readonly machine: TestMachine) {}

  /** Makes worlds of their names, as T3. */
  async make(...names: string[]): Promise<void> {
    for (const name of names) {
      const target = encodeURI(`/${name}`);
      const reply = await this.machine.approve("PUT", target, `bytes of ${name}`);
      equal(reply.status === 200 || reply.status === 201, true, reply.text);
    }
  }

  /** Takes every world of the tests away, and has the router forget all it knew. */
  async reset(behaviour: Behaviour = {}, conf?: string): Promise<void> {
    for (const space of ["home", "etc"]) {
      const headers = { ...bearer(this.machine.approveToken), accept: "application/json" };
      const reply = await this.machine.send({ method: "GET", target: `/${space}/`, headers });
      const rows: unknown = JSON.parse(reply.text);
      if (!Array.isArray(rows)) throw new TypeError(reply.text);
      for (const row of rows) {
        const { name, dir, version } = record(row);
        const target = `/${space}/${encodeURIComponent(String(name))}`;
        if (dir === true) await this.machine.approve("DELETE", `${target}/`);
        if (typeof version === "number" && version > 0) {
          await this.machine.approve("DELETE", target);
        }
      }
    }
    equal((await setState(this.machine, "router", "disabled")).status, 200);
    if (conf !== undefined) await this.machine.approve("PUT", "/etc/router.conf", conf);
    equal((await setState(this.machine, "router", "active")).status, 200);
    await this.tell(behaviour);
  }

  /** Tells the device how to behave, and has it forget what it was asked. */
  async tell(behaviour: Behaviour): Promise<void> {
    equal((await this.machine.approve("PUT", "/told", JSON.stringify(behaviour))).status, 200);
  }

  /** The questions the device was asked. */
  async asked(): Promise<string[]> {
    const asked: unknown = JSON.parse((await this.machine.approve("GET", "/told?now")).text);
    return Array.isArray(asked) ? asked.map(String) : [];
  }

  /** Names that a question held. */
  async shown(): Promise<string[]> {
    const [question = ""] = await this.asked();
    return question.split("\n").filter((line) => line.startsWith("/"));
  }

  get(target: string, headers: Record<string, string> = {}): Promise<Reply> {
    return get(this.machine, target, headers);
  }

  /** Asserts status and Location of an answer. */
  async leads(
    target: string,
    location: string,
    headers: Record<string, string> = {},
  ): Promise<void> {
    const reply = await this.get(target, headers);
    deepStrictEqual(
      [reply.status, reply.headers.get("location")],
      [303, location],
      `${target}: ${reply.text}`,
    );
  }

  /** Asserts that an answer is what a machine without the router would say. */
  async plain(target: string, headers: Record<string, string> = {}): Promise<void> {
    const reply = await this.get(target, headers);
    equal(reply.status, 404, `${target}: ${reply.head}`);
    const known = /a PUT would create it|worlds live below \/home|nothing is here$|the shell/;
    equal(known.test(reply.text), true, `${target}: ${reply.text}`);
    equal(reply.text.includes("near"), false, reply.text);
  }
}

/** Adds one case. */
type AddCase = (title: string, run: (router: RouterMachine) => Promise<void>) => void;

/** Makes a test whose cases take turns on one machine, which is empty before each. */
export function routerSuite(
  title: string,
  add: (add: AddCase) => void,
  env: { readonly [S in SettingName]?: string } = {},
): void {
  Deno.test(title, async (t) => {
    const cases: [string, Parameters<AddCase>[1]][] = [];
    add((name, run) => void cases.push([name, run]));
    await withMachine({ env: { ...QUICK, ...env }, birth: SHELL }, async (machine) => {
      const source = await Deno.readTextFile(new URL("../../plugins/router.ts", import.meta.url));
      for (const [name, text] of [["gpu", DEVICE], ["router", source]] as const) {
        equal((await machine.approve("PUT", `/lib/${name}`, text)).status, 201);
        equal((await setState(machine, name, "active")).status, 200);
      }
      const router = new RouterMachine(machine);
      for (const [name, run] of cases) {
        await router.reset();
        await t.step(name, () => run(router));
      }
    });
  });
}

export { eventually };
