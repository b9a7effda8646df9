/**
 * A world that is changed in memory: the state before some jobs, the state after them, and all that a
 * transaction must write between the two. It appends the same events as a `WorldFile` for the same
 * calls. It reads and writes nothing; a draft whose transaction was not committed is dropped.
 *
 * The bytes of versions are in content runs: a replacement begins a run, an append adds to it. Each
 * version has the first bytes of one run. So an append costs its own length, and needs neither the bytes
 * before it nor their transfer, if the state of their hash is known.
 */

import type { Hash } from "node:crypto";
import { concatBytes } from "../../base/concat_bytes.ts";
import { sha256Hex } from "../../base/hash.ts";
import { nodeCrypto } from "../../base/node_crypto.ts";
import * as changes from "../change/change_events.ts";
import { firstVersion, type NewWorld } from "../change/create_world.ts";
import type {
  EditableWorld,
  EventFields,
  MovedNames,
  RestoreFields,
  StageRow,
} from "../change/editable_world.ts";
import {
  countKept,
  type HistoryKind,
  type HistoryLimits,
  isTooLongToKeep,
} from "../change/history_rules.ts";
import { latestTime } from "../change_time.ts";
import type { CommittedEvent } from "../changes.ts";
import { type ChainSigner, GENESIS } from "../event_chain.ts";

/** The newest event of a chain. */
export interface ChainPosition {
  readonly id: number;
  readonly hmac: string;
  /** RFC 3339 time of the event. */
  readonly timestamp: string;
}

/** A world as it is stored. */
export interface DraftBase {
  readonly name: string;
  readonly row: StageRow;
  readonly sha256: string;
  readonly head: ChainPosition;
  /** The bytes, if they were loaded; see `needsBody`. */
  readonly body?: Uint8Array<ArrayBuffer>;
  /** State of SHA-256 after the bytes, if it is known. It is copied and never changed. */
  readonly hash?: Hash;
  /** Whether another key signed the chain. Default: no. */
  readonly hasOtherKey?: boolean;
  /** Whether the world is in the trash. Default: no. */
  readonly isDeleted?: boolean;
  /** Highest version that the name has used, if it is higher than the one of the row. */
  readonly floor?: number;
}

/** What drafts need to know of their store. */
export interface DraftOptions {
  readonly sign: ChainSigner;
  readonly history: HistoryLimits;
}

/** An event of a draft. */
export interface DraftEvent extends CommittedEvent {
  readonly hmac: string;
  readonly prev_hmac: string;
}

/** Bytes that several versions share: each has the first bytes of a run. */
export interface ContentRun {
  /** Length of the stored content that the run continues; 0 if it begins here. */
  readonly stored: number;
  /** The bytes after it, in order. */
  readonly pieces: readonly Uint8Array<ArrayBuffer>[];
  /** Length of the run in bytes. */
  readonly len: number;
}

/** An earlier version that a draft keeps. */
export interface KeptVersion extends StageRow {
  readonly kind: HistoryKind;
  readonly sha256: string;
  /** Index of its content run. */
  readonly run: number;
}

interface OpenRun {
  readonly stored: number;
  readonly pieces: Uint8Array<ArrayBuffer>[];
  len: number;
}

/** One world that is changed in memory. */
export class WorldDraft implements EditableWorld {
  readonly #options: DraftOptions;
  #name: string;
  #row: StageRow;
  #sha256: string;
  #hash: Hash | undefined;
  #head: ChainPosition;
  readonly #events: DraftEvent[] = [];
  #taken = 0;
  readonly #runs: OpenRun[];
  readonly #kept: KeptVersion[] = [];
  /** Their bytes, or more: equal contents count more than once. */
  #keptBytes = 0;
  #keptFrom = 0;
  #isDeleted: boolean;
  versionFloor: number;

  private constructor(
    name: string,
    options: DraftOptions,
    /** The stored world; undefined if the draft creates it. */
    readonly base: DraftBase | undefined,
    { row, sha256, head, run }: {
      readonly row: StageRow;
      readonly sha256: string;
      readonly head: ChainPosition;
      readonly run: OpenRun;
    },
  ) {
    this.#name = name;
    this.#options = options;
    this.#row = row;
    this.#sha256 = sha256;
    this.#head = head;
    this.#runs = [run];
    this.#isDeleted = base?.isDeleted ?? false;
    this.versionFloor = base?.floor ?? 0;
  }

