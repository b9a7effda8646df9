/**
 * The same jobs on the SQLite writer and on drafts: one seeded script of all kinds, with the same clock
 * and key. Rows, results, errors, kept versions and chains must be equal.
 */
import { assert, assertEquals } from "../../support/assert.ts";
import type { Hash } from "node:crypto";
import { DatabaseSync } from "node:sqlite";
import { concatBytes } from "../../../lib/base/concat_bytes.ts";
import { sha256Hex } from "../../../lib/base/hash.ts";
import { countKept, type HistoryKind } from "../../../lib/world/change/history_rules.ts";
import type { LastUse } from "../../../lib/world/change/create_world.ts";
import type { StageRow } from "../../../lib/world/change/editable_world.ts";
import type { LowerWorld, WriteResult } from "../../../lib/world/change/write_job.ts";
import { createChainSigner } from "../../../lib/world/event_chain.ts";
import { type DraftJob, needsBody, runDraftJob } from "../../../lib/world/postgres/draft_jobs.ts";
import { DraftSet } from "../../../lib/world/postgres/draft_set.ts";
import {
  type ChainPosition,
  type DraftEvent,
  WorldDraft,
} from "../../../lib/world/postgres/world_draft.ts";
import { toFolderName } from "../../../lib/world/name.ts";
import { StoreError } from "../../../lib/world/store.ts";
import type { WriteJob } from "../../../lib/world/store/worker_messages.ts";
import { Reader } from "../../../lib/world/worker/reader.ts";
import { Writer } from "../../../lib/world/worker/writer.ts";
import { createRandom } from "../../support/random.ts";
import { withTempFolder } from "../../support/temp_folder.ts";
import { SAMPLE_KEY, sampleSetup } from "../../testdata/sample_world.ts";

const encoder = new TextEncoder();
const HISTORY = { versions: 5, bytes: 20_000 };
const MAX_WORLD_BYTES = 26_000;
const NAMES = ["home/a", "home/b", "home/c/d", "lib/p", "etc/revoked", "usr/covered"];

const coveredBody = encoder.encode("covered\n");
const COVERED: LowerWorld = {
  sha256: sha256Hex(coveredBody),
  ext: "md",
  meta: [["x-meta-lower", "1"]],
  body: coveredBody,
  updatedAt: "2025-06-01T00:00:00.000Z",
};

const MOVES: readonly string[] = ["remove", "rename", "restore"];

/** Why jobs of the scripts are refused, at least. */
const REFUSED = [
  ...["append invalid", "append over-limit", "append precondition", "append too-large"],
  ...["note absent", "note precondition", "patch absent", "patch conflict", "patch malformed"],
  ...["put invalid", "put precondition", "remove absent", "remove precondition"],
  ...["rename absent", "rename invalid", "rename over-limit", "rename precondition"],
  ...["restore invalid", "restore over-limit", "restore precondition", "transition absent"],
];

type Outcome = WriteResult | { readonly code: string; readonly message: string };

/** A version as it is stored next to drafts. */
interface StoredVersion extends StageRow {
  readonly kind: HistoryKind;
  readonly sha256: string;
  readonly body: Uint8Array<ArrayBuffer>;
}

/** A world as it is stored next to drafts. */
interface Stored {
  name: string;
  row: StageRow;
  sha256: string;
  head: ChainPosition;
  body: Uint8Array<ArrayBuffer>;
  hash: Hash | undefined;
  kept: StoredVersion[];
  events: DraftEvent[];
  trash: string;
}

/** A store that commits drafts to memory, as a database would. */
class DraftStore {
  readonly worlds = new Set<Stored>();
  readonly uses = new Map<string, LastUse>();
  readonly options = { sign: createChainSigner(SAMPLE_KEY), history: HISTORY };
  /** Worlds that were loaded with their bytes, and without them. */
  counts = { loaded: 0, without: 0 };

  find(name: string, trash = ""): Stored | undefined {
    return [...this.worlds].find((world) => world.name === name && world.trash === trash);
  }

