import { assertEquals, assertMatch } from "../../support/assert.ts";
import { createBareInit } from "../../../lib/plugin/wire/cell_init.ts";
import { FrameReader, VERB } from "../../../lib/plugin/wire/frames.ts";
import { startWorkerCell } from "../../../lib/plugin/transport/worker_transport.ts";
import { SHORT } from "../cell_fixture.ts";

function launch(code: string) {
  const verbs: number[] = [];
  const ends: string[] = [];
  const reader = new FrameReader();
  const { promise: firstFrame, resolve } = Promise.withResolvers<void>();
  const transport = startWorkerCell(createBareInit("serve", "x", code), SHORT, {
    onBytes: (chunk) =>
      reader.push(chunk, ({ verb }) => {
        verbs.push(verb);
        resolve();
      }),
    onEnd: (reason) => ends.push(reason),
  });
  return { transport, verbs, ends, firstFrame };
}

Deno.test("startWorkerCell() sends READY or UNFIT, and reports the end once", async () => {
  for (
    const [code, verb] of [["export default { fetch() {} }", VERB.READY], [
      "throw 1",
      VERB.UNFIT,
    ]] as const
  ) {
    const { transport, verbs, ends, firstFrame } = launch(code);
    assertEquals([transport.kind, transport.pid], ["worker", undefined]);
    await firstFrame;
    assertEquals(verbs, [verb]);
    await transport.kill();
    await transport.kill();
    transport.send(new Uint8Array(8));
    assertEquals(ends, ["it was terminated"]);
  }
});

Deno.test("startWorkerCell() survives bytes that are not a frame", async () => {
  const { transport, ends, firstFrame } = launch("export default { fetch() {} }");
  await firstFrame;
  transport.send(new Uint8Array([1, 0, 0, 0, 0]));
  await new Promise((resolve) => setTimeout(resolve, 30));
  await transport.kill();
  assertMatch(ends.join(), /^it was terminated$|^its Worker failed with an uncaught error$/);
});
