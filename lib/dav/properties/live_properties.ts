/**
 * Live properties (RFC 4918 §15, RFC 4331): what the machine knows of a resource, as XML elements.
 * What a listing knows is written without waiting; what costs a look at a file is fetched before,
 * and for those alone who ask for it.
 */

import { formatHttpDate } from "../../http/http_date.ts";
import { mediaType } from "../../world/media_type.ts";
import { davEtag } from "../resource/dav_etag.ts";
import type { Lock } from "../locks/lock_table.ts";
import { lockDiscovery, SUPPORTED_LOCK } from "../locks/lock_xml.ts";
import type { Space } from "./quota.ts";
import type { Found } from "../resource/resource.ts";
import { DAV, escapeXml, nameKey } from "../xml/xml_writer.ts";

/** A resource with what was found out about it. */
export interface Facts {
  readonly found: Found;
  /** Its secrets are struck out for this reader. */
  readonly seen: boolean;
  /** Length of what this reader gets, in bytes. */
  readonly length: number;
  /** RFC 3339 time of its first version; absent where nobody asked or knows. */
  readonly created?: string;
  /** RFC 3339 time of the newest write in a collection; absent where that is nobody's to know. */
  readonly changed?: string;
  readonly locks: readonly Lock[];
  readonly space?: Space;
}

type Writer = (facts: Facts) => string | undefined;

const WRITERS: Readonly<Record<string, Writer>> = {
  creationdate: ({ created }) =>
    created === undefined
      ? undefined
      : `<D:creationdate>${created.replace(/\.\d+Z$/, "Z")}</D:creationdate>`,
  displayname: ({ found: { path } }) =>
    `<D:displayname>${escapeXml(path.slice(path.lastIndexOf("/") + 1))}</D:displayname>`,
  getcontentlength: ({ found, length }) =>
    isFile(found) ? `<D:getcontentlength>${length}</D:getcontentlength>` : undefined,
  getcontenttype: ({ found }) =>
    isFile(found)
      ? `<D:getcontenttype>${mediaType(found.entry?.ext ?? "")}</D:getcontenttype>`
      : undefined,
  getetag: ({ found, seen }) =>
    isFile(found) && found.entry !== undefined
      ? `<D:getetag>${escapeXml(davEtag(found.entry, seen))}</D:getetag>`
      : undefined,
  getlastmodified: ({ found: { entry }, changed = entry?.updatedAt }) =>
    changed === undefined
      ? undefined
      : `<D:getlastmodified>${formatHttpDate(Date.parse(changed) || 0)}</D:getlastmodified>`,
  lockdiscovery: ({ locks }) => lockDiscovery(locks),
  resourcetype: ({ found }) =>
    isFile(found) ? "<D:resourcetype/>" : "<D:resourcetype><D:collection/></D:resourcetype>",
  supportedlock: () => SUPPORTED_LOCK,
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
    .map(([name, writer]) => [nameKey({ ns: DAV, name }), writer]),
);

/** Local names of the live properties that allprop shows. */
export const LIVE_NAMES: readonly string[] = Object.keys(WRITERS);

/** Keys of the properties that need a look at the world's first event, and at the disk. */
export const CREATED_KEY: string = nameKey({ ns: DAV, name: "creationdate" });
export const QUOTA_KEYS: readonly string[] = Object.keys(QUOTA)
  .map((name) => nameKey({ ns: DAV, name }));

/**
 * One live property as an XML element; `undefined` when there is none of this name, or the resource
 * has none.
 *
 * @param key as {@link nameKey} makes it
 */
export function liveProperty(key: string, facts: Facts): string | undefined {
  return ALL.get(key)?.(facts);
}

/** Whether clients may not set a property (RFC 4918 §15); a display name is theirs to choose. */
export function isProtected(key: string): boolean {
  return ALL.has(key) && key !== nameKey({ ns: DAV, name: "displayname" });
}

function isFile({ collection }: Found): boolean {
  return !collection;
}