  /** Runs jobs in one transaction, and loads the bytes that one of them needs. */
  run(jobs: readonly DraftJob[], clock: (at: number) => string, trash: string): Outcome[] {
    const drafts = new DraftSet();
    const opened = new Map<WorldDraft, Stored>();
    for (const [name, bin] of jobs.flatMap(worldsOf)) {
      const stored = this.find(name, bin);
      if (stored === undefined) continue;
      const isKnown = bin === "" ? drafts.find(name) : drafts.findTrashed(bin, name);
      if (isKnown !== undefined) continue;
      const known = { len: stored.row.len, hasHash: stored.hash !== undefined };
      const isLoaded = jobs.some((job) => {
        const source = job.kind === "rename" || job.kind === "restore" ? job.from : job.name;
        return source === name && needsBody(job, known, this.find(job.name) !== undefined);
      });
      if (isLoaded) this.counts.loaded += 1;
      else this.counts.without += 1;
      const draft = WorldDraft.open({
        name,
        row: stored.row,
        sha256: stored.sha256,
        head: stored.head,
        ...(isLoaded ? { body: stored.body } : {}),
        ...(stored.hash === undefined ? {} : { hash: stored.hash }),
        isDeleted: bin !== "",
        floor: this.uses.get(name)?.version ?? 0,
      }, this.options);
      opened.set(draft, stored);
      if (bin === "") drafts.add(draft);
      else drafts.addTrashed(bin, draft);
    }
    for (const [name, use] of this.uses) drafts.addLastUse(name, use);
    const outcomes = jobs.map((job, at) =>
      outcomeOf(() =>
        runDraftJob(job, drafts, {
          ...this.options,
          maxWorldBytes: MAX_WORLD_BYTES,
          now: () => clock(at),
          createTrashId: () => trash,
          sizeOf: ({ row }) => row.len,
        })
      )
    );
    for (const draft of drafts.drafts) {
      if (draft.isChanged) this.#commit(draft, opened.get(draft), trash);
    }
    for (const name of drafts.ended) this.#end(name, drafts.lastUse(name));
    return outcomes;
  }

  #end(name: string, use: LastUse | undefined): void {
    if (use !== undefined) this.uses.set(name, use);
  }

  #commit(draft: WorldDraft, stored: Stored | undefined, trash: string): void {
    const bytesOf = (index: number, len: number) => {
      const run = draft.runs[index];
      assert(run !== undefined);
      const start = run.stored === 0 ? [] : [stored?.body ?? new Uint8Array()];
      return concatBytes([...start, ...run.pieces]).slice(0, len);
    };
    const earlier = (stored?.kept ?? []).filter(({ version }) => version >= draft.keptFrom);
    const kept = draft.kept.map((version) => (
      { ...version, body: bytesOf(version.run, version.len) }
    ));
    const all = [...earlier, ...kept];
    const { name, row, sha256, head, hash } = draft;
    const next: Stored = {
      name,
      row,
      sha256,
      head,
      hash,
      body: bytesOf(draft.run, row.len),
      kept: all.slice(all.length - countKept(all.toReversed(), HISTORY)),
      events: [...stored?.events ?? [], ...draft.events],
      trash: draft.isDeleted ? stored?.trash || trash : "",
    };
    assertEquals(sha256Hex(next.body), sha256);
    if (stored === undefined) this.worlds.add(next);
    else Object.assign(stored, next);
  }
}

/** The worlds that a job needs: names, and ids of trash entries. */
function worldsOf(job: DraftJob): [name: string, trash: string][] {
  if (job.kind === "rename") return [[job.from, ""], [job.name, ""]];
  if (job.kind === "restore") return [[job.name, ""], [job.from, job.trash]];
  return [[job.name, ""]];
}

function outcomeOf(run: () => WriteResult): Outcome {
  try {
    return run();
  } catch (error) {
    if (error instanceof StoreError) return { code: error.code, message: error.message };
    throw error;
  }
}

