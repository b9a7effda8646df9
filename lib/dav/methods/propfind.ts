/**
 * PROPFIND (RFC 4918 §9.1): the properties of a resource, of its members, or of everything below it
 * within a bound. What the caller may not read is not there.
 */

import { assertCan, isRedacted } from "../../auth/policy.ts";
import { redactFor } from "../../auth/redact.ts";
import { Problem } from "../../http/problem.ts";
import { DAV_BATCH_RESOURCES, MAX_DAV_MEMBERS, MAX_DAV_NAMES_BYTES } from "../../limits.ts";
import { StoreError } from "../../world/store.ts";
import { readDepth } from "../resource/dav_headers.ts";
import { DavProblem, toHref } from "../resource/dav_problem.ts";
import type { DeadProperty } from "../properties/dead_properties.ts";
import {
  CREATION_DATE_KEY,
  LIVE_PROPERTY_NAMES,
  QUOTA_KEYS,
  type ResourceFacts,
  writeLiveProperty,
} from "../properties/live_properties.ts";
import { hasMounts } from "../resource/mount_client.ts";
import {
  createMultistatus,
  createStreamedMultistatus,
  type PropStat,
  writePropertiesResponse,
} from "../properties/multistatus.ts";
import { parsePropfind, type PropfindRequest } from "../properties/propfind_request.ts";
import {
  findResource,
  isTopLevel,
  listMembers,
  listTree,
  requireFound,
  type Resource,
} from "../resource/resource.ts";
import type { DavContext, DavRequest } from "./dav_context.ts";
import { readXml } from "../xml/xml_reader.ts";
import { DAV_NAMESPACE, toNameKey, writeEmptyElement, type XmlName } from "../xml/xml_writer.ts";

/** Looks at worlds' files under way at once. */
const LOOKS = 16;
const LIVE: readonly XmlName[] = LIVE_PROPERTY_NAMES.map((name) => ({ ns: DAV_NAMESPACE, name }));

/** A property that is asked for. */
interface Column {
  readonly name: XmlName;
  readonly key: string;
  /** Somebody named it, so it is said when it is missing. */
  readonly named: boolean;
}

/** A question with what it costs to answer. */
interface Plan {
  readonly kind: PropfindRequest["kind"];
  readonly columns: readonly Column[];
  readonly created: boolean;
  readonly quota: boolean;
  readonly dead: boolean;
}

/**
 * Answers a PROPFIND.
 *
 * @throws {Problem}
 */
export async function propfind(room: DavContext, asked: DavRequest): Promise<Response> {
  const { request, caller, target: { path, isCollection: collection } } = asked;
  const { store } = room.server;
  assertCan(caller, "read", path);
  const depth = readDepth(request.headers, "infinity", ["0", "1", "infinity"]);
  const plan = planOf(parsePropfind(await readXml(request)), room.deadProperties.isEmpty);
  const found = requireFound(await findResource(store, path), collection, "look at", path);
  let resources: readonly Resource[] = [found];
  if (depth === "1" && found.collection) {
    const mounts = hasMounts(room.server.plugins);
    resources = [found, ...await listMembers(store, caller, path, mounts)];
  } else if (depth === "infinity") {
    resources = await listTree(store, caller, found, () =>
      new DavProblem(
        "forbidden",
        "propfind-finite-depth",
        `Cannot look at everything below ${path}: it is more than ${MAX_DAV_MEMBERS} resources; ` +
          "ask with Depth: 1",
      ));
  }
  mustStayInBounds(plan, resources.length, path);
  const pieces = answers(room, asked, plan, resources);
  if (resources.length > DAV_BATCH_RESOURCES) return createStreamedMultistatus(pieces);
  const whole: string[] = [];
  for await (const piece of pieces) whole.push(piece);
  return createMultistatus(whole);
}

/** Long names asked of many resources would make a short question a very long answer. */
function mustStayInBounds({ columns }: Plan, resources: number, path: string): void {
  let bytes = 0;
  for (const { name, named } of columns) if (named) bytes += writeEmptyElement(name).length;
  if (bytes * resources <= MAX_DAV_NAMES_BYTES) return;
  throw new Problem(
    "bad-body",
    `Cannot look at ${path}: the names of its properties, for each of ${resources} resources, are ` +
      `more than ${MAX_DAV_NAMES_BYTES} bytes; ask for fewer, or with a smaller Depth`,
  );
}

function planOf(asked: PropfindRequest, noneDead: boolean): Plan {
  const names = asked.kind === "prop" ? asked.names : asked.kind === "allprop" ? asked.include : [];
  const live = asked.kind === "prop" ? [] : LIVE;
  const keys = new Set(names.map(toNameKey));
  const mayBeDead = ({ ns, name }: XmlName) =>
    ns !== DAV_NAMESPACE || name === "displayname" || !LIVE_PROPERTY_NAMES.includes(name);
  return {
    kind: asked.kind,
    columns: [
      ...live.map((name) => ({ name, key: toNameKey(name), named: false })),
      ...names.map((name) => ({ name, key: toNameKey(name), named: true })),
    ],
    created: asked.kind !== "prop" || keys.has(CREATION_DATE_KEY),
    quota: QUOTA_KEYS.some((key) => keys.has(key)),
    dead: !noneDead && (asked.kind !== "prop" || names.some(mayBeDead)),
  };
}

