import { assertEquals, assertMatch } from "../../support/assert.ts";
import { PluginEventLog } from "../../../lib/plugin/host/plugin_event_log.ts";
import { type EventNote, StoreError } from "../../../lib/world/store.ts";
import { withApp } from "../../support/app.ts";

const ENDED = { type: "ended", detail: "it crashed", kind: "crash" } as const;

/** Collects the events in a list, with a clock that the test sets. */
async function withNotes(
  test: (
    notes: PluginEventLog,
    written: EventNote[],
    clock: { now: number },
    log: string[],
  ) => Promise<void>,
  fail?: Error,
): Promise<void> {
  await withApp({}, async ({ store }) => {
    const written: EventNote[] = [];
    const log: string[] = [];
    const clock = { now: 1000 };
    const faked = Object.create(store, {
      note: {
        value: (note: EventNote) => {
          written.push(note);
          return fail === undefined ? Promise.resolve() : Promise.reject(fail);
        },
      },
    });
    await test(
      new PluginEventLog(faked, () => clock.now, (line) => void log.push(line)),
      written,
      clock,
      log,
    );
  });
}

Deno.test("PluginEventLog.addCellEvent() writes ends, timeouts and open circuits only", async () => {
  await withNotes((notes, written) => {
    for (const type of ["started", "restarted", "swapped", "idle"] as const) {
      notes.addCellEvent("lib/p", "ab", { type, detail: "x" });
    }
    assertEquals(written.length, 0);
    notes.addCellEvent("lib/p", "ab", ENDED);
    notes.addCellEvent("lib/p", "ab", { type: "timeout", detail: "late" });
    notes.addCellEvent("lib/p", "ab", { type: "circuit-open", detail: "6 failures" });
    assertEquals(written.map(({ type }) => type), [
      "plugin_ended",
      "plugin_timeout",
      "plugin_circuit_open",
    ]);
    assertEquals(written[0], {
      name: "lib/p",
      by: "machine",
      type: "plugin_ended",
      payload: { source_sha256: "ab", kind: "crash", reason: "it crashed" },
    });
    return Promise.resolve();
  });
});

Deno.test("PluginEventLog.addCellEvent() limits the rate and counts the skipped events", async () => {
  await withNotes((notes, written, clock) => {
    for (let times = 0; times < 100; times++) notes.addCellEvent("lib/p", "ab", ENDED);
    notes.addCellEvent("lib/other", "ab", ENDED);
    assertEquals(written.length, 2);
    clock.now += 10_000;
    notes.addCellEvent("lib/p", "ab", { ...ENDED, detail: "x".repeat(10_000) });
    assertEquals(written.length, 3);
    const payload = written[2]?.payload ?? {};
    assertEquals(payload.not_noted_before, 99);
    assertEquals(String(payload.reason).length, 500);
    return Promise.resolve();
  });
});

Deno.test("PluginEventLog.write() logs a failure and does not reject", async () => {
  const gone = new StoreError("absent", "Cannot note: no such world");
  await withNotes(async (notes, _written, _clock, log) => {
    await notes.write("lib/p", "plugin_failed", {});
    assertMatch(log.join(), /Cannot write event plugin_failed to \/lib\/p: .*no such world/);
  }, gone);
});
