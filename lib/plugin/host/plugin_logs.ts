/**
 * The last lines of each plugin, for `/proc/plugins/<name>/log`: its console, its errors, and why it
 * could not be started. They are kept in memory, also after the plugin stops, so that the reason of a
 * crash can be read. Each line has the caller that wrote the source from which it came: a caller that
 * replaces the source of another must not get the earlier lines.
 */

import {
  MAX_PLUGIN_LOG_BYTES,
  MAX_PLUGIN_LOG_LINES,
  MAX_PLUGIN_LOGS,
  MAX_WRITER_EVENTS,
} from "../../log_limits.ts";
import type { PluginLogLine, PluginLogReader } from "../../request/plugin_routes.ts";
import { type ChainEvent, type Store, StoreError } from "../../world/store.ts";
import type { CellEvent } from "../cell/cell.ts";

/** Bytes of a line in addition to its text: the object, its time, its place in the list. */
const LINE_BYTES = 200;
/** Number of events per read of the chain. */
const PAGE_EVENTS = 100;
/** Types of the events that change a source. */
const WRITES: ReadonlySet<string> = new Set([
  "stage_written",
  "stage_appended",
  "world_moved",
  "world_restored",
]);
/** Events of a cell that are lines of the log. The text of an uncaught error is a line already. */
const LEVELS: Partial<Record<CellEvent["type"], PluginLogLine["level"]>> = {
  ended: "error",
  timeout: "error",
  "circuit-open": "error",
  restarted: "warn",
};

/** A version of a source, and the caller that wrote it. */
export interface LoggedSource {
  /** World of the source, `lib/gpu`. */
  readonly name: string;
  readonly version: number;
  /** `by` of its last write; undefined if it is not known. */
  readonly writer: string | undefined;
}

interface KeptLine extends PluginLogLine {
  readonly seq: number;
  readonly writer: string | undefined;
}

interface Listener {
  readonly writer: string | undefined;
  readonly call: (line: PluginLogLine) => void;
}

/** The log of one plugin. */
interface Log {
  lines: KeptLine[];
  bytes: number;
}

/** The logs of all plugins of a server. */
export class PluginLogs implements PluginLogReader {
  readonly #store: Store;
  readonly #now: () => number;
  /** Differs between starts of the server, so that an id of an earlier one is not taken for a later one. */
  readonly #start: string;
  readonly #logs = new Map<string, Log>();
  readonly #listeners = new Map<string, Set<Listener>>();
  #seq = 0;

  /**
   * @param store reads who wrote a source
   * @param now returns the current time in Unix milliseconds
   */
  constructor(store: Store, now: () => number) {
    this.#store = store;
    this.#now = now;
    this.#start = Math.floor(now()).toString(36);
  }

  /** Adds a line. Line breaks and control characters become escapes. */
  add({ name, version, writer }: LoggedSource, level: PluginLogLine["level"], text: string): void {
    const log = this.#logs.get(name) ?? { lines: [], bytes: 0 };
    // The log with the newest line is at the end, so that the oldest log is dropped first.
    this.#logs.delete(name);
    this.#logs.set(name, log);
    if (this.#logs.size > MAX_PLUGIN_LOGS) {
      for (const oldest of this.#logs.keys()) {
        this.#logs.delete(oldest);
        break;
      }
    }
    const seq = ++this.#seq;
    const line: KeptLine = {
      id: `${this.#start}-${seq}`,
      time: new Date(this.#now()).toISOString(),
      level,
      text: toOneLine(text),
      version,
      seq,
      writer,
    };
    log.lines.push(line);
    log.bytes += bytesOf(line);
    while (log.lines.length > MAX_PLUGIN_LOG_LINES || log.bytes > MAX_PLUGIN_LOG_BYTES) {
      const dropped = log.lines.shift();
      if (dropped === undefined) break;
      log.bytes -= bytesOf(dropped);
    }
    for (const listener of [...this.#listeners.get(name) ?? []]) {
      if (listener.writer === undefined || listener.writer === writer) listener.call(toShown(line));
    }
  }

  /** Adds the line of an event of a cell, if it has one. */
  addCellEvent(source: LoggedSource, { type, detail }: CellEvent): void {
    const level = LEVELS[type];
    if (level !== undefined) this.add(source, level, `${type}: ${detail}`);
  }

  /** Number of lines that are kept of a plugin. */
  count(name: string): number {
    return this.#logs.get(name)?.lines.length ?? 0;
  }

  read(name: string, writer: string | undefined, after?: string): readonly PluginLogLine[] {
    const last = this.#seqOf(after);
    return (this.#logs.get(name)?.lines ?? [])
      .filter((line) => line.seq > last && (writer === undefined || line.writer === writer))
      .map(toShown);
  }

  watch(
    name: string,
    writer: string | undefined,
    listener: (line: PluginLogLine) => void,
  ): () => void {
    const entry: Listener = { writer, call: listener };
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners.add(entry));
    return () => {
      listeners.delete(entry);
      if (listeners.size === 0 && this.#listeners.get(name) === listeners) {
        this.#listeners.delete(name);
      }
    };
  }

  async findWriter(name: string): Promise<string | undefined> {
    return (await this.#findWrite(name))?.by;
  }

  /**
   * Returns the source with the caller that wrote it. If another caller wrote it since, the writer is
   * not known.
   */
  async describeSource(
    { name, version }: Pick<LoggedSource, "name" | "version">,
  ): Promise<LoggedSource> {
    const write = await this.#findWrite(name);
    // A change of the state is a version, too.
    const writer = write === undefined || write.version > version ? undefined : write.by;
    return { name, version, writer };
  }

  /** The newest event that changed the source; undefined if it is not among the last ones. */
  async #findWrite(
    name: string,
  ): Promise<{ readonly by: string; readonly version: number } | undefined> {
    let before: number | undefined;
    for (let read = 0; read < MAX_WRITER_EVENTS; read += PAGE_EVENTS) {
      const page = { limit: PAGE_EVENTS, ...(before === undefined ? {} : { before }) };
      let events: readonly ChainEvent[];
      try {
        events = await this.#store.log(name, page);
      } catch (error) {
        if (error instanceof StoreError && error.code === "absent") return undefined;
        throw error;
      }
      const found = events.find(({ type }) => WRITES.has(type));
      if (found !== undefined) return parseWrite(found.payload);
      before = events.at(-1)?.id;
      if (before === undefined || before <= 1) return undefined;
    }
    return undefined;
  }

  #seqOf(id: string | undefined): number {
    const [, start, seq] = /^([0-9a-z]{1,12})-(\d{1,15})$/.exec(id ?? "") ?? [];
    return start === this.#start ? Number(seq) : 0;
  }
}

function parseWrite(payload: unknown): { by: string; version: number } | undefined {
  if (typeof payload !== "object" || payload === null) return undefined;
  const { by, version_after }: Record<string, unknown> = { ...payload };
  return typeof by === "string" && typeof version_after === "number"
    ? { by, version: version_after }
    : undefined;
}

/** A line of a log must not look like two. */
function toOneLine(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029]/gu, (found) => {
    const code = found.charCodeAt(0);
    return code === 10 ? "\\n" : `\\u${code.toString(16).padStart(4, "0")}`;
  });
}

function bytesOf({ text }: PluginLogLine): number {
  return 2 * text.length + LINE_BYTES;
}

function toShown({ id, time, level, text, version }: PluginLogLine): PluginLogLine {
  return { id, time, level, text, version };
}
