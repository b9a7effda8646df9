import {
  assert,
  assertEquals,
  assertMatch,
  assertNotMatch,
  assertRejects,
} from "../../support/assert.ts";
import type { CellLimits } from "../../../lib/cell_limits.ts";
import { ManifestError } from "../../../lib/plugin/manifest/manifest.ts";
import { probeManifest, type ProbeResult } from "../../../lib/plugin/host/probe_manifest.ts";
import { CellEndedError } from "../../../lib/plugin/cell/cell_run.ts";
import { LAUNCHES, SHORT } from "../cell_fixture.ts";

/** Long enough for a dozen processes that start at the same time on a busy computer. */
const LONG_MS = 60_000;
const DEADLINE_MS = 1500;

async function probe(
  code: string,
  worlds: Record<string, string> = {},
  limits: Partial<CellLimits> = { startTimeoutMs: LONG_MS, heartbeatTimeoutMs: LONG_MS },
): Promise<ProbeResult> {
  return await probeManifest({
    name: "test",
    code,
    startCell: LAUNCHES.process,
    limits: { ...SHORT, ...limits },
    now: Date.now,
    routeFault: () => undefined,
    readConfig: (path) => Promise.resolve(worlds[path]),
  });
}

const BODY = "export default { fetch() {} };";

Deno.test("probeManifest() returns the manifest and the permissions for the current config", async () => {
  const { manifest, permissions, config } = await probe(
    `export const routes = ["/x"], auth = "T2", description = "d", grants = { "/var/x/": "rw" };
     export const config = ["/etc/x", "/etc/none"];
     export const permissions = async ({ config }) => ({ net: config["/etc/x"].split(" ") });
     ${BODY}`,
    { "/etc/x": "a.example b.example:80" },
  );
  assertEquals(manifest.routes, ["/x"]);
  assertEquals(manifest.auth, "T2");
  assertEquals(config, { "/etc/x": "a.example b.example:80" });
  assertEquals(permissions.net, ["a.example", "b.example:80"]);
});

Deno.test("probeManifest() accepts permissions as an object, or absent", async () => {
  const { permissions } = await probe(
    `export const routes = ["/x"], permissions = { env: ["LANG"] }; ${BODY}`,
  );
  assertEquals(permissions.env, ["LANG"]);
  assertEquals((await probe(`export const routes = ["/x"]; ${BODY}`)).permissions.net, []);
});

Deno.test("probeManifest() returns the fault that a plugin reports about its config", async () => {
  const { permissions, fault } = await probe(
    `export const routes = ["/x"], config = ["/etc/x"];
     export const permissions = ({ config }) => ({ net: [], fault: "line " + config["/etc/x"] });
     ${BODY}`,
    { "/etc/x": "3" },
  );
  assertEquals([permissions.net, fault], [[], "line 3"]);
  for (const bad of ["7", '"x".repeat(2000)', "{}"]) {
    await assertRejects(
      probe(`export const routes = ["/x"], permissions = { fault: ${bad} }; ${BODY}`),
      /`permissions\.fault`/,
    );
  }
});

Deno.test("probeManifest() rejects with the reason for invalid exports", async () => {
  const bad: [string, RegExp][] = [
    [`export const routes = ["/x"];`, /method fetch/],
    [`export const routes = ["/x"]; export default 7;`, /method fetch/],
    [`throw new Error("not today"); ${BODY}`, /not today/],
    [`export const routes = 7; ${BODY}`, /`routes`/],
    [
      `export const routes = ["/x"], permissions = () => { throw new Error("oh") }; ${BODY}`,
      /`permissions`.*oh/,
    ],
    [
      `export const routes = ["/x"], permissions = () => ({ run: ["ls"] }); ${BODY}`,
      /permissions\.run/,
    ],
    [`export const routes = ["/x"], permissions = () => 1n; ${BODY}`, /`permissions`/],
    [
      `export const routes = ["/x"], permissions = { toJSON() { throw 1 } }; ${BODY}`,
      /`permissions`/,
    ],
    [`export const routes = ["/x"], description = "x".repeat(1e6); ${BODY}`, /`manifest`/],
    [`const a = []; a.push(a); export const routes = a; ${BODY}`, /`manifest`/],
  ];
  await Promise.all(bad.map(async ([code, expected]) => {
    const error = await probe(code).catch((error) => error);
    assert(error instanceof ManifestError || error instanceof CellEndedError, code);
    assertMatch(error.message, expected, code);
    assertNotMatch(error.message, /data:/, code);
  }));
});

Deno.test("probeManifest() has a time limit for loading and for permissions, also with a busy loop", async () => {
  const late = [
    `export const routes = ["/x"]; await new Promise(() => {}); ${BODY}`,
    `export const routes = ["/x"]; for (;;); ${BODY}`,
    `export const routes = ["/x"], permissions = () => new Promise(() => {}); ${BODY}`,
    `export const routes = ["/x"], permissions = () => { for (;;); }; ${BODY}`,
  ];
  await Promise.all(late.map(async (code) => {
    const error = await probe(code, {}, { startTimeoutMs: DEADLINE_MS }).catch((error) => error);
    assert(error instanceof ManifestError || error instanceof CellEndedError, String(error));
    assertMatch(error.message, /not ready after|no response after|no heartbeat/, code);
  }));
});

Deno.test("probeManifest() runs the plugin without permissions and without Deno", async () => {
  const { manifest } = await probe(`
    let found = "";
    try { await fetch("http://127.0.0.1:8123/"); found += "net"; } catch (e) { found += e.name; }
    export const routes = ["/x"], description = found + typeof Deno;
    ${BODY}`);
  assertEquals(manifest.description, "NotCapableundefined");
});
