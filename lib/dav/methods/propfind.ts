/**
 * PROPFIND (RFC 4918 §9.1): the properties of a resource, of its members, or of everything below it
 * within a bound. What the caller may not read is not there.
 */

import { redacted, require } from "../../auth/policy.ts";
import { seenBy } from "../../auth/redact.ts";
import { Problem } from "../../http/problem.ts";
import { DAV_STEP, MAX_DAV_MEMBERS, MAX_DAV_NAMES_BYTES } from "../../limits.ts";
import { StoreError } from "../../world/store.ts";
import { readDepth } from "../resource/dav_headers.ts";
import { DavProblem, hrefOf } from "../resource/dav_problem.ts";
import type { DeadProperty } from "../properties/dead_properties.ts";
import {
  CREATED_KEY,
  type Facts,
  LIVE_NAMES,
  liveProperty,
  QUOTA_KEYS,
} from "../properties/live_properties.ts";
import { hasMounts } from "../resource/mount_client.ts";
import {
  multistatus,
  propertiesResponse,
  type PropStat,
  streamedMultistatus,
} from "../properties/multistatus.ts";
import { type PropfindRequest, readPropfind } from "../properties/propfind_request.ts";
import { find, type Found, isFixed, membersOf, mustBeThere, treeOf } from "../resource/resource.ts";
import type { DavRequest, Room } from "./dav_context.ts";
import { readXml } from "../xml/xml_reader.ts";
import { DAV, emptyElement, nameKey, type XmlName } from "../xml/xml_writer.ts";

/** Looks at worlds' files under way at once. */
const LOOKS = 16;
const LIVE: readonly XmlName[] = LIVE_NAMES.map((name) => ({ ns: DAV, name }));

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
export async function propfind(room: Room, asked: DavRequest): Promise<Response> {
  const { request, caller, target: { path, collection } } = asked;
  const { store } = room.machine;
  require(caller, "read", path);
  const depth = readDepth(request.headers, "infinity", ["0", "1", "infinity"]);
  const plan = planOf(readPropfind(await readXml(request)), room.dead.none);
  const found = mustBeThere(await find(store, path), collection, "look at", path);
  let resources: readonly Found[] = [found];
  if (depth === "1" && found.collection) {
    const mounts = hasMounts(room.machine.plugins);
    resources = [found, ...await membersOf(store, caller, path, mounts)];
  } else if (depth === "infinity") {
    resources = await treeOf(store, caller, found, () =>
      new DavProblem(
        "forbidden",
        "propfind-finite-depth",
        `Cannot look at everything below ${path}: it is more than ${MAX_DAV_MEMBERS} resources; ` +
          "ask with Depth: 1",
      ));
  }
  mustStayInBounds(plan, resources.length, path);
  const pieces = answers(room, asked, plan, resources);
  if (resources.length > DAV_STEP) return streamedMultistatus(pieces);
  const whole: string[] = [];
  for await (const piece of pieces) whole.push(piece);
  return multistatus(whole);
}

/** Long names asked of many resources would make a short question a very long answer. */
function mustStayInBounds({ columns }: Plan, resources: number, path: string): void {
  let bytes = 0;
  for (const { name, named } of columns) if (named) bytes += emptyElement(name).length;
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
  const keys = new Set(names.map(nameKey));
  const mayBeDead = ({ ns, name }: XmlName) =>
    ns !== DAV || name === "displayname" || !LIVE_NAMES.includes(name);
  return {
    kind: asked.kind,
    columns: [
      ...live.map((name) => ({ name, key: nameKey(name), named: false })),
      ...names.map((name) => ({ name, key: nameKey(name), named: true })),
    ],
    created: asked.kind !== "prop" || keys.has(CREATED_KEY),
    quota: QUOTA_KEYS.some((key) => keys.has(key)),
    dead: !noneDead && (asked.kind !== "prop" || names.some(mayBeDead)),
  };
}

async function* answers(
  room: Room,
  asked: DavRequest,
  plan: Plan,
  resources: readonly Found[],
): AsyncGenerator<string> {
  for (let at = 0; at < resources.length; at += DAV_STEP) {
    const step = resources.slice(at, at + DAV_STEP);
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
  room: Room,
  { caller }: DavRequest,
  plan: Plan,
  found: Found,
): string | Promise<string> {
  const { path, entry, collection } = found;
  const created = plan.created && entry !== undefined ? room.births.knownAt(entry) : undefined;
  // The machine's own collections hold what not everybody may know of.
  const changed = collection && !isFixed(path)
    ? room.machine.store.changedAt(path.slice(1))
    : undefined;
  const facts: Facts = {
    found,
    ...(changed === undefined ? {} : { changed }),
    ...(created === undefined ? {} : { created }),
    seen: redacted(caller, path),
    length: entry?.len ?? 0,
    locks: room.locks.covering(path),
  };
  const looks = (plan.created && entry !== undefined && created === undefined) ||
    (plan.quota && collection) || facts.seen ||
    (plan.dead && room.dead.mayHave(path));
  return looks ? lookAndWrite(room, caller, plan, facts) : write(plan, facts, []);
}

async function lookAndWrite(
  room: Room,
  caller: DavRequest["caller"],
  plan: Plan,
  facts: Facts,
): Promise<string> {
  const { found } = facts;
  const { entry, collection } = found;
  try {
    const created = facts.created ??
      (plan.created && entry !== undefined ? (await room.births.of(entry))?.at : undefined);
    const space = plan.quota && collection ? await room.quota() : undefined;
    const world = facts.seen && entry !== undefined
      ? await room.machine.store.read(entry.name)
      : undefined;
    const dead = plan.dead ? await room.dead.of(found) : [];
    return write(plan, {
      ...facts,
      ...(world === undefined ? {} : { length: seenBy(caller, world).body.length }),
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

function write(plan: Plan, facts: Facts, dead: readonly DeadProperty[]): string {
  const href = hrefOf(facts.found.path, facts.found.collection);
  if (plan.kind === "propname") {
    const names = new Map<string, XmlName>();
    for (const { key, name } of plan.columns) {
      if (liveProperty(key, facts) !== undefined) names.set(key, name);
    }
    for (const name of dead) names.set(nameKey(name), name);
    return propertiesResponse(href, [
      { status: 200, properties: [...names.values()].map(emptyElement).join("") },
    ]);
  }
  const kept = dead.length === 0
    ? undefined
    : new Map(dead.map((property) => [nameKey(property), property.xml]));
  let there = "";
  let missing = "";
  for (const { key, name, named } of plan.columns) {
    const value = kept?.get(key) ?? liveProperty(key, facts);
    if (value !== undefined) there += value;
    // Of what nobody named, nobody needs to know that it is missing.
    else if (named) missing += emptyElement(name);
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
  return propertiesResponse(href, groups);
}
