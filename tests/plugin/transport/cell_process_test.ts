/** Tests of the program of a cell process, over its pipes, with valid and invalid input. */

import { assertEquals, assertMatch } from "../../support/assert.ts";
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

Deno.test("runCell() exits with code 0 if stdin ends before the INIT frame", async () => {
  assertEquals(await run(new Uint8Array(0)), { code: 0, stderr: "" });
});

Deno.test("runCell() exits with code 83 if the first frame is not a valid INIT", async () => {
  const other = new FrameWriter();
  other.writeText(VERB.REQUEST, SIDE.HOST, 1, "{}");
  const wrong = await run(other.take());
  assertEquals(wrong.code, 83);
  assertMatch(wrong.stderr, /the first frame is not INIT/);
  const broken = new FrameWriter();
  broken.writeText(VERB.INIT, SIDE.HOST, 0, "{");
  assertEquals((await run(broken.take())).code, 83);
  assertEquals((await run(new Uint8Array([255, 255, 255, 255]))).code, 83);
});