  /** Begins the changes of a stored world. */
  static open(base: DraftBase, options: DraftOptions): WorldDraft {
    const { name, row, sha256, head } = base;
    const run = { stored: row.len, pieces: [], len: row.len };
    return new WorldDraft(name, options, base, { row, sha256, head, run });
  }

  /**
   * Creates a world with its first version.
   *
   * @param now RFC 3339 time of the creation
   */
  static create(world: NewWorld, now: string, options: DraftOptions): WorldDraft {
    const { row, sha256, event } = firstVersion(world, now);
    const head = { id: 0, hmac: GENESIS, timestamp: "" };
    const run = { stored: 0, pieces: [world.body], len: row.len };
    const draft = new WorldDraft(world.name, options, undefined, { row, sha256, head, run });
    draft.#append([event], now);
    return draft;
  }

  /** Its name after the jobs. */
  get name(): string {
    return this.#name;
  }

  get row(): StageRow {
    return this.#row;
  }

  get sha256(): string {
    return this.#sha256;
  }

  get hasOtherKey(): boolean {
    return this.base?.hasOtherKey ?? false;
  }

  /** Its newest event. */
  get head(): ChainPosition {
    return this.#head;
  }

  /** All events of the draft, oldest first. */
  get events(): readonly DraftEvent[] {
    return this.#events;
  }

  /** The content runs. The first one continues the stored content, if there is one. */
  get runs(): readonly ContentRun[] {
    return this.#runs;
  }

  /** Index of the run of the current version, which is the last one. */
  get run(): number {
    return this.#runs.length - 1;
  }

  /** Earlier versions to keep, oldest first. The first one can be the stored version. */
  get kept(): readonly KeptVersion[] {
    return this.#kept;
  }

  /**
   * Lowest version that can be kept; stored versions below it are dropped. 0 if the draft does not
   * know. The limits then apply to the stored versions and {@link kept} together, see `countKept`.
   */
  get keptFrom(): number {
    return this.#keptFrom;
  }

  /** Whether there is anything to write. */
  get isChanged(): boolean {
    return this.#events.length > 0 || this.#isDeleted !== (this.base?.isDeleted ?? false);
  }

  /** Whether the world is in the trash after the jobs. */
  get isDeleted(): boolean {
    return this.#isDeleted;
  }

  /** State of SHA-256 after the current bytes, for the next append; undefined if it is not known. */
  get hash(): Hash | undefined {
    return this.#hash ?? (this.#isStoredContent ? this.base?.hash : undefined);
  }

  /** Whether the current bytes are in memory. */
  get hasBody(): boolean {
    const run = this.#currentRun;
    return run.stored === 0 || this.base?.body !== undefined;
  }

