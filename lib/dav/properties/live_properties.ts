/**
 * Live properties (RFC 4918 §15, RFC 4331): what the machine knows of a resource, as XML elements.
 * What a listing knows is written without waiting; what costs a look at a file is fetched before,
 * and for those alone who ask for it.
 */

import { formatHttpDate } from "../../http/http_date.ts";
import { toMediaType } from "../../world/media_type.ts";
import { davEtag } from "../resource/dav_etag.ts";
import type { Lock } from "../locks/lock_table.ts";
import { SUPPORTED_LOCK_XML, writeLockDiscovery } from "../locks/lock_xml.ts";
import type { DiskSpace } from "./quota.ts";
import type { Resource } from "../resource/resource.ts";
import { DAV_NAMESPACE, escapeXml, toNameKey } from "../xml/xml_writer.ts";

/** A resource with what was found out about it. */
export interface ResourceFacts {
  readonly resource: Resource;
  /** Its secrets are struck out for this reader. */
  readonly isRedacted: boolean;
  /** Length of what this reader gets, in bytes. */
  readonly length: number;
  /** RFC 3339 time of its first version; absent where nobody asked or knows. */
  readonly created?: string;
  /** RFC 3339 time of the newest write in a collection; absent where that is nobody's to know. */
  readonly changed?: string;
  readonly locks: readonly Lock[];
  readonly space?: DiskSpace;
}

type Writer = (facts: ResourceFacts) => string | undefined;

const WRITERS: Readonly<Record<string, Writer>> = {
  creationdate: ({ created }) =>
    created === undefined
      ? undefined
      : `<D:creationdate>${created.replace(/\.\d+Z$/, "Z")}</D:creationdate>`,
  displayname: ({ resource: { path } }) =>
    `<D:displayname>${escapeXml(path.slice(path.lastIndexOf("/") + 1))}</D:displayname>`,
  getcontentlength: ({ resource: found, length }) =>
    isFile(found) ? `<D:getcontentlength>${length}</D:getcontentlength>` : undefined,
  getcontenttype: ({ resource: found }) =>
    isFile(found)
      ? `<D:getcontenttype>${toMediaType(found.entry?.ext ?? "")}</D:getcontenttype>`
      : undefined,
  getetag: ({ resource: found, isRedacted: seen }) =>
    isFile(found) && found.entry !== undefined
      ? `<D:getetag>${escapeXml(davEtag(found.entry, seen))}</D:getetag>`
      : undefined,
  getlastmodified: ({ resource: { entry }, changed = entry?.updatedAt }) =>
    changed === undefined
      ? undefined
      : `<D:getlastmodified>${formatHttpDate(Date.parse(changed) || 0)}</D:getlastmodified>`,
  lockdiscovery: ({ locks }) => writeLockDiscovery(locks),
  resourcetype: ({ resource: found }) =>
    isFile(found) ? "<D:resourcetype/>" : "<D:resourcetype><D:collection/></D:resourcetype>",
  supportedlock: () => SUPPORTED_LOCK_XML,
};

/** Properties that RFC 4331 §3 keeps out of allprop. */
const QUOTA: Readonly<Record<string, Writer>> = {
  "quota-available-bytes": ({ space }) =>
    space === undefined
      ? undefined
      : `<D:quota-available-bytes>${space.available}</D:quota-available-bytes>`,
  "quota-used-bytes": ({ space }) =>
    space === undefined ? undefined : `<D:quota-used-bytes>${space.used}</D:quota-used-bytes>`,
};

const ALL: ReadonlyMap<string, Writer> = new Map(
  [...Object.entries(WRITERS), ...Object.entries(QUOTA)]
    .map(([name, writer]) => [toNameKey({ ns: DAV_NAMESPACE, name }), writer]),
);

/** Local names of the live properties that allprop shows. */
export const LIVE_PROPERTY_NAMES: readonly string[] = Object.keys(WRITERS);

/** Keys of the properties that need a look at the world's first event, and at the disk. */
export const CREATION_DATE_KEY: string = toNameKey({ ns: DAV_NAMESPACE, name: "creationdate" });
export const QUOTA_KEYS: readonly string[] = Object.keys(QUOTA)
  .map((name) => toNameKey({ ns: DAV_NAMESPACE, name }));

/**
 * One live property as an XML element; `undefined` when there is none of this name, or the resource
 * has none.
 *
 * @param key as {@link toNameKey} makes it
 */
export function writeLiveProperty(key: string, facts: ResourceFacts): string | undefined {
  return ALL.get(key)?.(facts);
}

/** Whether clients may not set a property (RFC 4918 §15); a display name is theirs to choose. */
export function isProtectedProperty(key: string): boolean {
  return ALL.has(key) && key !== toNameKey({ ns: DAV_NAMESPACE, name: "displayname" });
}

function isFile({ collection }: Resource): boolean {
  return !collection;
}
