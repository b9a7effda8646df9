/**
 * The PROPFIND method of WebDAV (RFC 4918 §9.1): returns the properties of a resource, of its
 * members, or of all resources below it up to a limit. Resources that the caller cannot read are
 * left out.
 */

import { assertCan, isRedacted } from "../../auth/policy.ts";
import { toQuotaSpace } from "../properties/quota.ts";
import { redactFor } from "../../auth/redact.ts";
import { Problem } from "../../http/problem.ts";
import { DAV_BATCH_RESOURCES, MULTISTATUS_PIECE_CHARS } from "../../dav_limits.ts";
import { StoreError } from "../../world/store.ts";
import { readDepth } from "../resource/dav_headers.ts";
import type { DavLimiter } from "../resource/dav_limiter.ts";
import { DavProblem, toHref } from "../resource/dav_problem.ts";
import type { DeadProperty } from "../properties/dead_properties.ts";
import {
  CREATION_DATE_KEY,
  LIVE_PROPERTY_NAMES,
  QUOTA_KEYS,
  type ResourceInfo,
  writeLiveProperty,
} from "../properties/live_properties.ts";
import { hasMounts } from "../resource/mount_client.ts";
import {
  createMultistatus,
  type PropStat,
  StreamedMultistatus,
  writePropertiesResponse,
} from "../properties/multistatus.ts";
import { parsePropfind, type PropfindRequest } from "../properties/propfind_request.ts";
import {
  findResource,
  isTopLevel,
  listMembers,
  listTree,
  peekResource,
  requireFound,
  type Resource,
} from "../resource/resource.ts";
import { type DavContext, type DavRequest, readDavXml } from "./dav_context.ts";
import { listChildren } from "./list_children.ts";
import { DAV_NAMESPACE, toNameKey, writeEmptyElement, type XmlName } from "../xml/xml_writer.ts";

/** Maximum number of resources that are read from disk at the same time. */
const MAX_CONCURRENT_READS = 16;
/** Names of members, without the path of their collection. */
type Names = readonly string[];
/** Memory of a response that is being sent: pieces of it in the server and in the runtime. */
const MULTISTATUS_BYTES = 512 * 1024;
/** Memory of one resource of which it is made. */
const RESOURCE_BYTES = 128;
const LIVE_NAMES: readonly XmlName[] = LIVE_PROPERTY_NAMES.map((name) => ({
  ns: DAV_NAMESPACE,
  name,
}));

/** A requested property. */
interface Column {
  readonly name: XmlName;
  readonly key: string;
  /** Whether the request names it; then the response reports it if it is missing. */
  readonly named: boolean;
}

/** What a request asks for, and which data it needs. */
interface Plan {
  readonly kind: PropfindRequest["kind"];
  readonly columns: readonly Column[];
  readonly created: boolean;
  readonly quota: boolean;
  readonly dead: boolean;
}

/**
 * Handles a PROPFIND request.
 *
 * @throws {Problem}
 */
export async function propfind(context: DavContext, davRequest: DavRequest): Promise<Response> {
  const { request, caller, target: { path, isCollection: collection } } = davRequest;
  const { store } = context.server;
  assertCan(caller, "read", path);
  const depth = readDepth(request.headers, "infinity", ["0", "1", "infinity"]);
  const plan = planOf(
    parsePropfind(await readDavXml(context, davRequest), context.limiter),
    context.deadProperties.isEmpty,
  );
  const found = requireFound(
    await findResource(store, path),
    collection,
    "read the properties of",
    path,
  );
  let members: readonly Resource[] | Names = [];
  if (depth === "1" && found.collection) {
    members = path === "/"
      ? await listMembers(store, caller, path, hasMounts(context.server.plugins))
      : await listNames(context, davRequest);
  } else if (depth === "infinity") {
    const tree = await listTree(store, caller, found, context.limiter, () =>
      new DavProblem(
        "forbidden",
        "propfind-finite-depth",
        `Cannot read the properties of all resources below ${path}: there are more than ` +
          `${context.limiter.limits.members}; send Depth: 1`,
      ));
    members = tree.slice(1);
  }
  const count = members.length + 1;
  assertBounded(context.limiter, plan, count, path);
  const pieces = writeResponses(context, davRequest, plan, found, members);
  if (count > DAV_BATCH_RESOURCES) {
    const streamed = new StreamedMultistatus(pieces);
    const bytes = MULTISTATUS_BYTES + count * RESOURCE_BYTES;
    davRequest.connection?.watchReader?.(streamed, bytes);
    return streamed.response;
  }
  const responses: string[] = [];
  for await (const piece of pieces) responses.push(piece);
  return createMultistatus(responses);
}

