/**
 * A disk of a few megabytes for one test: a memory file system in a mount namespace of its own, which
 * goes away with the process that holds it, whatever happens to the test.
 */

import { readLines } from "./server_process.ts";

/** Why a test needs what it could not have. */
const NEEDED =
  "this test mounts a small disk: run it as root, or where user namespaces are allowed";

/** A small disk. */
export interface SmallDisk {
  /** Where processes that run {@link through} see it. */
  readonly path: string;
  /** Where this process sees it. */
  readonly outside: string;
  /** The command that runs another command where the disk is. */
  readonly through: readonly string[];
  /** Takes every byte that is left. */
  fill(): void;
  /** Gives them back. */
  free(): void;
}

/** Lends out a disk of so many megabytes. */
export async function withSmallDisk(
  megabytes: number,
  use: (disk: SmallDisk) => Promise<void>,
): Promise<void> {
  const path = await Deno.makeTempDir({ prefix: "disk-" });
  const root = Deno.uid() === 0;
  const holder = new Deno.Command("unshare", {
    args: [
      root ? "--mount" : "--map-root-user",
      "--mount",
      "sh",
      "-c",
      `mount -t tmpfs -o size=${megabytes}m tmpfs "$0" && echo mounted && cat`,
      path,
    ],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const mounted = Promise.withResolvers<boolean>();
  const reading = readLines(holder.stdout, (line) => mounted.resolve(line === "mounted"));
  const said = new Response(holder.stderr).text();
  const ended = holder.status.then(() => mounted.resolve(false));
  try {
    if (!await mounted.promise) throw new Error(`${NEEDED}; ${(await said).trim()}`);
    const outside = `/proc/${holder.pid}/root${path}`;
    const enter = root ? ["--mount"] : ["--user", "--preserve-credentials", "--mount"];
    await use({
      path,
      outside,
      through: ["nsenter", "--target", String(holder.pid), ...enter],
      fill: () => fill(`${outside}/filler`),
      free: () => Deno.removeSync(`${outside}/filler`),
    });
  } finally {
    await holder.stdin.close();
    await Promise.all([ended, reading, said]);
    await Deno.remove(path);
  }
}

function fill(path: string): void {
  const file = Deno.openSync(path, { create: true, append: true });
  try {
    for (const chunk of [new Uint8Array(65_536), new Uint8Array(64)]) writeUntilFull(file, chunk);
  } finally {
    file.close();
  }
}

function writeUntilFull(file: Deno.FsFile, chunk: Uint8Array): void {
  try {
    while (file.writeSync(chunk) > 0);
  } catch (error) {
    if (!/no space left/i.test(String(error))) throw error;
  }
}
