/** Resources of the protocol: every world is one, with the URI `elastik:///home/x`. */

import { mediaTypeOf } from "../kit/media_types.ts";
import { readBody } from "../kit/read_body.ts";
import { coveredPrefix, entryPath, rowsOf } from "./find_tools.ts";
import { type Members, RPC_CODES, RpcError } from "./json_rpc.ts";
import { MAX_PATH_CHARS, MAX_RESOURCE_BYTES, PAGE_SIZE } from "./limits.ts";
import { callServer, readJson, type ServerCaller, ServerRefusal } from "./server_call.ts";
import { type NamedPath, readUri, URI_START, urlPath, worldUri } from "./world_path.ts";

type Reader = Omit<ServerCaller, "client">;

/** The form of the URIs of worlds. */
export const RESOURCE_TEMPLATES: readonly Members[] = [{
  uriTemplate: `${URI_START}/{+path}`,
  name: "world",
  title: "A world",
  description: "Any world by its path, such as elastik:///home/notes/today. The content is data.",
}];

/**
 * Lists the worlds that the caller's credential covers, one page at a time.
 *
 * @param cursor `nextCursor` of the page before
 * @throws {RpcError} the cursor is invalid, or the server refused the list
 */
export async function listResources(caller: Reader, cursor: unknown): Promise<Members> {
  if (cursor !== undefined && typeof cursor !== "string") throw invalidCursor();
  const prefix = await coveredPrefix(caller);
  const query = new URLSearchParams({ limit: `${PAGE_SIZE}` });
  if (cursor !== undefined) query.set("after", cursor);
  try {
    const { value, next } = await readJson(caller, `${urlPath(prefix)}?deep&${query}`);
    const nextCursor = next?.get("after");
    const resources = rowsOf(value).filter(({ dir }) => dir !== true)
      .map((row) => toResource(entryPath(prefix, row), row));
    return { resources, ...(typeof nextCursor === "string" && { nextCursor }) };
  } catch (error) {
    if (!(error instanceof ServerRefusal)) throw error;
    if (error.status === 404) return { resources: [] };
    if (error.status === 400 && cursor !== undefined) throw invalidCursor();
    throw resourceError(error, undefined, RPC_CODES.internal);
  }
}

/**
 * Reads a world.
 *
 * @param uri what the client sent
 * @param notFound error code for a resource that does not exist
 * @throws {RpcError} the world does not exist, or the caller cannot read it
 */
export async function readResource(
  caller: Reader,
  uri: unknown,
  notFound: number,
): Promise<Members> {
  const named = resourcePath(uri);
  try {
    const response = await callServer(caller, `${urlPath(named)}?raw`, {
      headers: { accept: "*/*" },
    });
    const mimeType = response.headers.get("content-type") ?? "application/octet-stream";
    const bytes = await readBody(response, {
      maxBytes: MAX_RESOURCE_BYTES,
      tooLong: () => new ContentTooLong(),
    });
    return { contents: [{ uri, mimeType, ...contentOf(bytes) }] };
  } catch (error) {
    if (error instanceof ContentTooLong) {
      throw new RpcError(
        RPC_CODES.internal,
        `Cannot read /${named.name}: it is longer than ${MAX_RESOURCE_BYTES} bytes; use the tool read`,
        200,
        { uri },
      );
    }
    if (!(error instanceof ServerRefusal)) throw error;
    throw resourceError(error, uri, notFound);
  }
}

/**
 * Checks that the caller can read a world now.
 *
 * @throws {RpcError} as {@link readResource} does
 */
export async function assertReadable(
  caller: Reader,
  named: NamedPath,
  uri: unknown,
  notFound: number,
): Promise<void> {
  try {
    // A HEAD request would be refused without the server's message.
    const init = { headers: { accept: "*/*" } };
    await (await callServer(caller, `${urlPath(named)}?raw`, init)).body?.cancel();
  } catch (error) {
    if (!(error instanceof ServerRefusal)) throw error;
    throw resourceError(error, uri, notFound);
  }
}

/**
 * Reads the URI of a world.
 *
 * @throws {RpcError} it is not one
 */
export function resourcePath(uri: unknown): NamedPath {
  const path = typeof uri === "string" ? readUri(uri) : { fault: '"uri" is not a string' };
  const fault = "fault" in path
    ? path.fault
    : path.isCollection
    ? "it names a collection; list its worlds with the tool list"
    : undefined;
  if (fault === undefined && !("fault" in path)) return path;
  // A text that a client sends instead of a URI can be very long.
  const data = typeof uri === "string" && uri.length <= MAX_PATH_CHARS ? { uri } : undefined;
  throw new RpcError(RPC_CODES.invalidParams, `Cannot read the resource: ${fault}`, 200, data);
}

class ContentTooLong extends Error {}

function invalidCursor(): RpcError {
  return new RpcError(RPC_CODES.invalidParams, "Cannot list resources: the cursor is invalid");
}

function resourceError(
  { status, message, problem, retryAfter }: ServerRefusal,
  uri: unknown,
  notFound: number,
): RpcError {
  const isMissing = status === 404 || status === 410;
  const code = isMissing ? notFound : RPC_CODES.internal;
  const data = {
    ...(uri !== undefined && { uri }),
    status,
    ...problem,
    ...(retryAfter && { retryAfter }),
  };
  return new RpcError(code, message, 200, data);
}

function toResource(path: string, { ext, updated_at: time, size, len }: Members): Members {
  const bytes = size ?? len;
  return {
    uri: worldUri(path.slice(1)),
    name: path,
    ...(typeof ext === "string" && { mimeType: mediaTypeOf(`world.${ext}`) }),
    ...(typeof bytes === "number" && { size: bytes }),
    ...(typeof time === "string" && { annotations: { lastModified: time } }),
  };
}

function contentOf(bytes: Uint8Array<ArrayBuffer>): Members {
  try {
    return { text: new TextDecoder("utf-8", { fatal: true }).decode(bytes) };
  } catch {
    return { blob: bytes.toBase64() }; // content that is not text
  }
}
