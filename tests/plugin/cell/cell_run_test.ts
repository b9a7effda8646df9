/** Tests of `CellRun` with frames that a correct cell does not send; a fake transport sends them. */

import { assert, assertEquals, assertRejects } from "../../support/assert.ts";
import { CELL_WINDOW_BYTES, type CellLimits } from "../../../lib/cell_limits.ts";
import { createBareInit } from "../../../lib/plugin/wire/cell_init.ts";
import { formatRequestHead, formatResponseHead } from "../../../lib/plugin/wire/message_heads.ts";
import { FrameReader, FrameWriter, SIDE, VERB } from "../../../lib/plugin/wire/frames.ts";
import {
  type CellEndedError,
  CellRun,
  type Subrequest,
} from "../../../lib/plugin/cell/cell_run.ts";
import type { TransportEvents } from "../../../lib/plugin/transport/transport.ts";
import { SHORT } from "../cell_fixture.ts";
import { createRandom } from "../../support/random.ts";

class Fake {
  readonly run: CellRun<string>;
  readonly calls: Subrequest<string>[] = [];
  readonly sent: { verb: number; side: number; id: number; text: string }[] = [];
  readonly lines: string[] = [];
  end: CellEndedError | undefined;
  killed = false;
  now = 1_000_000;
  /** How often the run has looked at the clock. */
  looks = 0;
  events!: TransportEvents;

  constructor(limits: CellLimits = SHORT) {
    const reader = new FrameReader(1 << 24);
    this.run = new CellRun<string>({
      startCell: (_init, _limits, events) => {
        this.events = events;
        return {
          kind: "worker",
          send: (bytes) =>
            reader.push(bytes, (frame) => {
              const text = new TextDecoder("latin1").decode(frame.payload);
              this.sent.push({ verb: frame.verb, side: frame.side, id: frame.id, text });
            }),
          kill: () => {
            this.killed = true;
            return Promise.resolve();
          },
        };
      },
      limits,
      now: () => {
        this.looks++;
        return this.now;
      },
      answerSubrequest: (call) => {
        this.calls.push(call);
        return Promise.resolve(new Response("answer"));
      },
      log: (level, line) => this.lines.push(`${level} ${line}`),
      onEnd: (_run, end) => this.end = end,
      onIdle: () => {},
    }, createBareInit("serve", "fake", ""));
    this.sendFrame((writer) => writer.writeBytes(VERB.READY, SIDE.CELL, 0));
  }

  sendFrame(write: (writer: FrameWriter) => void): void {
    const writer = new FrameWriter();
    write(writer);
    this.events.onBytes(writer.take());
  }

  ask(authority = "ada", body: ReadableStream<Uint8Array> | null = null) {
    const caller = { authority, tier: "T1", by: "T1", depth: 0 };
    const outgoing = { method: "POST", url: "http://localhost/", headers: [], body };
    const call = this.run.send(outgoing, caller, () => {});
    call.response.catch(() => {});
    return call;
  }

  answer(id: number, streamed = false): void {
    const head = formatResponseHead({
      status: 200,
      statusText: "",
      headers: [],
      isStreamed: streamed,
    });
    this.sendFrame((writer) => writer.writeHead(VERB.RESPONSE, SIDE.HOST, id, head));
  }

  sendSubrequest(sub: number, kind: string, request: string | number, url = "/x"): void {
    const head = formatRequestHead({
      method: "GET",
      url,
      headers: [],
      isStreamed: false,
      hasBody: false,
      note: [kind, request],
    });
    this.sendFrame((writer) => writer.writeHead(VERB.REQUEST, SIDE.CELL, sub, head));
  }
}

async function turns(): Promise<void> {
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
}

async function withFake(body: (fake: Fake) => Promise<void> | void): Promise<void> {
  const fake = new Fake();
  try {
    await fake.run.ready;
    await body(fake);
  } finally {
    await fake.run.kill();
  }
}

/** Lets the next check of the limits run. Input is read after it and before the check that follows. */
async function nextCheck(fake: Fake): Promise<void> {
  for (const { looks } = fake; fake.looks === looks;) {
    await new Promise((resolve) => setImmediate(resolve));
  }
}

Deno.test("CellRun accepts a heartbeat that was sent in time and read late, because the server was stopped", () =>
  withFake(async (fake) => {
    const endOf = () => fake.end?.kind;
    const pings = () => fake.sent.filter(({ verb }) => verb === VERB.PING);
    fake.now += SHORT.heartbeatMs;
    while (pings().length === 0) await nextCheck(fake);
    fake.now += SHORT.heartbeatTimeoutMs + 1;
    await nextCheck(fake);
    assertEquals(endOf(), undefined);
    fake.sendFrame((writer) => writer.writeBytes(VERB.PONG, SIDE.CELL, pings()[0]?.id ?? 0));
    for (let check = 0; check < 3; check++) await nextCheck(fake);
    assertEquals(endOf(), undefined);
    // One that does not come ends the run with the second check.
    while (pings().length === 1) {
      fake.now += SHORT.heartbeatMs;
      await nextCheck(fake);
    }
    fake.now += SHORT.heartbeatTimeoutMs + 1;
    await nextCheck(fake);
    await nextCheck(fake);
    assertEquals(endOf(), "silence");
  }));

