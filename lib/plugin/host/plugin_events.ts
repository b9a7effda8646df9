/**
 * Calls plugins for what they declare as `cron` and `on`, while they are active. The calls have the
 * authority of `env.machine` and no other: no caller makes them.
 */

import type { PluginEventMetrics } from "../../request/plugin_routes.ts";
import type { Store } from "../../world/store.ts";
import type { EventHandlerName } from "../wire/plugin_event.ts";
import { type ChangeLoss, ChangeRunner } from "./change_runner.ts";
import type { CronRunner } from "./cron_runner.ts";
import { type LoadedPlugin, shortName } from "./loaded_plugin.ts";
import type { PluginEventLog } from "./plugin_event_log.ts";

/** Longest text of a reason in an event, in characters. */
const MAX_REASON_CHARS = 500;

/** Dependencies of the calls. */
export interface PluginEventOptions {
  readonly store: Pick<Store, "changes" | "follow" | "read" | "put">;
  /** Returns the time of the computer in Unix milliseconds; it can be set. */
  readonly now: () => number;
  /** Returns milliseconds of a clock that only moves forward. */
  readonly elapsed: () => number;
  /** Pause after a first failure of `change` in milliseconds; absent for the default. */
  readonly changeRetryMs?: number;
  readonly eventLog: Pick<PluginEventLog, "write">;
  readonly log: (line: string) => void;
}

interface Runners {
  readonly cron?: CronRunner;
  readonly changes?: ChangeRunner;
}

/** The schedules and the changes of all active plugins. */
export class PluginEvents {
  readonly #options: PluginEventOptions;
  readonly #runners = new Map<string, Runners>();
  /** Runners that end; a new one of the same plugin waits for the old one. */
  readonly #ending = new Map<string, Promise<void>>();

  constructor(options: PluginEventOptions) {
    this.#options = options;
  }

