import { assert, assertEquals, assertRejects } from "../../support/assert.ts";
import {
  configFault,
  type LoadedPlugin,
  type RequestedGrants,
  type SandboxDeps,
  shortName,
} from "../../../lib/plugin/host/loaded_plugin.ts";
import {
  inspectSource,
  MissingPermissionError,
  prepareCellInit,
  probeSource,
  startPlugin,
} from "../../../lib/plugin/host/plugin_loader.ts";
import { toApproved } from "../../../lib/plugin/host/approval.ts";
import { reservedRouteFault } from "../../../lib/server/create_sandbox.ts";
import { Problem } from "../../../lib/http/problem.ts";
import { sha256Hex } from "../../../lib/base/hash.ts";
import type { World } from "../../../lib/world/store.ts";
import { isAlive, LAUNCHES, SHORT } from "../cell_fixture.ts";
import { plugin } from "../plugin_test_server.ts";

const lines: string[] = [];
const DEPS: SandboxDeps = {
  startCell: LAUNCHES.process,
  limits: SHORT,
  now: Date.now,
  readVariable: (name) => name === "HELD" ? "value" : undefined,
  forbiddenFolders: ["/closed"],
  routeFault: reservedRouteFault,
  readConfig: (path) => Promise.resolve(path === "/etc/p.conf" ? "configured" : undefined),
  log: (_level, line) => void lines.push(line),
};
let ended = 0;
const CALLBACKS = {
  authority: {
    machine: { tier: "T1", by: "plugin:p", grants: {} } as const,
    isCurrent: () => true,
    end: () => void ended++,
  },
  answerSubrequest: () => Promise.resolve(new Response("machine")),
  onEvent: () => undefined,
  onLine: () => undefined,
};

/** Starts a plugin with everything that it requests. */
async function start(
  deps: SandboxDeps,
  source: World,
  requested: RequestedGrants,
): Promise<LoadedPlugin> {
  const granted = {
    permissions: requested.permissions,
    approved: toApproved(requested),
    refused: [],
    untrusted: new Set<string>(),
  };
  const started = await startPlugin(deps, source, requested, granted, CALLBACKS);
  return { ...started, logged: { name: source.name, version: source.version, writer: "T3" } };
}

function world(text: string): World {
  const body = new TextEncoder().encode(text);
  return {
    name: "lib/p",
    version: 1,
    ext: "ts",
    meta: [],
    state: "pending",
    updatedAt: "2026-01-02T03:04:05.678Z",
    body,
    sha256: sha256Hex(body),
    layer: "upper",
  };
}

Deno.test("shortName() returns a plugin's name without its namespace", () => {
  assertEquals(shortName("lib/gpu"), "gpu");
  assertEquals(shortName("gpu"), "gpu");
});

Deno.test("inspectSource() returns what a source requests, without calling its fetch", async () => {
  const source = `${plugin({ config: ["/etc/p.conf", "/etc/none"], auth: "T2" }, "throw 1;")}
    export const permissions = ({ config }) => ({ env: [config["/etc/p.conf"] ?? "NOTHING"] });`;
  const wanted = await inspectSource(DEPS, world(source));
  assertEquals(wanted.config, { "/etc/p.conf": "configured" });
  assertEquals(wanted.permissions.env, ["configured"]);
  assertEquals(wanted.manifest.auth, "T2");
  assertEquals(await probeSource(DEPS, "lib/p", wanted.code), {
    manifest: wanted.manifest,
    permissions: wanted.permissions,
    config: wanted.config,
  });
});

Deno.test("inspectSource() accepts TypeScript, and refuses an import, a reserved route and a throw", async () => {
  const typed = `export const routes: string[] = ["/p"];
    export default { fetch(request: Request): Response { return new Response(request.url as string); } };`;
  assertEquals((await inspectSource(DEPS, world(typed))).manifest.routes, ["/p"]);
  await assertRejects(inspectSource(DEPS, world("import 'x';")), { name: "SourceError" });
  await assertRejects(inspectSource(DEPS, world(plugin({ routes: ["/proc/x"] }, ""))), {
    name: "ManifestError",
  });
  await assertRejects(inspectSource(DEPS, world("throw new Error('no')")), {
    name: "CellEndedError",
  });
});

Deno.test("prepareCellInit() returns the requested variables and refuses a forbidden folder", async () => {
  const source = plugin({ permissions: { env: ["HELD", "UNSET"] } }, "");
  const wanted = await inspectSource(DEPS, world(source));
  assertEquals((await prepareCellInit(DEPS, "lib/p", wanted.code, wanted)).vars, {
    HELD: "value",
  });
  const closed = { ...wanted, permissions: { ...wanted.permissions, read: ["/closed/x"] } };
  await assertRejects(prepareCellInit(DEPS, "lib/p", wanted.code, closed), {
    name: "ManifestError",
  });
  assert(new MissingPermissionError("x") instanceof Error);
});

Deno.test("startPlugin() starts a cell that answers, and leaves no process if it cannot start", async () => {
  const source = world(plugin({}, "console.log('said'); return new Response('fine');"));
  const loaded = await start(DEPS, source, await inspectSource(DEPS, source));
  const pid = loaded.cell.health().pid ?? 0;
  try {
    const caller = { tier: "T1", by: "T1" } as const;
    const visit = { authority: caller, tier: "T1", by: "T1", depth: 0 };
    const answer = await loaded.cell.request(new Request("http://localhost/p"), visit);
    assertEquals(await answer.text(), "fine");
    assert(lines.some((line) => line === "plugin p: said"), lines.join("|"));
  } finally {
    const before = ended;
    await loaded.cell.stop({ drain: false });
    assertEquals(ended, before + 1, "its authority has ended");
  }
  assert(Deno.build.os !== "linux" || !isAlive(pid));
  const wanted = await inspectSource(DEPS, source);
  const bad = { ...wanted, code: "throw new Error('unfit');" };
  await assertRejects(start(DEPS, source, bad), { name: "CellEndedError" });
});

Deno.test("startPlugin() extends the response timeout to the declared patience", async () => {
  const limits = { ...SHORT, responseTimeoutMs: 200 };
  const source = (patience: Record<string, unknown>, ms: number) =>
    world(
      plugin(
        patience,
        `await new Promise((resolve) => setTimeout(resolve, ${ms})); return new Response("late");`,
      ),
    );
  const deps = { ...DEPS, limits };
  const visit = { authority: { tier: "T1", by: "T1" }, tier: "T1", by: "T1", depth: 0 } as const;
  const statusOf = async (given: World): Promise<number> => {
    const loaded = await start(deps, given, await inspectSource(deps, given));
    assertEquals(configFault(loaded), undefined);
    try {
      const answer = await loaded.cell.request(new Request("http://machine/p"), visit);
      assertEquals(await answer.text(), "late");
      return answer.status;
    } catch (error) {
      return error instanceof Problem ? error.status : 0;
    } finally {
      await loaded.cell.stop({ drain: false });
    }
  };
  // Without patience the limit ends the call, however late the server looks at it.
  const statuses = [source({}, 3_600_000), source({ patience: 900 }, 500)].map(statusOf);
  assertEquals(await Promise.all(statuses), [504, 200]);
});