/** Throws if long property names for many resources would make a very long response. */
function assertBounded(
  limiter: DavLimiter,
  { columns }: Plan,
  resources: number,
  path: string,
): void {
  const max = limiter.limits.namesBytes;
  let bytes = 0;
  for (const { name, named } of columns) if (named) bytes += writeEmptyElement(name).length;
  if (bytes * resources <= max) return;
  const problem = new Problem(
    "bad-body",
    `Cannot read the properties of ${path}: the property names for ${resources} resources are longer ` +
      `than ${max} bytes; request fewer properties or a smaller Depth`,
  );
  throw limiter.refuse("namesBytes", problem);
}

function planOf(requested: PropfindRequest, hasNoDeadProperties: boolean): Plan {
  const names = requested.kind === "prop"
    ? requested.names
    : requested.kind === "allprop"
    ? requested.include
    : [];
  const live = requested.kind === "prop" ? [] : LIVE_NAMES;
  const keys = new Set(names.map(toNameKey));
  const canBeDead = ({ ns, name }: XmlName) =>
    ns !== DAV_NAMESPACE || name === "displayname" || !LIVE_PROPERTY_NAMES.includes(name);
  return {
    kind: requested.kind,
    columns: [
      ...live.map((name) => ({ name, key: toNameKey(name), named: false })),
      ...names.map((name) => ({ name, key: toNameKey(name), named: true })),
    ],
    created: requested.kind !== "prop" || keys.has(CREATION_DATE_KEY),
    quota: QUOTA_KEYS.some((key) => keys.has(key)),
    dead: !hasNoDeadProperties && (requested.kind !== "prop" || names.some(canBeDead)),
  };
}

/**
 * Lists the names of the members that the caller can read. The names are those of the catalog, so a
 * response that is being sent costs little memory. Their entries are read when they are written.
 */
async function listNames(context: DavContext, davRequest: DavRequest): Promise<Names> {
  return (await listChildren(context, davRequest)).map((child) => child.name);
}

async function* writeResponses(
  context: DavContext,
  davRequest: DavRequest,
  plan: Plan,
  root: Resource,
  members: readonly Resource[] | Names,
): AsyncGenerator<string> {
  const { server: { store }, slices } = context;
  let text = "";
  let reading: Promise<string>[] = [];
  for (let at = -1; at < members.length; at++) {
    const member = at < 0 ? root : members[at];
    const resource = typeof member === "string"
      ? peekResource(store, `${root.path}/${member}`)
      : member;
    const written = resource && writeResponse(context, davRequest, plan, resource);
    if (typeof written === "string" && reading.length === 0) text += written;
    else if (written !== undefined) reading.push(Promise.resolve(written));
    const isLast = at === members.length - 1;
    if (reading.length >= MAX_CONCURRENT_READS || isLast) {
      text += (await Promise.all(reading)).join("");
      reading = [];
    }
    if (slices.isOver) {
      // A pending read that fails must be awaited before the next slice.
      text += (await Promise.all(reading)).join("");
      reading = [];
      await slices.next();
    }
    if (reading.length > 0 || text.length < MULTISTATUS_PIECE_CHARS && !isLast) continue;
    yield text;
    text = "";
  }
}

