/**
 * Reads a file or folder of a mount. The bytes of a file are sent by the server itself; the plugin
 * only makes the headers.
 */

import { contentRange, selectRange } from "../kit/byte_range.ts";
import { Problem } from "../kit/problem.ts";
import { conditionalResponse } from "./conditional_response.ts";
import { fileHeaders } from "./file_version.ts";
import { findFile, type FoundFile } from "./disk_path.ts";
import { listFolder } from "./list_folder.ts";
import { listingForm } from "./listing.ts";
import { allowedMethods, filesOf, type MountRequest } from "./mount_request.ts";

/** Answers a GET or HEAD. @throws {Problem} */
export async function readFile(mounted: MountRequest): Promise<Response> {
  const { request, url, env, mount, segments, isCollection, path } = mounted;
  const files = filesOf(env, path);
  const found = await findFile(files, mount.folder ?? "", segments, path);
  if (found.info.kind === "folder") {
    if (isCollection || listingForm(request) !== "text/html") {
      return await listFolder(mounted, files, found.diskPath);
    }
    // A page's relative links need the slash.
    const location = `${url.pathname}/${url.search}`;
    return new Response(null, { status: 302, headers: { location, "vary": "Accept" } });
  }
  if (found.info.kind !== "file") {
    throw new Problem("forbidden", `Cannot read ${path}: it is neither a file nor a folder`);
  }
  if (isCollection) {
    const detail = `Cannot list ${path}: it is a file; omit the slash at the end`;
    throw new Problem("not-found", detail);
  }
  return sendFile(mounted, files, found);
}

/** Answers with the content of a file: 200, 206, 304, or the problem for 412 or 416. */
function sendFile(
  { request, mount, path }: MountRequest,
  files: ReturnType<typeof filesOf>,
  { diskPath, info }: FoundFile,
): Response {
  const { size } = info;
  const modified = info.modified ?? undefined;
  const headers = fileHeaders(info, diskPath);
  if (mount.mode === "rw") headers.allow = allowedMethods(mount);
  const notModified = conditionalResponse(request, headers, modified, path);
  if (notModified !== undefined) return notModified;
  if (request.method === "HEAD") {
    return new Response(null, { headers: { ...headers, "content-length": String(size) } });
  }
  const range = selectRange(request.headers, headers.etag ?? "", modified, size);
  if (range === "unsatisfiable") {
    throw new Problem("range-not-satisfiable", `Cannot read ${path}: it has ${size} bytes`, {
      "content-range": contentRange(range, size),
      "accept-ranges": "bytes",
    });
  }
  if (range === "whole") {
    headers["content-length"] = String(size);
    return files.respond(diskPath, { length: size, headers, seen: info });
  }
  const length = range.end - range.start + 1;
  headers["content-range"] = contentRange(range, size);
  headers["content-length"] = String(length);
  return files.respond(diskPath, { offset: range.start, length, status: 206, headers, seen: info });
}