const BROKEN: Record<string, (fake: Fake) => void> = {
  "a response to an id that was never used": (fake) => fake.answer(fake.ask().id + 1000),
  "a response before any request": (fake) => fake.answer(7),
  "a second response": (fake) => {
    const { id } = fake.ask();
    fake.answer(id, true);
    fake.answer(id, true);
  },
  "a body before its head": (fake) => {
    const { id } = fake.ask();
    fake.sendFrame((writer) => writer.writeBytes(VERB.CHUNK, SIDE.HOST, id, new Uint8Array(1)));
  },
  "a body beyond its credit": (fake) => {
    const { id } = fake.ask();
    fake.answer(id, true);
    for (let sent = 0; sent <= CELL_WINDOW_BYTES; sent += 1 << 16) {
      fake.sendFrame((writer) =>
        writer.writeBytes(VERB.CHUNK, SIDE.HOST, id, new Uint8Array(1 << 16))
      );
    }
  },
  "an empty piece of a body": (fake) => {
    const { id } = fake.ask();
    fake.answer(id, true);
    fake.sendFrame((writer) => writer.writeBytes(VERB.CHUNK, SIDE.HOST, id));
  },
  "a piece longer than CELL_CHUNK_BYTES": (fake) => {
    const { id } = fake.ask();
    fake.answer(id, true);
    fake.sendFrame((writer) =>
      writer.writeBytes(VERB.CHUNK, SIDE.HOST, id, new Uint8Array((1 << 16) + 1))
    );
  },
  "a streamed body with status 204": (fake) => {
    const { id } = fake.ask();
    const head = formatResponseHead({ status: 204, statusText: "", headers: [], isStreamed: true });
    fake.sendFrame((writer) => writer.writeHead(VERB.RESPONSE, SIDE.HOST, id, head));
  },
  "a body in the frame with status 304": (fake) => {
    const { id } = fake.ask();
    const head = formatResponseHead({
      status: 304,
      statusText: "",
      headers: [],
      isStreamed: false,
    });
    fake.sendFrame((writer) =>
      writer.writeHead(VERB.RESPONSE, SIDE.HOST, id, head, new Uint8Array(1))
    );
  },
  "a status that does not exist": (fake) => {
    const { id } = fake.ask();
    fake.sendFrame((writer) => writer.writeHead(VERB.RESPONSE, SIDE.HOST, id, '[99,"",[],0]'));
  },
  "a head that is not JSON": (fake) => {
    const { id } = fake.ask();
    fake.sendFrame((writer) => writer.writeHead(VERB.RESPONSE, SIDE.HOST, id, "{"));
  },
  "a header with a line break": (fake) => {
    const { id } = fake.ask();
    fake.sendFrame((writer) =>
      writer.writeHead(VERB.RESPONSE, SIDE.HOST, id, '[200,"",["a","b\\r\\nc: d"],0]')
    );
  },
  "a verb that does not exist": (fake) =>
    fake.sendFrame((writer) => writer.writeBytes(99, SIDE.HOST, 1)),
  "a verb that only the server sends": (fake) =>
    fake.sendFrame((writer) => writer.writeBytes(VERB.INIT, SIDE.HOST, 1)),
  "a side that does not exist": (fake) =>
    fake.events.onBytes(new Uint8Array([6, 0, 0, 0, VERB.CHUNK, 9, 1, 0, 0, 0])),
  "a frame that is too long": (fake) =>
    fake.events.onBytes(new Uint8Array([0xff, 0xff, 0xff, 0x7f])),
  "a frame that is too short": (fake) => fake.events.onBytes(new Uint8Array([1, 0, 0, 0, 1])),
  "more open subrequests than allowed": (fake) => {
    for (let i = 1; i <= SHORT.maxCalls + 1; i++) fake.sendSubrequest(i, "machine", 0);
  },
  "two subrequests with one id": (fake) => {
    fake.sendSubrequest(1, "machine", 0);
    fake.sendSubrequest(1, "machine", 0);
  },
  "a subrequest with id 0": (fake) => fake.sendSubrequest(0, "machine", 0),
  "too many console lines": (fake) => {
    for (let i = 0; i < 1000; i++) {
      fake.sendFrame((writer) => writer.writeText(VERB.LOG, SIDE.CELL, 0, "x"));
    }
  },
  "a text that is not UTF-8": (fake) =>
    fake.sendFrame((writer) => writer.writeBytes(VERB.LOG, SIDE.CELL, 0, new Uint8Array([0xff]))),
};

