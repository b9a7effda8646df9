/** `GET /mnt/`: the list of mounts, and the lines of the table that cannot be used. */

import type { Files } from "../../lib/plugin/wire/file_types.ts";
import { type Mount, MOUNT_TABLE, type MountTable } from "../kit/mount_table.ts";
import { Problem } from "../kit/problem.ts";
import { classifyFileError } from "./file_error.ts";
import { byName, listingForm, listingResponse, type ListingRow, shellResponse } from "./listing.ts";

/** Answers a request for `/mnt/`. @throws {Problem} `method-not-allowed` */
export async function listMounts(
  request: Request,
  { mounts, faults }: MountTable,
  files: Pick<Files, "stat"> | undefined,
): Promise<Response> {
  const { method } = request;
  const allow = "GET, HEAD, OPTIONS";
  if (method === "OPTIONS") return new Response(null, { status: 204, headers: { allow } });
  if (method !== "GET" && method !== "HEAD") {
    const detail = `Cannot ${method} /mnt/: mounts are defined in ${MOUNT_TABLE}`;
    throw new Problem("method-not-allowed", detail, { allow });
  }
  const form = listingForm(request);
  if (form === "text/html") return shellResponse();
  const rows = await Promise.all(
    [...mounts.values()].map(async (mount) => mountRow(mount, await mountProblem(mount, files))),
  );
  rows.sort(byName);
  for (const { line, reason } of faults) {
    rows.push({ name: `line ${line}`, dir: false, line, problem: reason, description: reason });
  }
  return await listingResponse(request, rows, form, "/mnt/");
}

/** Why a mount cannot be read; undefined if it can, as far as known without a request. */
async function mountProblem(
  { kind, folder, base }: Mount,
  files: Pick<Files, "stat"> | undefined,
): Promise<string | undefined> {
  if (folder === undefined) return base === undefined ? `${kind}:// has no adapter` : undefined;
  try {
    await files?.stat(folder);
    return undefined;
  } catch (error) {
    return classifyFileError(error).reason;
  }
}

function mountRow(
  { name, kind, mode: configured, folder }: Mount,
  problem: string | undefined,
): ListingRow {
  const mode = folder === undefined ? "ro" : configured;
  const description = problem ?? `${mode} ${kind}`;
  return {
    name,
    dir: true,
    kind,
    mode,
    description,
    ...(problem === undefined ? {} : { problem }),
  };
}