/** The SQLite engine with the same clock. */
class FileStore {
  readonly #writer: Writer;
  #id = 1;
  now = "";

  constructor(readonly data: string) {
    for (const folder of [".incoming", ".trash"]) Deno.mkdirSync(`${data}/${folder}`);
    this.#writer = new Writer({
      ...sampleSetup(data),
      history: HISTORY,
      maxWorldBytes: MAX_WORLD_BYTES,
    }, { now: () => this.now, monotonic: () => 0 });
  }

  run(job: DraftJob): Outcome {
    if (job.kind !== "rename") return this.#apply({ ...job, id: this.#id++ });
    const { kind: _kind, precondition, maxBytes, ...more } = job;
    const released = this.#apply({
      kind: "release",
      id: this.#id++,
      name: job.from,
      by: job.by,
      ...(precondition && { precondition }),
      ...(maxBytes !== undefined && { maxBytes }),
    });
    if ("code" in released) return released;
    const { version, updatedAt } = released;
    return this.#apply({
      ...more,
      kind: "adopt",
      id: this.#id++,
      source: { version, updatedAt },
    });
  }

  #apply(job: WriteJob): Outcome {
    const [reply] = this.#writer.apply([job]);
    assert(reply !== undefined);
    if ("error" in reply) return { code: reply.error.code, message: reply.error.message };
    return reply.value as WriteResult; // a writer returns no other results
  }

  close(): void {
    this.#writer.close();
  }

  /** Reads the chain of a world, also one in the trash. */
  chain(name: string, trash: string): unknown[] {
    const folder = trash === "" ? this.data : `${this.data}/.trash/${trash}`;
    const db = new DatabaseSync(`${folder}/${toFolderName(name)}/universe.db`);
    try {
      return db.prepare("SELECT * FROM events ORDER BY id").all().map((row) => ({ ...row }));
    } finally {
      db.close();
    }
  }
}

/** What both engines must return for a job; sizes of files and stamps are those of SQLite. */
function comparable(outcome: Outcome): unknown {
  if ("code" in outcome) return outcome;
  const { fileStamp: _fileStamp, trashBytes: _trashBytes, ...result } = outcome;
  // The id of the chain is for the change index of SQLite; a new world also has its headers.
  const events = result.events.map(({ chain: _chain, ...event }) => event);
  return Object.fromEntries(
    Object.entries({ ...result, events }).filter(([key]) => key !== "headers").sort(),
  );
}

/** Creates random jobs of all kinds. */
class Script {
  readonly #random: ReturnType<typeof createRandom>;
  trashed: { trash: string; name: string }[] = [];

  constructor(seed: number, readonly store: DraftStore) {
    this.#random = createRandom(seed);
  }

  below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  /** Forgets a world that is not in the trash any more. */
  forget({ trash, from }: { trash: string; from: string }): void {
    this.trashed = this.trashed.filter((known) => known.trash !== trash || known.name !== from);
  }

