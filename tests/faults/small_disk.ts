/**
 * A disk of a few megabytes for one test: a tmpfs in its own mount namespace. It disappears with the
 * process that owns the namespace, also if the test fails.
 */

import { readLines } from "./server_process.ts";

/** What the host must allow. */
const REQUIREMENT = "Cannot mount a small disk: run the test as root, or allow user namespaces";

/** A small disk. */
export interface SmallDisk {
  /** Path for processes that are started with {@link through}. */
  readonly path: string;
  /** Path for this process. */
  readonly outside: string;
  /** Command that runs another command in the namespace of the disk. */
  readonly through: readonly string[];
  /** Fills all free space. */
  fill(): void;
  /** Frees that space again. */
  free(): void;
}

/** Runs a test with a disk of this size. */
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
  const stderr = new Response(holder.stderr).text();
  const ended = holder.status.then(() => mounted.resolve(false));
  try {
    if (!await mounted.promise) throw new Error(`${REQUIREMENT}; ${(await stderr).trim()}`);
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
    await Promise.all([ended, reading, stderr]);
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
