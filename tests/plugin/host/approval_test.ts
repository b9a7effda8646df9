import { assert, assertEquals, assertMatch, assertStrictEquals } from "../../support/assert.ts";
import {
  approvalPayload,
  approvedPermissions,
  changedConfigs,
  configHashes,
  declarationFault,
  findApproval,
  manifestDrift,
  requestDigest,
  toApproved,
} from "../../../lib/plugin/host/approval.ts";
import type { ProbeResult } from "../../../lib/plugin/host/probe_manifest.ts";
import type { Store, World } from "../../../lib/world/store.ts";
import { withApp } from "../../support/app.ts";

const PROBED: ProbeResult = {
  manifest: {
    routes: ["/p"],
    auth: "T2",
    subject: false,
    config: ["/etc/p.conf"],
    grants: { "/var/b/": "rw", "/var/a/": "r" },
    description: "d",
    fallback: false,
    cron: [],
    on: [],
    kv: false,
  },
  permissions: { net: ["a.example"], read: [], write: [], env: [] },
  config: { "/etc/p.conf": "a.example" },
};

/** The payload as it is read from the event chain. */
const PAYLOAD: Record<string, unknown> = JSON.parse(JSON.stringify(approvalPayload(PROBED)));

async function source(store: Store): Promise<World> {
  const world = await store.read("lib/p");
  assert(world !== undefined);
  return world;
}

async function withSource(test: (store: Store) => Promise<void>): Promise<void> {
  await withApp({}, async ({ store }) => {
    const body = new TextEncoder().encode("source");
    await store.put({ name: "lib/p", body, ext: "ts", meta: [], by: "T2", state: "pending" });
    await test(store);
  });
}

function approve(store: Store, sha256: unknown, to = "active"): Promise<unknown> {
  return store.transition({ name: "lib/p", by: "T3", to, eventFields: { source_sha256: sha256 } });
}

async function faultOf(store: Store, eventStore: Store = store): Promise<string> {
  const found = await findApproval(eventStore, await source(store));
  return "fault" in found ? found.fault : "none";
}

Deno.test("findApproval() finds the newest transition before any number of other events", async () => {
  await withSource(async (store) => {
    assertEquals(await faultOf(store), "its event chain contains no approval");
    const { sha256 } = await source(store);
    await approve(store, sha256);
    for (let at = 0; at < 150; at++) {
      await store.note({ name: "lib/p", by: "machine", type: "plugin_ended", payload: { at } });
    }
    const found = await findApproval(store, await source(store));
    assert("payload" in found);
    assertStrictEquals(found.payload.source_sha256, sha256);
  });
});

Deno.test("findApproval() returns a fault for an approval of another source and for a disabled plugin", async () => {
  await withSource(async (store) => {
    for (const other of ["00", undefined, null, 7]) {
      await approve(store, other);
      assertEquals(await faultOf(store), "another source was approved");
    }
    const { sha256 } = await source(store);
    await approve(store, sha256);
    assertEquals(await faultOf(store), "none");
    await approve(store, sha256, "disabled");
    assertMatch(await faultOf(store), /newest state on the event chain is disabled/);
  });
});

Deno.test("findApproval() returns a fault for a broken chain and for bytes that do not match it", async () => {
  await withSource(async (store) => {
    const { sha256 } = await source(store);
    await approve(store, sha256);
    const verdict = await store.audit("lib/p");
    const broken = { ...verdict.chain, ok: false, reason: "cut" };
    const faked = (audit: unknown): Store =>
      Object.create(store, { audit: { value: () => Promise.resolve(audit) } });
    assertMatch(await faultOf(store, faked({ ...verdict, chain: broken })), /chain is broken: cut/);
    const changed = { ...verdict.body, ok: false, reason: "changed" };
    assertMatch(
      await faultOf(store, faked({ ...verdict, body: changed })),
      /does not match its event chain: changed/,
    );
  });
});

Deno.test("manifestDrift() returns undefined for equal payloads in any order", () => {
  assertEquals(manifestDrift(PAYLOAD, PROBED), undefined);
  const { manifest } = PROBED;
  const grants = { "/var/a/": "r", "/var/b/": "rw" } as const;
  assertEquals(manifestDrift(PAYLOAD, { ...PROBED, manifest: { ...manifest, grants } }), undefined);
  // The description grants nothing.
  assertEquals(
    manifestDrift(PAYLOAD, { ...PROBED, manifest: { ...manifest, description: "other" } }),
    undefined,
  );
});

Deno.test("manifestDrift() names the field that differs", () => {
  const { manifest } = PROBED;
  const others: Partial<ProbeResult["manifest"]>[] = [
    { routes: ["/p", "/q"] },
    { auth: "T1" },
    { config: [] },
    { grants: { ...manifest.grants, "/var/b/": "r" } },
    { fallback: true },
    { patience: 60 },
  ];
  for (const other of others) {
    const [field = ""] = Object.keys(other);
    const fault = manifestDrift(PAYLOAD, { ...PROBED, manifest: { ...manifest, ...other } });
    assertMatch(fault ?? "", new RegExp(`^its \`${field}\` differs from the approval`));
  }
  // An approval with an empty payload approves nothing.
  assertMatch(manifestDrift({}, PROBED) ?? "", /`routes`/);
});