async function* answers(
  room: DavContext,
  asked: DavRequest,
  plan: Plan,
  resources: readonly Resource[],
): AsyncGenerator<string> {
  for (let at = 0; at < resources.length; at += DAV_BATCH_RESOURCES) {
    const step = resources.slice(at, at + DAV_BATCH_RESOURCES);
    let text = "";
    for (let i = 0; i < step.length; i += LOOKS) {
      const some = step.slice(i, i + LOOKS).map((found) => answer(room, asked, plan, found));
      text += (some.every((one) => typeof one === "string") ? some : await Promise.all(some))
        .join("");
    }
    yield text;
  }
}

/** Most resources are answered from memory, without a promise each. */
function answer(
  room: DavContext,
  { caller }: DavRequest,
  plan: Plan,
  found: Resource,
): string | Promise<string> {
  const { path, entry, collection } = found;
  const created = plan.created && entry !== undefined
    ? room.creationInfo.peekCreatedAt(entry)
    : undefined;
  // The machine's own collections hold what not everybody may know of.
  const changed = collection && !isTopLevel(path)
    ? room.server.store.changedAt(path.slice(1))
    : undefined;
  const facts: ResourceFacts = {
    resource: found,
    ...(changed === undefined ? {} : { changed }),
    ...(created === undefined ? {} : { created }),
    isRedacted: isRedacted(caller, path),
    length: entry?.len ?? 0,
    locks: room.locks.covering(path),
  };
  const looks = (plan.created && entry !== undefined && created === undefined) ||
    (plan.quota && collection) || facts.isRedacted ||
    (plan.dead && room.deadProperties.hasRecord(path));
  return looks ? lookAndWrite(room, caller, plan, facts) : write(plan, facts, []);
}

async function lookAndWrite(
  room: DavContext,
  caller: DavRequest["caller"],
  plan: Plan,
  facts: ResourceFacts,
): Promise<string> {
  const { resource: found } = facts;
  const { entry, collection } = found;
  try {
    const created = facts.created ??
      (plan.created && entry !== undefined
        ? (await room.creationInfo.read(entry))?.createdAt
        : undefined);
    const space = plan.quota && collection ? await room.readQuota() : undefined;
    const world = facts.isRedacted && entry !== undefined
      ? await room.server.store.read(entry.name)
      : undefined;
    const dead = plan.dead ? await room.deadProperties.read(found) : [];
    return write(plan, {
      ...facts,
      ...(world === undefined ? {} : { length: redactFor(caller, world).body.length }),
      ...(created === undefined ? {} : { created }),
      ...(space === undefined ? {} : { space }),
    }, dead);
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    // Deleted while the answer was being made: it is not there, and the answer goes on without it.
    if (error.code === "absent") return "";
    // One world that cannot be opened must not keep its whole collection from being shown.
    if (error.code === "damaged") return write(plan, facts, []);
    throw error;
  }
}

function write(plan: Plan, facts: ResourceFacts, dead: readonly DeadProperty[]): string {
  const href = toHref(facts.resource.path, facts.resource.collection);
  if (plan.kind === "propname") {
    const names = new Map<string, XmlName>();
    for (const { key, name } of plan.columns) {
      if (writeLiveProperty(key, facts) !== undefined) names.set(key, name);
    }
    for (const name of dead) names.set(toNameKey(name), name);
    return writePropertiesResponse(href, [
      { status: 200, properties: [...names.values()].map(writeEmptyElement).join("") },
    ]);
  }
  const kept = dead.length === 0
    ? undefined
    : new Map(dead.map((property) => [toNameKey(property), property.xml]));
  let there = "";
  let missing = "";
  for (const { key, name, named } of plan.columns) {
    const value = kept?.get(key) ?? writeLiveProperty(key, facts);
    if (value !== undefined) there += value;
    // Of what nobody named, nobody needs to know that it is missing.
    else if (named) missing += writeEmptyElement(name);
    kept?.delete(key);
  }
  if (plan.kind === "allprop" && kept !== undefined) there += [...kept.values()].join("");
  const groups: PropStat[] = [
    { status: 200, properties: there },
    { status: 404, properties: missing },
  ];
  // RFC 4918 §14.24: a response has at least one propstat.
  if (there === "" && missing === "") {
    return `<D:response><D:href>${href}</D:href><D:propstat><D:prop/>` +
      "<D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>\n";
  }
  return writePropertiesResponse(href, groups);
}
