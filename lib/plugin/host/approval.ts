/**
 * Checks whether a source is the one that was approved. The column `state` is not a proof. The
 * approval is the event that made the plugin active, on the world's event chain, which only the
 * holder of the server's key can extend. The event contains the hash of the source and everything
 * that the source declared. A source can declare something else at another time, so the declaration
 * is compared too; a plugin must not start with more than was approved. If T3 changes a config world
 * of an active plugin, the event `plugin_reconfigured` extends the approval.
 */

import { sha256Hex } from "../../base/hash.ts";
import type { ChainEvent, Store, World } from "../../world/store.ts";
import { parseManifest } from "../manifest/manifest.ts";
import { parsePermissions, type Permissions } from "../manifest/permissions.ts";
import { type ProbeResult, splitFault } from "./probe_manifest.ts";

/** Number of events per read of the chain. */
const PAGE_EVENTS = 100;
/** Fields of the manifest that must not change without a new approval. */
const FIXED = [
  "routes",
  "auth",
  "subject",
  "config",
  "grants",
  "fallback",
  "patience",
  "cron",
  "on",
  "kv",
] as const;

/** Payload of the event of an approval. */
export type ApprovalPayload = Readonly<Record<string, unknown>>;

/** The payload of a valid approval, or the reason why there is none. */
export type ApprovalResult = { readonly payload: ApprovalPayload } | { readonly fault: string };

/** Returns the payload of an approval's event for a source. */
export function approvalPayload({ manifest, permissions, config }: ProbeResult): ApprovalPayload {
  const { routes, auth, subject, grants, fallback, patience, cron, on, kv } = manifest;
  return {
    routes,
    auth,
    // Approvals of earlier versions do not have the field.
    ...(subject ? { subject } : {}),
    config: manifest.config,
    grants,
    fallback,
    ...(patience === undefined ? {} : { patience }),
    ...(cron.length === 0 ? {} : { cron }),
    ...(on.length === 0 ? {} : { on }),
    ...(kv ? { kv } : {}),
    permissions,
    ...configHashes({ config }),
  };
}

/** Returns the hashes of config worlds, as members of an event: of all together, and of each. */
export function configHashes(
  { config }: Pick<ProbeResult, "config">,
): { readonly config_sha256: string; readonly config_hashes: Readonly<Record<string, string>> } {
  return { config_sha256: hashOf(config), config_hashes: hashEach(config) };
}

/**
 * Returns the digest of everything that a source requests, for `?asks` and the approval. It does not
 * contain the text of the config worlds, only what follows from it.
 *
 * @param source the world of the plugin
 * @param requested what the source requests
 * @returns 64 lower-case hexadecimal digits
 */
export function requestDigest({ sha256 }: Pick<World, "sha256">, requested: ProbeResult): string {
  const { config_sha256: _config, config_hashes: _hashes, ...fields } = approvalPayload(requested);
  const { description } = requested.manifest;
  return sha256Hex(encode(canonicalJson({ source_sha256: sha256, description, ...fields })));
}

/**
 * Compares what the cell of a plugin declares when it starts with what was approved.
 *
 * @param expected what the source requested when it was inspected with the same config worlds
 * @param text the declaration as JSON, from the cell
 * @returns the difference as text, or undefined if they agree
 */
export function declarationFault(expected: ProbeResult, text: string): string | undefined {
  let declared: ProbeResult;
  try {
    const { manifest, permissions }: Record<string, unknown> = JSON.parse(text);
    declared = {
      manifest: parseManifest(manifest, () => undefined, () => undefined),
      permissions: parsePermissions(splitFault(permissions).declared),
      config: expected.config,
    };
  } catch (error) {
    return `its declaration is invalid: ${error instanceof Error ? error.message : error}`;
  }
  const [now, before] = [approvalPayload(declared), approvalPayload(expected)];
  const field = [...FIXED, "permissions"].find((name) =>
    canonicalJson(now[name]) !== canonicalJson(before[name])
  );
  return field === undefined
    ? undefined
    : `its \`${field}\` differs between two evaluations of the same source`;
}

/** What T3 approved: the permissions, and the hashes of the config worlds that they follow from. */
export interface ApprovedPermissions {
  readonly permissions: Permissions;
  /** Hash by path of each config world that existed. */
  readonly hashes: Readonly<Record<string, string>>;
}

/**
 * Returns the approved permissions of an approval.
 *
 * @param payload payload of {@link findApproval}
 * @param current the current config worlds. Approvals of earlier versions have one hash for all
 * @throws {ManifestError} the recorded permissions are invalid
 */
