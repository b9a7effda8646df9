import { assertEquals } from "../support/assert.ts";
import { ServerLog } from "../../lib/observe/server_log.ts";

function logTo(write: (text: string) => Promise<number>, limit?: number): ServerLog {
  return new ServerLog({
    write: (bytes) => write(new TextDecoder().decode(bytes)).then(() => bytes.length),
    clientLinesPerSecond: 1,
    ...(limit === undefined ? {} : { limit }),
    now: () => 0,
    monotonic: () => 0,
  });
}

Deno.test("ServerLog writes lines with the time, and limits those of one kind", async () => {
  let text = "";
  const log = logTo((part) => Promise.resolve((text += part).length));
  log.print("elastik 1.2.3 at http://127.0.0.1:1");
  for (let i = 0; i < 3; i++) log.write(`cannot read ${i}`, "500");
  log.write("the store failed");
  await log.close();
  assertEquals(
    text,
    "elastik 1.2.3 at http://127.0.0.1:1\n" +
      "1970-01-01T00:00:00.000Z cannot read 0\n" +
      "1970-01-01T00:00:00.000Z the store failed\n",
  );
  assertEquals(log.dropped, 2);
});

Deno.test("ServerLog ignores a closed output and counts its lines", async () => {
  const log = logTo(() => Promise.reject(new Deno.errors.BrokenPipe("closed")));
  log.write("lost");
  await log.close();
  assertEquals(log.dropped, 1);
});

Deno.test("ServerLog keeps lines up to its limit, and drops and counts further ones", async () => {
  const line = "1970-01-01T00:00:00.000Z x\n";
  let text = "";
  const log = logTo((part) => Promise.resolve((text += part).length), 2 * line.length);
  for (let i = 0; i < 3; i++) log.write("x");
  await log.close();
  assertEquals(text.startsWith(line + line), true);
  assertEquals(log.dropped, 1);
});
