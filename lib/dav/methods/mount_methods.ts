/**
 * The WebDAV methods below `/dav/mnt`: mounted files can be listed, read, and written if the plugin
 * of the mount allows it. These resources are not worlds: they have no chain, no locks and no dead
 * properties.
 */

import { type DavContext, readDavXml } from "./dav_context.ts";
import { assertCan } from "../../auth/policy.ts";
import type { RequestContext } from "../../request/request_context.ts";
import { formatHttpDate } from "../../http/http_date.ts";
import { Problem } from "../../http/problem.ts";
import type { PluginRoutes } from "../../request/plugin_routes.ts";
import { chooseExt, toMediaType } from "../../world/media_type.ts";
import { currentWriteChecks } from "../../world/write_checks.ts";
import { DAV_HEADERS, readDepth } from "../resource/dav_headers.ts";
import { DavProblem, toHref } from "../resource/dav_problem.ts";
import {
  fetchMount,
  findMountResource,
  listMountFolder,
  type MountResource,
} from "../resource/mount_client.ts";
import { createMultistatus, writePropertiesResponse } from "../properties/multistatus.ts";
import { parsePropfind, type PropfindRequest } from "../properties/propfind_request.ts";
import { DAV_NAMESPACE, escapeXml, toNameKey, writeEmptyElement } from "../xml/xml_writer.ts";

const ALLOW = "OPTIONS, GET, HEAD, PUT, PROPFIND";
/** Request headers that are forwarded to the plugin of the mount. */
const FORWARDED_HEADERS = [
  "content-length",
  "content-type",
  "if-match",
  "if-modified-since",
  "if-none-match",
  "if-range",
  "if-unmodified-since",
  "range",
];
/** Bytes that are not text, so that only the name determines the extension. */
const OPAQUE = new Uint8Array([0xff]);

/**
 * Handles a request at or below `/dav/mnt`.
 *
 * @param dav limits of WebDAV
 * @param context the request; its target is the path below `/mnt`
 * @throws {Problem}
 */
export async function handleMount(
  dav: Pick<DavContext, "limiter" | "slices">,
  plugins: Pick<PluginRoutes, "match">,
  context: RequestContext,
): Promise<Response> {
  const { request, target: { path, isCollection: collection }, caller } = context;
  const { method } = request;
  // A plugin must not get the request twice.
  currentWriteChecks()?.recordEffect();
  switch (method) {
    case "OPTIONS":
      return new Response(null, { status: 200, headers: { ...DAV_HEADERS, "allow": ALLOW } });
    case "PROPFIND":
      assertCan(caller, "read", path);
      return await propfind(dav, plugins, context);
    case "GET":
    case "HEAD":
      return await fetchMount(plugins, context, method, selectHeaders(request), collection);
    case "PUT": {
      const response = await fetchMount(
        plugins,
        context,
        method,
        selectHeaders(request),
        collection,
      );
      if (response.status !== 200) return response;
      await response.body?.cancel();
      const etag = response.headers.get("etag");
      return new Response(null, { status: 204, headers: etag === null ? {} : { etag } });
    }
    default:
      throw new Problem(
        "method-not-allowed",
        `Cannot ${method} ${path}: mounted resources allow ${ALLOW}`,
        { allow: ALLOW },
      );
  }
}

function selectHeaders({ headers }: Request): Headers {
  const selected = new Headers({ accept: "*/*" });
  for (const name of FORWARDED_HEADERS) {
    const value = headers.get(name);
    if (value !== null) selected.set(name, value);
  }
  return selected;
}

async function propfind(
  dav: Pick<DavContext, "limiter" | "slices">,
  plugins: Pick<PluginRoutes, "match">,
  context: RequestContext,
): Promise<Response> {
  const { request, target: { path, isCollection: collection } } = context;
  const depth = readDepth(request.headers, "infinity", ["0", "1", "infinity"]);
  if (depth === "infinity") {
    throw new DavProblem(
      "forbidden",
      "propfind-finite-depth",
      `Cannot read the properties of all resources below ${path}: send Depth: 0 or 1`,
    );
  }
  const requested = parsePropfind(await readDavXml(dav, context), dav.limiter);
  const found = await findMountResource(plugins, context);
  if (collection && !found.collection) {
    throw new Problem("not-found", `Cannot read the properties of ${path}/: it is a file`);
  }
  const members = depth === "1" && found.collection ? await listMountFolder(plugins, context) : [];
  return createMultistatus([found, ...members].map((resource) => responseOf(requested, resource)));
}

function responseOf(requested: PropfindRequest, resource: MountResource): string {
  const { path, collection } = resource;
  const values = propertiesOf(resource);
  const href = toHref(path, collection);
  if (requested.kind !== "prop") {
    const properties = [...values].map(([name, value]) =>
      requested.kind === "propname" ? writeEmptyElement({ ns: DAV_NAMESPACE, name }) : value
    );
    return writePropertiesResponse(href, [{ status: 200, properties: properties.join("") }]);
  }
  const valuesByKey = new Map(
    [...values].map(([name, value]) => [toNameKey({ ns: DAV_NAMESPACE, name }), value]),
  );
  let present = "";
  let missing = "";
  for (const name of requested.names) {
    const value = valuesByKey.get(toNameKey(name));
    if (value === undefined) missing += writeEmptyElement(name);
    else present += value;
  }
  // RFC 4918 §14.24: a response has at least one propstat.
  if (present === "" && missing === "") {
    return `<D:response><D:href>${href}</D:href><D:propstat><D:prop/>` +
      "<D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>\n";
  }
  return writePropertiesResponse(href, [
    { status: 200, properties: present },
    { status: 404, properties: missing },
  ]);
}

/** Returns the live properties of a mounted resource (RFC 4918 §15) by their local names. */
function propertiesOf(resource: MountResource): ReadonlyMap<string, string> {
  const { path, collection, length, changed, etag } = resource;
  const values = new Map<string, string>();
  const set = (name: string, content: string) =>
    void values.set(name, `<D:${name}>${content}</D:${name}>`);
  const name = path.slice(path.lastIndexOf("/") + 1);
  set("displayname", escapeXml(name));
  set("resourcetype", collection ? "<D:collection/>" : "");
  if (changed !== undefined) set("getlastmodified", formatHttpDate(changed));
  if (collection) return values;
  if (length !== undefined) set("getcontentlength", String(length));
  set("getcontenttype", escapeXml(resource.type ?? typeOf(name)));
  if (etag !== undefined) set("getetag", escapeXml(etag));
  return values;
}

function typeOf(name: string): string {
  const choice = chooseExt({ queryExt: null, contentType: null, name, body: OPAQUE });
  return toMediaType("ext" in choice ? choice.ext : "bin");
}
