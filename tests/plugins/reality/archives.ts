/** Archives of the reality plugin: requested, unpacked and verified. Not a test itself. */

import { assert, assertEquals } from "../../support/assert.ts";
import { runVerify } from "../../../lib/archive/verify_data_folder.ts";
import { bearer, type TestServer } from "../../support/test_server.ts";
import { withPluginServer } from "../../support/plugin_server.ts";

/** Runs a test on a server with the plugin. */
export function withReality(
  test: (server: TestServer, url: string) => Promise<void>,
  env: Readonly<Record<string, string>> = {},
): Promise<void> {
  return withPluginServer(
    { plugins: ["reality"], env },
    (server) => test(server, `http://127.0.0.1:${server.port}`),
  );
}

/** A file of an archive. */
export interface ArchivedFile {
  readonly mode: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** Requests an archive as T3 and unzips it. */
export async function fetchTar(
  server: TestServer,
  path: string,
): Promise<Uint8Array<ArrayBuffer>> {
  const answer = await fetch(`http://127.0.0.1:${server.port}${path}`, {
    headers: bearer(server.approveToken),
  });
  assertEquals(answer.status, 200);
  assertEquals(answer.headers.get("content-type"), "application/gzip");
  assert(answer.body !== null);
  return await new Response(answer.body.pipeThrough(new DecompressionStream("gzip"))).bytes();
}

/** Unpacks an archive with `tar`. */
export async function untar(archive: Uint8Array<ArrayBuffer>, folder: string): Promise<void> {
  const file = await Deno.makeTempFile({ prefix: "archive-" });
  try {
    await Deno.writeFile(file, archive);
    const { code, stderr } = await new Deno.Command("tar", { args: ["xf", file, "-C", folder] })
      .output();
    const errors = new TextDecoder().decode(stderr);
    assertEquals([code, errors], [0, ""]);
  } finally {
    await Deno.remove(file);
  }
}

/** Every file below a folder by its path. */
export function filesBelow(folder: string, prefix = ""): Map<string, ArchivedFile> {
  const found = new Map<string, ArchivedFile>();
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

/** Runs `verify` on a data folder; returns its exit code and its lines. */
export function verified(data: string, key?: string): { code: number; lines: string[] } {
  const lines: string[] = [];
  const code = runVerify(data, key, {
    out: (line) => void lines.push(line),
    err: (line) => void lines.push(line),
  });
  return { code, lines };
}

/** Tests whether bytes contain a text. */
export function holds(bytes: Uint8Array<ArrayBuffer>, text: string): boolean {
  return new TextDecoder("latin1").decode(bytes).includes(
    new TextDecoder("latin1").decode(new TextEncoder().encode(text)),
  );
}