  /** Begins the calls of an active plugin. */
  start(plugin: LoadedPlugin): void {
    const { cron, on } = plugin.manifest;
    if (cron.length === 0 && on.length === 0) return;
    const schedule = cron.length === 0 ? undefined : this.#createSchedule(plugin);
    const runners: Runners = {
      ...(schedule && { cron: schedule }),
      ...(on.length === 0 ? {} : { changes: this.#followChanges(plugin) }),
    };
    this.#runners.set(plugin.name, runners);
    schedule?.start();
  }

  /** Resolves when each later change will be delivered to a plugin. Never rejects. */
  async started(name: string): Promise<void> {
    await this.#runners.get(name)?.changes?.started;
  }

  /** Begins no further calls of a plugin. */
  stop(name: string): void {
    const runners = this.#runners.get(name);
    if (runners === undefined) return;
    this.#runners.delete(name);
    runners.cron?.stop();
    const ended = runners.changes?.stop();
    if (ended === undefined) return;
    const ending = ended.finally(() => {
      if (this.#ending.get(name) === ending) this.#ending.delete(name);
    });
    this.#ending.set(name, ending);
  }

  /** Stops all calls. Resolves when the positions of the changes are stored. */
  async close(): Promise<void> {
    for (const name of [...this.#runners.keys()]) this.stop(name);
    await Promise.all(this.#ending.values());
  }

  /**
   * Describes the calls of a plugin as JSON members of its health.
   *
   * @param trusted whether the caller can approve the plugin. Others do not see how many changes there
   * are below paths that they may not be able to read
   */
  describe(name: string, trusted: boolean): Readonly<Record<string, unknown>> {
    const { cron, changes } = this.#runners.get(name) ?? {};
    return {
      ...(cron && {
        cron: cron.states.map(({ cron, next, last, counts }) => ({
          cron,
          ...(next === undefined ? {} : { next: toTime(next) }),
          ...(last && {
            last: {
              started_at: toTime(last.startedAt),
              ...(last.endedAt === undefined ? {} : { ended_at: toTime(last.endedAt) }),
              result: last.result,
              ...(trusted && last.reason !== undefined ? { reason: last.reason } : {}),
            },
          }),
          ...counts,
        })),
      }),
      ...(trusted && changes && { on: toChangeFigures(changes) }),
    };
  }

  /** Returns the figures of a plugin; undefined if it declares neither `cron` nor `on`. */
  metrics(name: string): PluginEventMetrics | undefined {
    const runners = this.#runners.get(name);
    if (runners === undefined) return undefined;
    const { cron, changes } = runners;
    const runs = { ok: 0, failed: 0, skipped: 0 };
    for (const { counts } of cron?.states ?? []) {
      runs.ok += counts.ok;
      runs.failed += counts.failed;
      runs.skipped += counts.skipped;
    }
    return {
      ...(cron && { runs }),
      ...(changes && { changes: changes.counts }),
    };
  }

  #createSchedule(plugin: LoadedPlugin): CronRunner {
    const { now, elapsed, eventLog, log } = this.#options;
    const name = shortName(plugin.name);
    return plugin.createSchedule({
      expressions: plugin.manifest.cron,
      now,
      elapsed,
      run: ({ cron, scheduledTime }) =>
        callHandler(plugin, "scheduled", {
          cron,
          scheduledTime: scheduledTime,
        }),
      onFault(what, { cron, scheduledTime }, reason) {
        log(
          `plugin ${name}: the run of ${cron} ${
            what === "failed" ? "failed" : "was skipped"
          }: ${reason}`,
        );
        void eventLog.write(plugin.name, `plugin_cron_${what}`, {
          source_sha256: plugin.source.sha256,
          cron,
          scheduled_at: toTime(scheduledTime),
          reason: reason.slice(0, MAX_REASON_CHARS),
        });
      },
    });
  }

  #followChanges(plugin: LoadedPlugin): ChangeRunner {
    const { store, now, elapsed, changeRetryMs, log } = this.#options;
    return new ChangeRunner({
      plugin: shortName(plugin.name),
      on: plugin.manifest.on,
      caller: plugin.machine,
      store,
      now,
      elapsed,
      ...(changeRetryMs === undefined ? {} : { retryMs: changeRetryMs }),
      deliver: (change) => callHandler(plugin, "change", change),
      onLoss: (loss) => this.#reportLoss(plugin, loss),
      log,
    }, this.#ending.get(plugin.name));
  }

  /** The event chain does not get the path, because more callers can read it than the world. */
  #reportLoss({ name, source }: LoadedPlugin, loss: ChangeLoss): void {
    const { eventLog, log } = this.#options;
    const reason = loss.reason.slice(0, MAX_REASON_CHARS);
    const base = { source_sha256: source.sha256, reason };
    if (loss.kind === "restarted") {
      log(`plugin ${shortName(name)}: changes were not delivered: ${reason}`);
      return void eventLog.write(name, "plugin_changes_lost", base);
    }
    const { id, path } = loss.change;
    log(`plugin ${shortName(name)}: the change ${id} of ${path} was skipped: ${reason}`);
    void eventLog.write(name, "plugin_change_skipped", { ...base, change: id });
  }
}

/**
 * Calls a handler of a plugin.
 *
 * @throws {Problem} the call failed, took too long, or could not be made
 */
async function callHandler(
  { cell, machine }: LoadedPlugin,
  handler: EventHandlerName,
  event: object,
): Promise<void> {
  const request = new Request(`http://machine/${handler}`, {
    method: "POST",
    body: JSON.stringify(event),
  });
  const response = await cell.request(request, {
    authority: machine,
    tier: handler,
    by: machine.by,
    depth: 0,
  });
  await response.body?.cancel();
}

function toChangeFigures(
  { counts: { delivered, failed, skipped, lagMs } }: ChangeRunner,
): Readonly<Record<string, number>> {
  return { delivered, failed, skipped, lag_seconds: Math.round(lagMs / 1000) };
}

function toTime(ms: number): string {
  return new Date(ms).toISOString();
}
