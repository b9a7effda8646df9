/**
 * Live properties (RFC 4918 §15, RFC 4331): properties that the server computes, as XML elements.
 * Pure: the caller supplies the values. Those that need a disk access are absent unless the request
 * asks for a property that needs them.
 */

import { formatHttpDate } from "../../http/http_date.ts";
import { toMediaType } from "../../world/media_type.ts";
import { davEtag } from "../resource/dav_etag.ts";
import type { Lock } from "../locks/locks.ts";
import { SUPPORTED_LOCK_XML, writeLockDiscovery } from "../locks/lock_xml.ts";
import type { QuotaSpace } from "./quota.ts";
import type { Resource } from "../resource/resource.ts";
import { DAV_NAMESPACE, escapeXml, toNameKey } from "../xml/xml_writer.ts";

/** A resource and the values of its live properties. */
export interface ResourceInfo {
  readonly resource: Resource;
  /** Whether the caller receives redacted bytes. */
  readonly isRedacted: boolean;
  /** Length in bytes of what the caller receives. */
  readonly length: number;
  /** RFC 3339 time of its creation; absent if it was not requested or is not known. */
  readonly created?: string;
  /** RFC 3339 time of the newest write in a collection; absent if the caller must not learn it. */
  readonly changed?: string;
  readonly locks: readonly Lock[];
  readonly space?: QuotaSpace;
}

type Writer = (info: ResourceInfo) => string | undefined;

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
  getetag: ({ resource: found, isRedacted: redacted }) =>
    isFile(found) && found.entry !== undefined
      ? `<D:getetag>${escapeXml(davEtag(found.entry, redacted))}</D:getetag>`
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

/** Properties that are not part of allprop (RFC 4331 §3). */
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

/** Local names of the live properties that allprop returns. */
export const LIVE_PROPERTY_NAMES: readonly string[] = Object.keys(WRITERS);

/** Key of the property that needs the first event of the world. */
export const CREATION_DATE_KEY: string = toNameKey({ ns: DAV_NAMESPACE, name: "creationdate" });
/** Keys of the properties that need the free space of the disk. */
export const QUOTA_KEYS: readonly string[] = Object.keys(QUOTA)
  .map((name) => toNameKey({ ns: DAV_NAMESPACE, name }));

/**
 * Writes one live property as an XML element; `undefined` if the resource does not have it.
 *
 * @param key name of the property, as {@link toNameKey} returns it
 */
export function writeLiveProperty(key: string, info: ResourceInfo): string | undefined {
  return ALL.get(key)?.(info);
}

/** Whether a property cannot be set by clients (RFC 4918 §15); they can set `DAV:displayname`. */
export function isProtectedProperty(key: string): boolean {
  return ALL.has(key) && key !== toNameKey({ ns: DAV_NAMESPACE, name: "displayname" });
}

function isFile({ collection }: Resource): boolean {
  return !collection;
}
