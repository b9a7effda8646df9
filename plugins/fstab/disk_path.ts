/**
 * Paths on the disk of the files that requests name: finds a file for reading, also if its name on the
 * disk is in NFD, and creates the folders above a file that is written.
 */

import type { FileInfo, Files } from "../../lib/plugin/wire/file_types.ts";
import { findOtherSpelling } from "../kit/mounted_path.ts";
import { Problem } from "../kit/problem.ts";
import { classifyFileError, fileProblem } from "./file_error.ts";
import type { MountRequest } from "./mount_request.ts";

/** A file or folder that exists. */
export interface FoundFile {
  /** Absolute path, with the names as they are on the disk. */
  readonly diskPath: string;
  readonly info: FileInfo;
}

/** The path on the disk for the segments of a request. */
function diskPathOf(folder: string, segments: readonly string[]): string {
  return [folder, ...segments].join("/");
}

/**
 * Finds a file for reading.
 *
 * @param path of the request, for messages
 * @throws {Problem} if it does not exist or cannot be reached
 */
export async function findFile(
  files: Pick<Files, "stat" | "list">,
  folder: string,
  segments: readonly string[],
  path: string,
): Promise<FoundFile> {
  const diskPath = diskPathOf(folder, segments);
  try {
    return { diskPath, info: await files.stat(diskPath) };
  } catch (error) {
    if (classifyFileError(error).type !== "not-found") throw fileProblem(error, "read", path);
    const other = await findOtherSpelling(files, folder, segments);
    // The first error is reported: the path does not exist as it was requested.
    const info = other === undefined ? undefined : await files.stat(other).catch(() => undefined);
    if (other === undefined || info === undefined) throw fileProblem(error, "read", path);
    return { diskPath: other, info };
  }
}

/**
 * Returns the path of a file that is written, and creates the folders above it.
 *
 * @throws {Problem} `conflict` if a folder of the path is a file, or the mounted folder is missing
 */
export async function createDiskPath(files: Files, mounted: MountRequest): Promise<string> {
  const { mount: { folder = "" }, segments } = mounted;
  const diskPath = diskPathOf(folder, segments);
  try {
    await files.stat(diskPath);
    return diskPath;
  } catch (error) {
    const { type, name } = classifyFileError(error);
    if (type !== "not-found" || name === "NotADirectory") throw diskPathProblem(error, mounted);
  }
  const other = await findOtherSpelling(files, folder, segments);
  if (other !== undefined) return other;
  try {
    // The mounted folder itself is not created: its disk may be absent at the moment.
    await files.stat(folder);
    await createFolders(files, folder, segments.slice(0, -1));
  } catch (error) {
    throw diskPathProblem(error, mounted);
  }
  return diskPath;
}

async function createFolders(files: Files, root: string, names: readonly string[]): Promise<void> {
  let folder = root;
  for (const name of names) {
    folder += `/${name}`;
    await files.mkdir(folder).catch((error) => {
      if (classifyFileError(error).name !== "AlreadyExists") throw error;
    });
  }
}

function diskPathProblem(error: unknown, { request: { method }, path }: MountRequest): Problem {
  const { type, name } = classifyFileError(error);
  if (name === "NotADirectory") {
    return new Problem("conflict", `Cannot ${method} ${path}: a part of the path is not a folder`);
  }
  if (type === "not-found") {
    return new Problem("conflict", `Cannot ${method} ${path}: the mounted folder does not exist`);
  }
  return fileProblem(error, method, path);
}