  /**
   * The current bytes.
   *
   * @throws {Error} if they were not loaded
   */
  body(): Uint8Array<ArrayBuffer> {
    return this.bytesOf({ run: this.run, len: this.#row.len });
  }

  /**
   * The bytes of a version of the draft.
   *
   * @throws {Error} if they were not loaded
   */
  bytesOf({ run: index, len }: { run: number; len: number }): Uint8Array<ArrayBuffer> {
    const run = this.#runs[index];
    if (run === undefined) throw new Error(`${this.#name} has no content run ${index}`);
    const stored = this.base?.body;
    if (run.stored > 0 && stored === undefined) {
      throw new Error(`The bytes of ${this.#name} were not loaded`);
    }
    const start = run.stored === 0 ? [] : [stored ?? new Uint8Array()];
    const parts = [...start, ...run.pieces];
    const whole = parts.length === 1 && parts[0] !== undefined ? parts[0] : concatBytes(parts);
    return whole.length === len ? whole : whole.subarray(0, len);
  }

  timeOf(now: string): string {
    return latestTime(now, this.#row.updatedAt, this.#head.timestamp);
  }

  takeEvents(): readonly CommittedEvent[] {
    const events = this.#events.slice(this.#taken);
    this.#taken = this.#events.length;
    return events.map(({ id, timestamp, type, payload, hmac }) => (
      { id, timestamp, type, payload, hmac }
    ));
  }

  replace(
    body: Uint8Array<ArrayBuffer>,
    fields: { readonly ext: string; readonly headers: string; readonly state: string },
    now: string,
    eventFields: EventFields,
  ): void {
    const { version, before } = this.#next("full");
    this.#row = { version, updatedAt: now, len: body.length, ...fields };
    this.#runs.push({ stored: 0, pieces: [body], len: body.length });
    this.#sha256 = sha256Hex(body);
    this.#hash = undefined;
    this.#append(changes.writtenEvents(before, this.#row, this.#sha256, eventFields), now);
  }

  append(
    body: Uint8Array<ArrayBuffer>,
    state: string,
    now: string,
    eventFields: EventFields,
  ): void {
    // First, because the bytes can be missing.
    const hash = this.#hashOfBody();
    const { version, before } = this.#next("prefix");
    const run = this.#currentRun;
    run.pieces.push(body);
    run.len += body.length;
    this.#row = { ...this.#row, version, updatedAt: now, state, len: run.len };
    this.#hash = hash.update(body);
    this.#sha256 = hash.copy().digest("hex");
    this.#append(changes.appendedEvents(before, this.#row, body, this.#sha256, eventFields), now);
  }

  transition(to: string, now: string, eventFields: EventFields): void {
    const from = this.#row.state;
    this.#row = { ...this.#row, state: to, updatedAt: now };
    this.#append([changes.transitionEvent(from, this.#row, eventFields)], now);
  }

  note(type: string, payload: EventFields, now: string): void {
    this.#append([[type, payload]], now);
  }

  /** Gives the world another name, before the event of its move. */
  rename(name: string): void {
    this.#name = name;
  }

  recordMove(ext: string, now: string, eventFields: EventFields): void {
    const { version } = this.#next("prefix");
    this.#row = { ...this.#row, version, updatedAt: now, ext };
    this.#append([changes.movedEvent(this.#row, this.#sha256, eventFields)], now);
  }

  recordRestore(
    { ext, state }: { readonly ext: string; readonly state: string },
    now: string,
    eventFields: RestoreFields,
    names: MovedNames | undefined,
  ): void {
    const { version, before } = this.#next("prefix");
    this.#row = { ...this.#row, version, updatedAt: now, ext, state };
    this.#isDeleted = false;
    const events = changes.restoredEvents(before, this.#row, this.#sha256, eventFields, names);
    this.#append(events, now);
  }

  markDeleted(now: string, eventFields: EventFields): void {
    if (!this.hasOtherKey) {
      this.#append([changes.deletedEvent(this.#row, this.#sha256, eventFields)], now);
    }
    this.#isDeleted = true;
  }

  get #currentRun(): OpenRun {
    const run = this.#runs.at(-1);
    if (run === undefined) throw new Error(`${this.#name} has no content run`);
    return run;
  }

  /** Whether the current bytes are the stored ones. */
  get #isStoredContent(): boolean {
    return this.#runs.length === 1 && this.#currentRun.pieces.length === 0;
  }

  /** Returns a state of the hash after the current bytes that can be changed. */
  #hashOfBody(): Hash {
    if (this.#hash !== undefined) return this.#hash;
    const known = this.#isStoredContent ? this.base?.hash : undefined;
    return known?.copy() ?? nodeCrypto().createHash("sha256").update(this.body());
  }

  /** Keeps the current version by the rules; returns the next version and the state before it. */
  #next(kind: HistoryKind): { version: number; before: string } {
    const version = Math.max(this.#row.version, this.versionFloor) + 1;
    const before = this.#row.state;
    const { history } = this.#options;
    if (history.versions === 0 || isTooLongToKeep(kind, this.#row.len, history)) {
      this.#dropKept(0);
      return { version, before };
    }
    this.#kept.push({ ...this.#row, kind, sha256: this.#sha256, run: this.run });
    if (kind === "full") this.#keptBytes += this.#row.len;
    if (this.#kept.length > history.versions || this.#keptBytes > history.bytes) {
      this.#dropKept(countKept(this.#kept.toReversed(), history));
    }
    return { version, before };
  }

  /** Drops all earlier versions but the newest ones of the draft. */
  #dropKept(count: number): void {
    if (count > 0 && count === this.#kept.length) return;
    this.#kept.splice(0, this.#kept.length - count);
    this.#keptFrom = this.#kept[0]?.version ?? this.#row.version + 1;
    this.#keptBytes = this.#kept.reduce(
      (sum, { kind, len }) => kind === "full" ? sum + len : sum,
      0,
    );
  }

  #append(events: readonly changes.EventContent[], now: string): void {
    for (const [type, fields] of events) {
      const payload = JSON.stringify(fields);
      const { hmac: prev_hmac, id: last } = this.#head;
      const hmac = this.#options.sign(prev_hmac, now, type, payload);
      const id = last + 1;
      this.#events.push({ id, timestamp: now, type, payload, hmac, prev_hmac });
      this.#head = { id, hmac, timestamp: now };
    }
  }
}
