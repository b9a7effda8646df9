/**
 * The worlds of the server as archive entries. Each is copied at one moment by `/proc/snapshot`, signed
 * with a key that is made for the copy; other worlds may change in the meantime.
 */

import { encodePath } from "../kit/encode_path.ts";
import { inOrder } from "./archive.ts";
import type { Env } from "./env.ts";
import { ServerRefusal } from "./source.ts";
import type { ArchiveEntry } from "./tar.ts";

/** Attempts to copy a world while the server is busy, and the time between two, in milliseconds. */
const MAX_ATTEMPTS = 20;
const ATTEMPT_INTERVAL_MS = 500;

/**
 * Lists the worlds that have a file.
 *
 * @throws {ServerRefusal} if the server refuses the list
 */
export async function listWorlds(env: Env): Promise<string[]> {
  const headers = { accept: "application/json" };
  const response = await env.caller.fetch("/proc/worlds", { headers });
  if (!response.ok) throw new ServerRefusal(response);
  const worlds: readonly { name: string; layer: string }[] = await response.json();
  return worlds.filter(({ layer }) => layer === "upper").map(({ name }) => name);
}

/** Makes the entries of a data folder with the worlds and the key they are signed with. */
export async function* worldEntries(
  env: Env,
  names: readonly string[],
): AsyncGenerator<ArchiveEntry> {
  const key = crypto.getRandomValues(new Uint8Array(32)).toHex();
  yield { path: "data/", mode: 0o700, length: 0, body: "" };
  yield* inOrder(names, (name) => worldEntry(env, name, key));
  // The key is last: without it the folder cannot be verified, so an incomplete archive is detected.
  yield { path: "data/.key", mode: 0o600, length: key.length + 1, body: `${key}\n` };
}

/** The copy of one world; undefined if it was deleted after it was listed. */
async function worldEntry(env: Env, name: string, key: string): Promise<ArchiveEntry | undefined> {
  const path = `data/${name.replaceAll("%", "%25").replaceAll("/", "%2F")}/universe.db`;
  for (let attempt = 1;; attempt++) {
    const response = await env.caller.fetch(`/proc/snapshot/${encodePath(name)}`, {
      method: "POST",
      body: key,
    });
    const disposition = response.headers.get("content-disposition") ?? "";
    const length = Number(/; size=(\d+)$/.exec(disposition)?.[1]);
    if (response.ok && response.body !== null && Number.isSafeInteger(length)) {
      return { path, mode: 0o600, length, body: response.body };
    }
    if (response.status === 404) {
      await response.body?.cancel();
      return undefined;
    }
    const problem = await response.text();
    if (problem.includes("/world-damaged.md")) return unreadableEntry(path, name);
    if (response.status !== 503 || attempt === MAX_ATTEMPTS) {
      throw new Error(`Cannot copy /${name}: the server responded with ${response.status}`);
    }
    await new Promise<void>((resolve) => setTimeout(() => resolve(), ATTEMPT_INTERVAL_MS));
  }
}

/** A text in place of a damaged world: `verify` reports the world in the copy as damaged too. */
function unreadableEntry(path: string, name: string): ArchiveEntry {
  console.warn(`Cannot copy /${name}: its file is damaged; the archive has a text in its place`);
  const body = `This is not a world: the file of /${name} was damaged where it was copied from.\n`;
  return { path, mode: 0o600, length: new TextEncoder().encode(body).length, body };
}
