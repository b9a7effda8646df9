import { assert, assertEquals, assertThrows } from "./assert.ts";
import { freePort, freePorts, readSystemRange } from "./free_port.ts";

const MODULE = JSON.stringify(import.meta.resolve("./free_port.ts"));
/** Ports that each of some processes takes at the same time. */
const TAKEN = 100;

Deno.test("freePort() gives each port to one process", async () => {
  const outputs = await Promise.all([1, 2, 3].map(async () => {
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        ...["eval", "--no-lock", "--ext=ts"],
        `import { freePort } from ${MODULE};
         for (let i = 0; i < ${TAKEN}; i++) console.log(freePort());`,
      ],
      env: { NO_COLOR: "1" },
    }).output();
    assertEquals(code, 0, new TextDecoder().decode(stderr));
    return new TextDecoder().decode(stdout).trim().split("\n");
  }));
  const ports = outputs.flat();
  assertEquals([ports.length, new Set(ports).size], [3 * TAKEN, 3 * TAKEN]);
});

Deno.test("freePort() gives no port that the system gives to a connection or to port 0", () => {
  const range = readSystemRange();
  // A system that leaves fewer ports than the tests need gives any.
  if (range === undefined || range.low < 22_000 && range.high > 63_000) return;
  for (let i = 0; i < TAKEN; i++) {
    const port = freePort();
    assert(port < range.low || port > range.high, `${port} is in ${JSON.stringify(range)}`);
  }
});

Deno.test("freePort() leaves out a port on which a server listens", () => {
  const listeners = Array.from({ length: 3 }, () => freePort() + 1).flatMap((port) => {
    try {
      return [Deno.listen({ hostname: "127.0.0.1", port })];
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse)) throw error;
      return []; // another test got it
    }
  });
  try {
    const used = new Set(listeners.map(({ addr }) => addr.port));
    for (let i = 0; i < 10; i++) assert(!used.has(freePort()));
  } finally {
    for (const listener of listeners) listener.close();
  }
});

Deno.test("freePorts() gives ports in a row, none of which is given again", () => {
  const first = freePorts(4);
  const listeners = [0, 1, 2, 3].map((i) =>
    Deno.listen({ hostname: "127.0.0.1", port: first + i })
  );
  try {
    assertThrows(() => Deno.listen({ hostname: "127.0.0.1", port: first }), Deno.errors.AddrInUse);
    const next = freePort();
    assert(next < first || next > first + 3, `${next} after ${first}`);
  } finally {
    for (const listener of listeners) listener.close();
  }
});
