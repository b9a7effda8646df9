/**
 * Writes a file of a mount: PUT replaces it, POST appends to it. Either all bytes are written or
 * none, and a precondition is checked in the same turn as the change.
 */

import type { FileInfo, Files } from "../../lib/plugin/wire/file_types.ts";
import { assertWritable } from "../kit/conditional.ts";
import { Problem } from "../kit/problem.ts";
import { readBody } from "../kit/read_body.ts";
import { encodePath } from "../kit/encode_path.ts";
import { classifyFileError, fileProblem } from "./file_error.ts";
import { createDiskPath } from "./disk_path.ts";
import { fileTag, fileVersion } from "./file_version.ts";
import { filesOf, type MountRequest } from "./mount_request.ts";

/** Longest append in bytes. */
const MAX_APPEND_BYTES = 5 * 1024 * 1024;

/** Answers a PUT or POST. @throws {Problem} */
export async function writeFile(mounted: MountRequest): Promise<Response> {
  const { request, env, mount, segments, isCollection, path } = mounted;
  const { method } = request;
  const files = filesOf(env, path);
  if (segments.length === 0 || isCollection) {
    throw new Problem("conflict", `Cannot ${method} ${path}: it is a folder; name a file in it`);
  }
  if (request.headers.has("content-range")) {
    const detail = `Cannot ${method} ${path}: Content-Range is not supported; send the whole file`;
    throw new Problem("bad-header", detail);
  }
  const diskPath = await createDiskPath(files, mounted);
  // Checked before the body is read, which may be long, and again in the turn.
  await assertMatch(files, mounted, diskPath);
  let endTurn = (): void => {};
  let isNew = false;
  const ready = async (): Promise<void> => {
    endTurn = await takeTurn(diskPath);
    isNew = await assertMatch(files, mounted, diskPath) === undefined;
  };
  try {
    if (method === "PUT") await files.replace(diskPath, request.body ?? "", { ready });
    else await append(files, diskPath, mounted, ready);
    const info = await files.stat(diskPath);
    const version = fileVersion(info);
    const headers: Record<string, string> = {
      "etag": fileTag(info),
      "x-mount-version": version,
      "cache-control": "no-store",
    };
    if (isNew) headers.location = encodePath(["/mnt", mount.name, ...segments].join("/"));
    const result = { path, size: info.size, version };
    return Response.json(result, { status: isNew ? 201 : 200, headers });
  } catch (error) {
    throw error instanceof Problem ? error : fileProblem(error, method, path);
  } finally {
    endTurn();
  }
}

/** Appends the body after all of it has arrived. */
async function append(
  files: Files,
  diskPath: string,
  { request, path }: MountRequest,
  ready: () => Promise<void>,
): Promise<void> {
  const detail = `Cannot append to ${path}: the body is longer than ${MAX_APPEND_BYTES} bytes`;
  const tooLong = () => new Problem("body-too-large", detail);
  const bytes = await readBody(request, { maxBytes: MAX_APPEND_BYTES, tooLong });
  await ready();
  await files.append(diskPath, bytes);
}

/**
 * Evaluates the preconditions of a request against the file.
 *
 * @returns the file; undefined if it does not exist
 * @throws {Problem} `precondition-failed`; `conflict` if it is not a file
 */
async function assertMatch(
  files: Files,
  { request, path }: MountRequest,
  diskPath: string,
): Promise<FileInfo | undefined> {
  const { method, headers } = request;
  const info = await files.stat(diskPath).catch((error) => {
    if (classifyFileError(error).type === "not-found") return undefined;
    throw fileProblem(error, method, path);
  });
  if (info !== undefined && info.kind !== "file") {
    throw new Problem("conflict", `Cannot ${method} ${path}: it is not a file`);
  }
  const current = info && { etag: fileTag(info), modified: info.modified ?? undefined };
  assertWritable(headers, current, `Cannot ${method} ${path}`);
  return info;
}

/** The end of the last turn for each file that is being written. */
const lastTurns = new Map<string, Promise<void>>();

/**
 * Waits until all earlier writers of a file ended their turns.
 *
 * @returns ends this turn
 */
async function takeTurn(diskPath: string): Promise<() => void> {
  const earlier = lastTurns.get(diskPath) ?? Promise.resolve();
  const { promise, resolve } = Promise.withResolvers<void>();
  const turn = earlier.then(() => promise);
  lastTurns.set(diskPath, turn);
  await earlier;
  return () => {
    resolve();
    if (lastTurns.get(diskPath) === turn) lastTurns.delete(diskPath);
  };
}
