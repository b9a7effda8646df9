import { deepStrictEqual as equal, ok } from "node:assert/strict";
import { readResidentKiB } from "../../../lib/plugin/cell/process_memory.ts";

Deno.test("readResidentKiB() says what this process holds, and nothing of a process that is not there", () => {
  equal(readResidentKiB(2 ** 30), undefined);
  const found = readResidentKiB(Deno.pid);
  if (Deno.build.os !== "linux") return equal(found, undefined);
  const own = Deno.memoryUsage().rss / 1024;
  ok(found !== undefined && found > own / 2 && found < own * 2, `${found} KiB, not ${own}`);
});