/**
 * Writes the response of one resource; synchronous if all its data is in memory, as it usually is.
 */
function writeResponse(
  context: DavContext,
  { caller }: DavRequest,
  plan: Plan,
  found: Resource,
): string | Promise<string> {
  const { path, entry, collection } = found;
  const created = plan.created && entry !== undefined
    ? context.creationInfo.peekCreatedAt(entry)
    : undefined;
  // The time of a top-level collection could reveal writes that the caller cannot read.
  const changed = collection && !isTopLevel(path)
    ? context.server.store.changedAt(path.slice(1))
    : undefined;
  const info: ResourceInfo = {
    resource: found,
    ...(changed === undefined ? {} : { changed }),
    ...(created === undefined ? {} : { created }),
    isRedacted: isRedacted(caller, path),
    length: entry?.len ?? 0,
    locks: context.locks.covering(path),
  };
  const needsRead = (plan.created && entry !== undefined && created === undefined) ||
    (plan.quota && collection) || info.isRedacted ||
    (plan.dead && context.deadProperties.hasRecord(path));
  return needsRead ? readAndWrite(context, caller, plan, info) : write(plan, info, []);
}

async function readAndWrite(
  context: DavContext,
  caller: DavRequest["caller"],
  plan: Plan,
  info: ResourceInfo,
): Promise<string> {
  const { resource: found } = info;
  const { entry, collection } = found;
  try {
    const created = info.created ??
      (plan.created && entry !== undefined
        ? (await context.creationInfo.read(entry))?.createdAt
        : undefined);
    const space = plan.quota && collection
      ? toQuotaSpace(
        await context.readDiskSpace(),
        context.server.store.quotas(found.path.slice(1), caller.by),
        caller,
      )
      : undefined;
    const world = info.isRedacted && entry !== undefined
      ? await context.server.store.read(entry.name)
      : undefined;
    const dead = plan.dead ? await context.deadProperties.read(found) : [];
    return write(plan, {
      ...info,
      ...(world === undefined ? {} : { length: redactFor(caller, world).body.length }),
      ...(created === undefined ? {} : { created }),
      ...(space === undefined ? {} : { space }),
    }, dead);
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    // Deleted while the response was written: leave it out.
    if (error.code === "absent") return "";
    // A damaged world must not prevent the listing of its collection.
    if (error.code === "damaged") return write(plan, info, []);
    throw error;
  }
}

function write(plan: Plan, info: ResourceInfo, dead: readonly DeadProperty[]): string {
  const href = toHref(info.resource.path, info.resource.collection);
  if (plan.kind === "propname") {
    const names = new Map<string, XmlName>();
    for (const { key, name } of plan.columns) {
      if (writeLiveProperty(key, info) !== undefined) names.set(key, name);
    }
    for (const name of dead) names.set(toNameKey(name), name);
    return writePropertiesResponse(href, [
      { status: 200, properties: [...names.values()].map(writeEmptyElement).join("") },
    ]);
  }
  const kept = dead.length === 0
    ? undefined
    : new Map(dead.map((property) => [toNameKey(property), property.xml]));
  let present = "";
  let missing = "";
  for (const { key, name, named } of plan.columns) {
    const value = kept?.get(key) ?? writeLiveProperty(key, info);
    if (value !== undefined) present += value;
    // A missing property is reported only if the request names it.
    else if (named) missing += writeEmptyElement(name);
    kept?.delete(key);
  }
  if (plan.kind === "allprop" && kept !== undefined) present += [...kept.values()].join("");
  const groups: PropStat[] = [
    { status: 200, properties: present },
    { status: 404, properties: missing },
  ];
  // RFC 4918 §14.24: a response has at least one propstat.
  if (present === "" && missing === "") {
    return `<D:response><D:href>${href}</D:href><D:propstat><D:prop/>` +
      "<D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>\n";
  }
  return writePropertiesResponse(href, groups);
}
