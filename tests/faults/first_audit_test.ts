/**
 * The Workers of the store start with the server: Deno ends the process if one is started when the
 * file descriptors are used up, as the first audit did.
 */

import { assert, assertEquals } from "../support/assert.ts";
import { eventually } from "../plugin/plugin_test_server.ts";
import { startAttackedServer } from "./hostile/attacked_server.ts";

async function setLimit(pid: number, descriptors: number): Promise<boolean> {
  const args = ["--pid", String(pid), `--nofile=${descriptors}:`];
  try {
    return (await new Deno.Command("prlimit", { args }).output()).success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

function highestDescriptor(pid: number): number {
  return Math.max(...[...Deno.readDirSync(`/proc/${pid}/fd`)].map(({ name }) => Number(name)));
}

Deno.test({
  name: "the first audit does not end a server without free file descriptors",
  ignore: Deno.build.os !== "linux",
  fn: async () => {
    const server = await startAttackedServer("process");
    const { pid } = server.program;
    try {
      for (let i = 0; i < 8; i++) {
        assertEquals((await server.ask("PUT", `/home/x${i}`, "t2", "text")).status, 201);
      }
      if (!await setLimit(pid, highestDescriptor(pid) + 2)) return;
      for (const path of ["/proc/audit/home/x0", "/proc/snapshot/home/x1"]) {
        const { status, text } = await server.ask("GET", path, "t3");
        assert(status === 503 || status === 200, `${path}: ${status} ${text}`);
      }
      assertEquals((await server.ask("GET", "/proc/version")).status, 200);
      await setLimit(pid, 1024);
      await eventually(async () => {
        const { status } = await server.ask("GET", "/proc/audit/home/x7", "t3");
        return status === 200 || undefined;
      }, "an audit");
      assertEquals((await server.ask("DELETE", "/home/x7", "t3")).status, 200);
    } finally {
      await setLimit(pid, 1024);
      await server.kill();
    }
  },
});
