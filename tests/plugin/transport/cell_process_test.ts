/** The program a cell's process runs, spoken to over its pipes as its server would, or would not. */

import { deepStrictEqual as equal, match } from "node:assert/strict";
import { FrameWriter, SIDE, VERB } from "../../../lib/plugin/wire/frames.ts";
import { PROGRAM } from "../cell_fixture.ts";

async function run(input: Uint8Array<ArrayBuffer>): Promise<{ code: number; stderr: string }> {
  const child = new Deno.Command(PROGRAM.execPath, {
    args: ["run", "--quiet", "--no-prompt", "--unstable-worker-options", PROGRAM.main ?? ""],
    stdin: "piped",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(input);
  await writer.close();
  const { code, stderr } = await child.output();
  return { code, stderr: new TextDecoder().decode(stderr) };
}

Deno.test("runCell() exits when its server is gone, before it was told what to be", async () => {
  equal(await run(new Uint8Array(0)), { code: 0, stderr: "" });
});

Deno.test("runCell() refuses a first frame that is no INIT, or no JSON, in words", async () => {
  const other = new FrameWriter();
  other.writeText(VERB.REQUEST, SIDE.HOST, 1, "{}");
  const wrong = await run(other.take());
  equal(wrong.code, 83);
  match(wrong.stderr, /not an INIT frame/);
  const broken = new FrameWriter();
  broken.writeText(VERB.INIT, SIDE.HOST, 0, "{");
  equal((await run(broken.take())).code, 83);
  equal((await run(new Uint8Array([255, 255, 255, 255]))).code, 83);
});