export function approvedPermissions(
  payload: ApprovalPayload,
  current: ProbeResult,
): ApprovedPermissions {
  const { permissions, config_hashes, config_sha256 } = payload;
  const approved = parsePermissions(permissions);
  if (typeof config_hashes !== "object" || config_hashes === null) {
    const isSame = config_sha256 === hashOf(current.config);
    return { permissions: approved, hashes: isSame ? hashEach(current.config) : {} };
  }
  const entries = Object.entries(config_hashes).map(([path, hash]) =>
    [path, String(hash)] as const
  );
  return { permissions: approved, hashes: Object.fromEntries(entries) };
}

/** Returns what an evaluation requests as the new approval. */
export function toApproved({ permissions, config }: ProbeResult): ApprovedPermissions {
  return { permissions, hashes: hashEach(config) };
}

/**
 * Returns the config worlds of a plugin whose content is not the approved one, including those that
 * were created or deleted since.
 */
export function changedConfigs(
  { hashes }: ApprovedPermissions,
  { manifest, config }: Pick<ProbeResult, "manifest" | "config">,
): readonly string[] {
  const current = hashEach(config);
  return manifest.config.filter((path) => current[path] !== hashes[path]);
}

/**
 * Finds the approval of an active plugin.
 *
 * @param source the current world of the plugin
 * @returns the payload of the approval, or a fault: the chain is broken, the source differs from the
 * chain, or the newest transition is not an approval of this source
 */
export async function findApproval(store: Store, source: World): Promise<ApprovalResult> {
  const audit = await store.audit(source.name);
  if (!audit.chain.ok) {
    return { fault: `its event chain is broken: ${audit.chain.reason ?? "unknown"}` };
  }
  if (!audit.body.ok) {
    return { fault: `its source does not match its event chain: ${audit.body.reason ?? ""}` };
  }
  const payload = await lastTransition(store, source.name);
  if (payload === undefined) return { fault: "its event chain contains no approval" };
  const { to, source_sha256: approved } = payload;
  if (to !== "active") return { fault: `its newest state on the event chain is ${String(to)}` };
  if (approved !== source.sha256) return { fault: "another source was approved" };
  return { payload };
}

/**
 * Compares what a source declares now with what was approved. Permissions may change with the
 * config worlds, which only T3 can write; with the same config they must be the same.
 *
 * @param approved payload of the approval
 * @param current what the source declares now
 * @returns the difference as text, or undefined if they agree
 */
export function manifestDrift(approved: ApprovalPayload, current: ProbeResult): string | undefined {
  const currentPayload = approvalPayload(current);
  const field =
    FIXED.find((name) => canonicalJson(approved[name]) !== canonicalJson(currentPayload[name])) ??
      (approved.config_sha256 === currentPayload.config_sha256 &&
          canonicalJson(approved.permissions) !== canonicalJson(currentPayload.permissions)
        ? "permissions"
        : undefined);
  return field === undefined
    ? undefined
    : `its \`${field}\` differs from the approval; PUT active to approve the current value`;
}

/**
 * The newest transition. If T3 changed a config world afterwards, it has the permissions of that
 * change.
 */
async function lastTransition(store: Store, name: string): Promise<ApprovalPayload | undefined> {
  let before: number | undefined;
  const reconfigured: ApprovalPayload[] = [];
  for (;;) {
    const page = { limit: PAGE_EVENTS, ...(before === undefined ? {} : { before }) };
    const events: readonly ChainEvent[] = await store.log(name, page);
    for (const { type, payload } of events) {
      const fields = typeof payload === "object" && payload !== null ? { ...payload } : {};
      if (type === "plugin_reconfigured") reconfigured.push(fields);
      if (type !== "state_transition") continue;
      return { ...fields, ...reconfiguredFields(reconfigured, fields) };
    }
    before = events.at(-1)?.id;
    if (before === undefined || before <= 1) return undefined;
  }
}

/**
 * The fields of the approval that the newest change of config worlds by T3 replaced. Another server can
 * have recorded one of the source before, after the approval.
 */
function reconfiguredFields(
  changes: readonly ApprovalPayload[],
  { source_sha256 }: ApprovalPayload,
): ApprovalPayload | undefined {
  const newest = changes.find((change) =>
    change.approved === true && change.source_sha256 === source_sha256
  );
  if (newest === undefined) return undefined;
  const { permissions, config_sha256, config_hashes } = newest;
  return { permissions, config_sha256, config_hashes };
}

function hashOf(config: Readonly<Record<string, string>>): string {
  return sha256Hex(encode(canonicalJson(config)));
}

function hashEach(config: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(config).map(([path, text]) => [path, sha256Hex(encode(text))]),
  );
}

function encode(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}

/** Returns JSON with sorted keys, because the chain does not keep their order. */
function canonicalJson(value: unknown): string {
  return JSON.stringify(
    value,
    (_key, part) =>
      typeof part === "object" && part !== null && !Array.isArray(part)
        ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => a < b ? -1 : 1))
        : part,
  ) ?? "absent";
}