  #pick<T>(values: readonly T[]): T {
    const value = values[this.below(values.length)];
    assert(value !== undefined);
    return value;
  }

  #maybe<T extends object>(part: number, value: () => T): Partial<T> {
    return this.below(part) === 0 ? value() : {};
  }

  #text(name: string): Uint8Array<ArrayBuffer> {
    if (name === "etc/revoked") {
      return encoder.encode(this.#pick(["name:a\n", "name:b\n", "not a rule", "\n# x\n"]));
    }
    const long = this.below(12) === 0 ? this.below(30_000) : 0;
    const text = this.#pick(["alpha\n", "beta\n", "gamma\n", "alpha\nbeta\n", "", "é\n"]);
    return encoder.encode(text + "x".repeat(long));
  }

  #precondition(name: string) {
    const world = this.store.find(name);
    const version = Math.max((world?.row.version ?? 0) - (this.below(4) === 0 ? 1 : 0), 0);
    return this.#pick([
      { match: "*" as const },
      { match: [{ version }] },
      { match: [{ version, sha256: world?.sha256.slice(0, 16) ?? "0" }] },
      { noneMatch: "*" as const },
      { noneMatch: [{ version }] },
      { unmodifiedSince: Date.parse("2026-01-01T00:00:30.000Z") },
    ]);
  }

  next(): DraftJob {
    const name = this.#pick(NAMES);
    const base = {
      name,
      by: this.#pick(["T2", "T3", "cap:/home/x"]),
      ...(name === "usr/covered" ? { lower: COVERED } : {}),
      ...this.#maybe(4, () => ({ idem: `key ${this.below(1000)}` })),
      ...this.#maybe(5, () => ({ precondition: this.#precondition(name) })),
      ...this.#maybe(5, () => ({ maxBytes: this.below(this.#pick([20, 40_000])) })),
    };
    const state = this.#pick(["", "", "pending", "active"]);
    const ext = this.#pick(["txt", "md", "json"]);
    const meta = this.#pick([[], [["x-meta-a", "1"]] as const, [["x-meta-b", "2"]] as const]);
    switch (
      this.#pick(
        [
          "put",
          "put",
          "append",
          "append",
          "append",
          "patch",
          "state",
          "note",
          "remove",
          "rename",
          "restore",
        ],
      )
    ) {
      case "put": {
        const eventFields = this.#maybe(3, () => ({ restored_from: this.below(9) }));
        return { ...base, kind: "put", body: this.#text(name), ext, meta, state, eventFields };
      }
      case "append":
        return { ...base, kind: "append", body: this.#text(name), ext, state };
      case "patch": {
        const edit = this.#pick([
          '{"append":"end\\n"}',
          '{"edits":[{"find":"alpha","replace":"omega"}]}',
          '{"prepend":"x"}',
          "{}",
        ]);
        const body = encoder.encode(edit);
        const format = "application/json" as const;
        return { ...base, kind: "patch", edit: { format, body }, meta, state };
      }
      case "state":
        return { ...base, kind: "transition", to: state, eventFields: { reason: "script" } };
      case "note":
        return { ...base, kind: "note", type: "remark", payload: { text: `\u0000 ${state} ü` } };
      case "remove":
        return { ...base, kind: "remove" };
      case "rename": {
        const from = this.#pick(NAMES);
        const { precondition: _precondition, ...fields } = base;
        const more = this.#maybe(5, () => ({ precondition: this.#precondition(from) }));
        const replace = this.below(2) === 0;
        // As the store does it: a name of the lower layer gets the content only.
        const contentOnly = this.below(3) === 0 || name === "usr/covered";
        if (from === name) return { ...base, kind: "remove" };
        return { ...fields, ...more, kind: "rename", from, ext, replace, contentOnly, state };
      }
      default: {
        const known = this.trashed[this.below(this.trashed.length)];
        const { trash, name: from } = known ?? { trash: "20260101T000000000Z-00", name };
        const floor = this.store.find(from)?.row.version ?? 0;
        // A chain that covers no lower-layer world cannot become one that does.
        const to = name === "usr/covered" ? from : name;
        const { lower: _lower, ...fields } = base;
        const covered = to === "usr/covered" ? { lower: COVERED } : {};
        return { ...fields, ...covered, name: to, kind: "restore", trash, from, floor, ext, state };
      }
    }
  }
}