for (const [name, attack] of Object.entries(BROKEN)) {
  Deno.test(`CellRun ends the cell with kind "protocol" for ${name}`, async () => {
    await withFake(async (fake) => {
      const { response } = fake.ask("ada");
      attack(fake);
      assertEquals(fake.end?.kind, "protocol");
      assert(fake.killed);
      await assertRejects(response, { name: "CellEndedError" });
    });
  });
}

Deno.test("CellRun gives a subrequest of env.caller the authority of the named request", async () => {
  await withFake(async (fake) => {
    const ada = fake.ask("ada");
    const bob = fake.ask("bob");
    fake.sendSubrequest(1, "caller", ada.id);
    fake.sendSubrequest(2, "caller", bob.id);
    fake.sendSubrequest(3, "machine", ada.id);
    await turns();
    assertEquals(
      fake.calls.map((call) => [call.kind, Reflect.get(call, "authority")]),
      [["caller", "ada"], ["caller", "bob"], ["machine", undefined]],
    );
  });
});

Deno.test("CellRun refuses a subrequest for a request that has ended or never existed, or of a wrong form", async () => {
  await withFake(async (fake) => {
    const { id } = fake.ask();
    fake.answer(id);
    fake.sendSubrequest(1, "caller", id);
    fake.sendSubrequest(2, "caller", 9999);
    fake.sendSubrequest(3, "caller", String(id));
    fake.sendSubrequest(4, "approve", id);
    fake.sendSubrequest(5, "machine", id, "//evil");
    fake.sendSubrequest(6, "machine", id, "http://evil/");
    await turns();
    assertEquals(fake.calls.map(({ request }) => request.url), ["http://machine//evil"]);
    const failed = fake.sent.filter(({ verb, side }) => verb === VERB.FAIL && side === SIDE.CELL);
    assertEquals(failed.map(({ id }) => id), [1, 2, 3, 4, 6]);
    assertEquals(fake.end, undefined);
  });
});

Deno.test("CellRun gives a subrequest without an open request the depth of the deepest one", async () => {
  await withFake(async (fake) => {
    const caller = { authority: "a", tier: "T1", by: "T1", depth: 3 };
    const outgoing = { method: "GET", url: "http://localhost/", headers: [], body: null };
    fake.run.send(outgoing, caller, () => {}).response.catch(() => {});
    fake.sendSubrequest(1, "machine", 0);
    fake.sendSubrequest(2, "machine", 12_345);
    await turns();
    assertEquals(fake.calls.map(({ depth }) => depth), [4, 4]);
  });
});

Deno.test("CellRun accepts as many frames without effect per second as its limit, and ends at one more", async () => {
  const fake = new Fake({ ...SHORT, maxIgnoredFramesPerSecond: 3 });
  await fake.run.ready;
  const sendLate = () => fake.sendFrame((writer) => writer.writeBytes(VERB.DONE, SIDE.CELL, 9));
  for (let second = 0; second < 2; second++) {
    for (let i = 0; i < 3; i++) sendLate();
    fake.now += 1000;
  }
  assertEquals(fake.killed, false);
  for (let i = 0; i < 4; i++) sendLate();
  assertEquals(fake.end?.kind, "protocol");
  await fake.run.kill();
});

Deno.test("CellRun ignores late frames of a cancelled call", async () => {
  await withFake(async (fake) => {
    const call = fake.ask();
    fake.answer(call.id, true);
    const response = await call.response;
    await response.body!.cancel();
    for (const verb of [VERB.CHUNK, VERB.END, VERB.FAIL]) {
      fake.sendFrame((writer) => writer.writeBytes(verb, SIDE.HOST, call.id, new Uint8Array(1)));
    }
    assertEquals(fake.end, undefined);
    assert(fake.run.isIdle);
  });
});

Deno.test("CellRun survives random frames and gives them no authority of a caller", async () => {
  const seed = Number(Deno.env.get("SEED") ?? Date.now() % 1e9) | 1;
  console.log(`seed ${seed}`);
  const random = createRandom(seed);
  const next = (below: number): number => Math.floor(random() * below);
  for (let round = 0; round < 200; round++) {
    await withFake((fake) => {
      const ids = [fake.ask("ada").id, fake.ask("bob").id];
      for (let i = 0; i < 30 && !fake.end; i++) {
        const payload = new Uint8Array(next(40)).map(() => next(256));
        const id = next(3) === 0 ? next(5) : ids[next(2)]!;
        fake.sendFrame((writer) => writer.writeBytes(next(20), next(2) === 0 ? 0 : 1, id, payload));
      }
      assert(fake.end === undefined || ["protocol", "unfit"].includes(fake.end.kind));
      for (const call of fake.calls) assertEquals(call.kind, "machine");
    });
  }
});