Deno.test("manifestDrift() accepts other permissions only with another config", () => {
  const permissions = { ...PROBED.permissions, net: ["b.example"] };
  assertMatch(manifestDrift(PAYLOAD, { ...PROBED, permissions }) ?? "", /`permissions`/);
  const config = { "/etc/p.conf": "b.example" };
  assertEquals(manifestDrift(PAYLOAD, { ...PROBED, permissions, config }), undefined);
  assertEquals(PAYLOAD.permissions, PROBED.permissions);
});

Deno.test("findApproval() adds the permissions of a later change by T3, and no others", async () => {
  await withSource(async (store) => {
    const { sha256 } = await source(store);
    const note = (approved: boolean, permissions: unknown, source_sha256 = sha256) =>
      store.note({
        name: "lib/p",
        by: "machine",
        type: "plugin_reconfigured",
        payload: { approved, permissions, source_sha256, ...configHashes(PROBED) },
      });
    await note(true, "before the approval");
    await store.transition({
      name: "lib/p",
      by: "T3",
      to: "active",
      eventFields: { source_sha256: sha256, permissions: "approved" },
    });
    const permissionsOf = async () => {
      const found = await findApproval(store, await source(store));
      return "payload" in found ? found.payload.permissions : found.fault;
    };
    await note(false, "by another plugin");
    // Another server can record it after T3 has approved this source.
    await note(true, "of another source", "other");
    assertEquals(await permissionsOf(), "approved");
    await note(true, "by T3");
    await note(false, "by another plugin");
    assertEquals(await permissionsOf(), "by T3");
  });
});

Deno.test("requestDigest() changes with the source and with everything that it requests, but not with the text of its config", () => {
  const of = (change: Partial<ProbeResult["manifest"]>, rest: Partial<ProbeResult> = {}) =>
    requestDigest({ sha256: "s" }, {
      ...PROBED,
      ...rest,
      manifest: { ...PROBED.manifest, ...change },
    });
  const digests = [
    of({}),
    requestDigest({ sha256: "other" }, PROBED),
    of({ routes: ["/q"] }),
    of({ auth: "T1" }),
    of({ subject: true }),
    of({ config: [] }),
    of({ grants: {} }),
    of({ fallback: true }),
    of({ description: "x" }),
    of({ patience: 5 }),
    of({}, { permissions: { ...PROBED.permissions, env: ["HOME"] } }),
  ];
  assertEquals(new Set(digests).size, digests.length);
  assertMatch(digests[0] ?? "", /^[0-9a-f]{64}$/);
  assertEquals(of({}, { config: { "/etc/p.conf": "other text" } }), digests[0]);
});

Deno.test("declarationFault() names the field that differs, and accepts fields in any order", () => {
  const { manifest, permissions } = PROBED;
  const say = (change: Record<string, unknown>, granted: unknown = permissions) =>
    declarationFault(
      PROBED,
      JSON.stringify({ permissions: granted, manifest: { ...manifest, ...change } }),
    );
  assertEquals(say({}), undefined);
  assertEquals(say({ description: "another" }), undefined);
  assertEquals(say({}, { ...permissions, fault: "a text" }), undefined);
  assertMatch(say({ auth: "T1" }) ?? "", /`auth`/);
  assertMatch(say({ grants: { "/home/": "rw" } }) ?? "", /`grants`/);
  assertMatch(say({}, { net: [] }) ?? "", /`permissions`/);
  assertMatch(say({ routes: 1 }) ?? "", /invalid/);
  assertMatch(declarationFault(PROBED, "{") ?? "", /invalid/);
});

Deno.test("changedConfigs() lists worlds that were changed, created or deleted since the approval", () => {
  const { manifest } = PROBED;
  const approved = approvedPermissions(PAYLOAD, PROBED);
  assertEquals(approved, toApproved(PROBED));
  assertEquals(changedConfigs(approved, PROBED), []);
  assertEquals(changedConfigs(approved, { manifest, config: {} }), ["/etc/p.conf"]);
  assertEquals(changedConfigs(approved, { manifest, config: { "/etc/p.conf": "x" } }), [
    "/etc/p.conf",
  ]);
  const without = { ...approved, hashes: {} };
  assertEquals(changedConfigs(without, PROBED), ["/etc/p.conf"]);
  // Approvals of earlier versions have one hash for all config worlds.
  const { config_hashes: _hashes, ...old } = PAYLOAD;
  assertEquals(approvedPermissions(old, PROBED).hashes, approved.hashes);
  assertEquals(approvedPermissions(old, { ...PROBED, config: {} }).hashes, {});
});

Deno.test("manifestDrift() and requestDigest() notice a new schedule, watched path and env.kv", () => {
  const { manifest } = PROBED;
  const digest = requestDigest({ sha256: "a" }, PROBED);
  for (const change of [{ cron: ["* * * * *"] }, { on: ["/var/a/"] }, { kv: true }]) {
    const changed = { ...PROBED, manifest: { ...manifest, ...change } };
    assertMatch(manifestDrift(PAYLOAD, changed) ?? "", /differs from the approval/);
    assert(requestDigest({ sha256: "a" }, changed) !== digest);
  }
  // Approvals of earlier versions have none of these fields.
  for (const field of ["cron", "on", "kv"]) assert(!Object.hasOwn(PAYLOAD, field));
});
