/**
 * What the tests of the reality plugin share: a machine with it, archives taken apart by a reader of
 * their own, and worlds checked as `verify` checks them. Not a test itself.
 */

import { deepStrictEqual as equal, ok } from "node:assert/strict";
import { runVerify } from "../../lib/archive/verify_data_folder.ts";
import { bearer, CLOSED, type TestMachine, withMachine } from "../support/machine.ts";
import { QUICK } from "../plugin/plugin_machine.ts";
import { installPlugin } from "./db_machine.ts";

/** Runs a test on a machine that has tokens and the plugin. */
export function withReality(
  test: (machine: TestMachine, url: string) => Promise<void>,
  env: Readonly<Record<string, string>> = {},
): Promise<void> {
  return withMachine({ env: { ...CLOSED, ...QUICK, ...env } }, async (machine) => {
    await installPlugin(machine, "reality");
    await test(machine, `http://127.0.0.1:${machine.port}`);
  });
}

/** A file of an archive. */
export interface Packed {
  readonly mode: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** Asks for an archive as T3 and unzips it. */
export async function fetchTar(
  machine: TestMachine,
  path: string,
): Promise<Uint8Array<ArrayBuffer>> {
  const answer = await fetch(`http://127.0.0.1:${machine.port}${path}`, {
    headers: bearer(machine.approveToken),
  });
  equal(answer.status, 200);
  equal(answer.headers.get("content-type"), "application/gzip");
  ok(answer.body !== null);
  return await new Response(answer.body.pipeThrough(new DecompressionStream("gzip"))).bytes();
}

/** Unpacks an archive with the tool that its users have. */
export async function untar(archive: Uint8Array<ArrayBuffer>, folder: string): Promise<void> {
  const file = await Deno.makeTempFile({ prefix: "archive-" });
  try {
    await Deno.writeFile(file, archive);
    const { code, stderr } = await new Deno.Command("tar", { args: ["xf", file, "-C", folder] })
      .output();
    const said = new TextDecoder().decode(stderr);
    equal([code, said], [0, ""]);
  } finally {
    await Deno.remove(file);
  }
}

/** Every file below a folder by its path. */
export function filesBelow(folder: string, prefix = ""): Map<string, Packed> {
  const found = new Map<string, Packed>();
  for (const { name, isDirectory } of Deno.readDirSync(`${folder}/${prefix}`)) {
    const path = `${prefix}${name}`;
    if (isDirectory) {
      for (const [below, file] of filesBelow(folder, `${path}/`)) found.set(below, file);
    } else {
      const { mode } = Deno.lstatSync(`${folder}/${path}`);
      found.set(path, { mode: (mode ?? 0) & 0o777, bytes: Deno.readFileSync(`${folder}/${path}`) });
    }
  }
  return found;
}

/** What `verify` prints of a data folder, and its exit code. */
export function verified(data: string, key?: string): { code: number; lines: string[] } {
  const lines: string[] = [];
  const code = runVerify(data, key, {
    out: (line) => void lines.push(line),
    err: (line) => void lines.push(line),
  });
  return { code, lines };
}

/** Lends an empty folder. */
export async function inTemp<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = await Deno.makeTempDir({ prefix: "reality-" });
  try {
    return await use(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Whether bytes hold a text anywhere. */
export function holds(bytes: Uint8Array<ArrayBuffer>, text: string): boolean {
  return new TextDecoder("latin1").decode(bytes).includes(
    new TextDecoder("latin1").decode(new TextEncoder().encode(text)),
  );
}
