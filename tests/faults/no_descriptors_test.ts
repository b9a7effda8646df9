/**
 * Property: without free file descriptors the server answers 503 with Retry-After, damages nothing, and
 * works again when there are some.
 */

import { assert, assertEquals } from "../support/assert.ts";
import { verifyDataFolder } from "../../lib/archive/verify_data_folder.ts";
import { loadOrCreateSecret } from "../../lib/world/file/data_folder.ts";
import { onPath } from "../project/program.ts";
import { withTempFolder } from "../support/temp_folder.ts";
import { approval, ServerProcess } from "./server_process.ts";
import { bytesOf, Connection, join, type Reply } from "../support/wire.ts";

const PLUGIN = `export const routes = ["/p"]; export default { fetch: () => new Response("ok") };`;

/** Descriptors that are left; with few of them, only a part of an operation succeeds. */
const LEFT = [-1000, 0, 2, 5];

/** Requests on one connection, because without descriptors no other one is accepted. */
class Client {
  readonly #connection: Connection;
  readonly #head: string;

  constructor(connection: Connection, authorization: string) {
    this.#connection = connection;
    this.#head = `Host: localhost\r\nAuthorization: ${authorization}\r\n`;
  }

  ask(method: string, target: string, body = ""): Promise<Reply> {
    const length = `Content-Length: ${body.length}\r\n\r\n`;
    const head = bytesOf(`${method} ${target} HTTP/1.1\r\n${this.#head}${length}`);
    return this.#connection.ask(join([head, bytesOf(body)]));
  }

  async ok(method: string, target: string, body = ""): Promise<string> {
    const { status, text } = await this.ask(method, target, body);
    assert(status < 300, `${method} ${target}: ${status} ${text}`);
    return text;
  }

  close(): void {
    this.#connection.close();
  }
}

/** Sets the soft limit of descriptors of a process. */
async function setLimit(pid: number, limit: number): Promise<void> {
  const args = ["--pid", String(pid), `--nofile=${limit}:`];
  const { success } = await new Deno.Command("prlimit", { args }).output();
  assert(success, "prlimit failed");
}

for (const left of LEFT) {
  Deno.test({
    name: `a server with ${
      Math.max(0, left)
    } free file descriptors answers 503 and damages nothing`,
    ignore: Deno.build.os !== "linux" || !onPath("prlimit"),
    fn: () => withTempFolder((folder) => starve(`${folder}/data`, left)),
  });
}

async function starve(data: string, left: number): Promise<void> {
  // Without a cache each read opens the file.
  const env = { ELASTIK_CACHE: "0", ELASTIK_WRITERS: "2" };
  const before = await ServerProcess.start({ data, env });
  const headers = approval(data);
  for (let i = 0; i < 6; i++) {
    await before.ask(`/home/a${i}`, { method: "PUT", headers, body: `content ${i}` });
  }
  await before.end();
  const server = await ServerProcess.start({ data, env });
  const connection = await Connection.open(Number(new URL(server.url).port));
  const client = new Client(connection, headers.authorization ?? "");
  try {
    // Starts the Workers of the store.
    for (let i = 0; i < 8; i++) await client.ok("PUT", `/home/w${i}`, "1");
    await client.ok("GET", "/proc/audit/home/w1");
    await client.ok("PUT", "/lib/p", PLUGIN);
    await client.ok("PUT", "/lib/p/state", "active");
    const pid = async (): Promise<number | undefined> =>
      JSON.parse(await client.ok("GET", "/lib/p/state")).health.pid;
    const cell = await pid();
    if (cell !== undefined) Deno.kill(cell, "SIGKILL");
    while (await pid() !== undefined);
    const open = [...Deno.readDirSync(`/proc/${server.pid}/fd`)].length;
    await setLimit(server.pid, Math.max(1, open + left));
    let refused = 0;
    for (
      const [method, target, body] of [
        ["GET", "/home/a0?raw"],
        ["PUT", "/home/new", "new"],
        ["POST", "/home/a1", "more"],
        ["DELETE", "/home/a2"],
        ["GET", "/p"],
        ["PUT", "/lib/p/state", "disabled"],
        ["GET", "/proc/audit/home/a3"],
        ["GET", "/proc/snapshot/home/a3"],
        ["GET", "/dav/home/a4"],
        ["PUT", "/dav/home/dav", "new"],
        ["GET", "/home/"],
      ] as const
    ) {
      const { status, headers, text } = await client.ask(method, target, body);
      if (status < 300) continue;
      assertEquals(status, 503, `${method} ${target}: ${status} ${text}`);
      assert(Number(headers.get("retry-after")) > 0, `${method} ${target}`);
      refused++;
    }
    if (left < 0) assertEquals(refused, 10);
    await setLimit(server.pid, open + 500);
    for (const [i, text] of [[0, "content 0"], [3, "content 3"], [5, "content 5"]] as const) {
      assertEquals(await client.ok("GET", `/home/a${i}?raw`), text);
    }
    await client.ok("PUT", "/home/new", "newer");
    await client.ok("PUT", "/dav/home/dav", "newer");
    await client.ok("PUT", "/lib/p/state", "active");
    assertEquals(await client.ok("GET", "/p"), "ok");
  } finally {
    client.close();
    await server.end();
  }
  const { secret } = loadOrCreateSecret(data, ".key");
  assertEquals(verifyDataFolder({ data, key: secret }).broken, []);
}
