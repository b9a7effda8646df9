import { readResidentKiB } from "../../../lib/plugin/cell/process_memory.ts";
import { assert, assertEquals } from "../../support/assert.ts";

Deno.test("readResidentKiB() returns the memory of a child process, and undefined without a process", async () => {
  assertEquals(readResidentKiB(2 ** 30), undefined);
  const report = "console.log(Deno.memoryUsage().rss); await Deno.stdin.read(new Uint8Array(1));";
  const child = new Deno.Command(Deno.execPath(), {
    args: ["eval", report],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const output = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const own = Number((await output.read()).value) / 1024;
  const found = readResidentKiB(child.pid);
  await child.stdin.close();
  await output.cancel();
  await child.status;
  if (Deno.build.os !== "linux") return assertEquals(found, undefined);
  assert(found !== undefined && found > own / 2 && found < own * 2, `${found} KiB, not ${own}`);
});
