/**
 * Remembers who made the last changes of worlds that can be config worlds. Permissions are a function
 * of config worlds, and only a caller with T3 can widen them. So a change by another plugin, with a
 * grant and by whatever method, must be distinguishable from a change by T3. Changes before the start
 * of the server, such as an import, are unknown and never count as made by T3.
 */

import { foldPath } from "../../base/fold_path.ts";
import { MAX_CONFIG_ORIGINS } from "../../limits.ts";
import type { Change, Store } from "../../world/store.ts";

/** Collections that can contain config worlds; only T3 and plugins with a grant can write there. */
const FOLDERS = ["etc/", "usr/", "var/"] as const;

/**
 * Who made the changes of a world: only T3 (`operator`); T3 last, and another caller before (`mixed`);
 * or another caller last (`other`).
 */
type Origin = "operator" | "mixed" | "other";

/** The origins of the worlds that were changed since the start of the server. */
export class ConfigOrigins {
  readonly #store: Pick<Store, "watch" | "log">;
  readonly #origins = new Map<string, Origin>();
  readonly #seqs = new Map<string, number>();
  readonly #unwatch: readonly (() => void)[];

  constructor(store: Pick<Store, "watch" | "log">) {
    this.#store = store;
    this.#unwatch = FOLDERS.map((folder) => store.watch(folder, (change) => this.#record(change)));
  }

  /** Number of the last change of a world since the start of the server; 0 if none is known. */
  lastChange(path: string): number {
    return this.#seqs.get(path.slice(1)) ?? 0;
  }

  /**
   * Whether a caller with T3 chose the whole current content of a world since the start of the
   * server. If another caller changed it before, T3 must have replaced it and not only extended it.
   *
   * @param path path of the world
   * @param wasTrusted whether the content before these changes was approved
   */
  async isChosenByOperator(path: string, wasTrusted: boolean): Promise<boolean> {
    const name = path.slice(1);
    const origin = this.#origins.get(name);
    if (origin === undefined || origin === "other") return false;
    if (origin === "operator" && wasTrusted) return true;
    const [newest] = await this.#store.log(name, { limit: 1 }).catch(() => []);
    const isReplaced = newest?.type === "stage_written" && opOf(newest.payload) === "put";
    if (isReplaced && this.#origins.get(name) === origin) {
      this.#origins.set(name, "operator");
      return true;
    }
    return false;
  }

  /** Removes the watches. */
  close(): void {
    for (const unwatch of this.#unwatch) unwatch();
  }

  #record({ name, by, kind, seq, isAfterGap }: Change): void {
    const before = this.#origins.get(name);
    // The newest entries are at the end, so that the oldest is dropped first.
    this.#origins.delete(name);
    if (this.#origins.size >= MAX_CONFIG_ORIGINS) {
      for (const oldest of this.#origins.keys()) {
        this.#origins.delete(oldest);
        this.#seqs.delete(oldest);
        break;
      }
    }
    this.#origins.set(name, nextOrigin(before, by, isAfterGap === true ? "gap" : kind));
    this.#seqs.set(name, seq);
  }
}

function nextOrigin(
  before: Origin | undefined,
  by: string,
  kind: Change["kind"] | "gap",
): Origin {
  // A capability has T2 at most, so only these callers can have T3.
  if (by !== "T3" && !by.startsWith("user:")) return "other";
  if (kind === "gap") return "mixed";
  if (before === undefined || kind === "delete") return "operator";
  return before === "operator" ? "operator" : "mixed";
}

function opOf(payload: unknown): unknown {
  return typeof payload === "object" && payload !== null && "op" in payload
    ? payload.op
    : undefined;
}

/** The paths that are config worlds of plugins. A plugin must not write them on behalf of a caller. */
export class ConfigPaths {
  /** In the form of `foldPath`: some disks do not distinguish other spellings. */
  readonly #paths = new Set<string>();
  #unknown = 0;

  /** Whether plugins are being started, so that their config worlds are not known. */
  get isUnknown(): boolean {
    return this.#unknown > 0;
  }

  /** Runs an action after which the config worlds of the plugins that it starts are known. */
  async whileUnknown(action: () => Promise<void>): Promise<void> {
    this.#unknown++;
    try {
      await action();
    } finally {
      this.#unknown--;
    }
  }

  /** Adds a path. Must be called before the world is read. */
  add(path: string): void {
    this.#paths.add(foldPath(path));
  }

  /** Whether a path is a config world, or above or below one. */
  covers(path: string): boolean {
    const folded = foldPath(path);
    if (this.isUnknown && /^\/(?:etc|usr|var)(?:\/|$)/.test(folded)) return true;
    for (const config of this.#paths) {
      if (
        folded === config || config.startsWith(`${folded}/`) || folded.startsWith(`${config}/`)
      ) return true;
    }
    return false;
  }
}