/** Runs a script on both engines; returns how often each kind of job succeeded, and why others failed. */
function compare(
  data: string,
  seed: number,
  jobs: number,
): { readonly counts: Record<string, number>; readonly refused: ReadonlySet<string> } {
  const drafts = new DraftStore();
  const files = new FileStore(data);
  const script = new Script(seed, drafts);
  const counts: Record<string, number> = {};
  const refused = new Set<string>();
  let time = Date.parse("2026-01-01T00:00:00.000Z");
  try {
    for (let done = 0; done < jobs;) {
      // The worlds have some versions at the end.
      const batch = batchOf(script, done < jobs - 120);
      let trash = "";
      const times: string[] = [];
      const expected = batch.map((job) => {
        // Sometimes backwards, as clocks of several computers are.
        time += script.below(1_500) - 300;
        times.push(files.now = new Date(time).toISOString());
        const outcome = files.run(job);
        if ("trash" in outcome && outcome.trash !== undefined) trash = outcome.trash;
        if ("code" in outcome) refused.add(`${job.kind} ${outcome.code}`);
        else counts[job.kind] = (counts[job.kind] ?? 0) + 1;
        return outcome;
      });
      const found = drafts.run(batch, (at) => times[at] ?? "", trash);
      assertEquals(found.map(comparable), expected.map(comparable), JSON.stringify(batch));
      for (const [at, job] of batch.entries()) {
        const outcome = expected[at];
        if (outcome === undefined || "code" in outcome) continue;
        if (job.kind === "restore") script.forget(job);
        if (job.kind === "remove") script.trashed.push({ trash, name: job.name });
        if (job.kind === "rename" && trash !== "") script.trashed.push({ trash, name: job.from });
      }
      done += batch.length;
    }
  } finally {
    files.close();
  }
  return { counts: { ...counts, ...drafts.counts, ...assertStored(drafts, files) }, refused };
}

/** Changes of some worlds, or one job that moves a world if moves are allowed. */
function batchOf(script: Script, withMoves: boolean): DraftJob[] {
  const batch: DraftJob[] = [];
  for (let i = 0; i <= script.below(8); i++) {
    const job = script.next();
    const isMove = MOVES.includes(job.kind);
    if (isMove && withMoves) return [job];
    if (isMove) continue;
    batch.push(job);
  }
  return batch;
}

/** Compares chains and earlier versions; returns how many versions are kept and how many are not. */
function assertStored(
  drafts: DraftStore,
  files: FileStore,
): { readonly kept: number; readonly dropped: number } {
  const counts = { kept: 0, dropped: 0 };
  const reader = new Reader({ ...sampleSetup(files.data), history: HISTORY });
  for (const stored of drafts.worlds) {
    const { name, trash, row, kept } = stored;
    const events = stored.events.map(({ id, timestamp, type, payload, hmac, prev_hmac }) => (
      { id, timestamp, event_type: type, payload, hmac, prev_hmac }
    ));
    assertEquals(events, files.chain(name, trash), name);
    if (trash !== "") continue;
    for (let version = 1; version < row.version; version++) {
      const outcome = outcomeOf(() => ({ ...reader.readAt(name, version) }) as never);
      const expected = kept.find((found) => found.version === version);
      if (expected === undefined) {
        assert("code" in outcome, `${name} keeps version ${version}`);
        if (outcome.code === "gone") counts.dropped += 1;
        continue;
      }
      counts.kept += 1;
      const { ext, headers, state, updatedAt, body } = expected;
      assertEquals(outcome, {
        version,
        ext,
        headers,
        state,
        updatedAt,
        body,
        sha256: sha256Hex(body),
      } as never);
    }
  }
  return counts;
}

Deno.test("runDraftJob() does what the SQLite writer does, in scripts of all kinds of jobs", async () => {
  const total: Record<string, number> = {};
  const refused = new Set<string>();
  for (const seed of [5, 6]) {
    const found = await withTempFolder((data) => compare(data, seed, 450));
    for (const [key, count] of Object.entries(found.counts)) {
      total[key] = (total[key] ?? 0) + count;
    }
    for (const reason of found.refused) refused.add(reason);
  }
  for (const kind of ["put", "append", "patch", "transition", "note", ...MOVES]) {
    assert((total[kind] ?? 0) > 8, `${kind} was not run`);
  }
  assertEquals(REFUSED.filter((reason) => !refused.has(reason)), []);
  const { kept = 0, dropped = 0, without = 0, loaded = 0 } = total;
  assert(kept > 20 && dropped > 20, "the limits were not reached");
  assert(without > loaded, "most jobs load no bytes");
});
