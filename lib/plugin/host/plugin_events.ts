/**
 * Calls plugins for what they declare as `cron` and `on`, while they are active. The calls have the
 * authority of `env.machine` and no other: no caller makes them.
 */

import type { PluginEventMetrics } from "../../request/plugin_routes.ts";
import type { Coordination, Duty, NodeCronRun, NodePlugin } from "../../world/coordination.ts";
import type { Store } from "../../world/store.ts";
import type { EventHandlerName } from "../wire/plugin_event.ts";
import { CRON_CLAIM_SECONDS } from "../../cell_limits.ts";
import { type ChangeLoss, ChangeRunner, positionWorld } from "./change_runner.ts";
import type { CronRunner, CronState, ScheduledRun } from "./cron_runner.ts";
import { type LoadedPlugin, shortName } from "./loaded_plugin.ts";
import type { PluginEventLog } from "./plugin_event_log.ts";

/** Longest text of a reason in an event, in characters. */
const MAX_REASON_CHARS = 500;

/** Dependencies of the calls. */
export interface PluginEventOptions {
  readonly store: Pick<Store, "changes" | "follow" | "read" | "put" | "stat" | "watch">;
  /** Which server makes a call, if several have the plugin. */
  readonly coordination: Pick<Coordination, "node" | "once" | "attempt" | "duty">;
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
  readonly changes?: ChangeDuty;
}

/** The delivery of changes to a plugin by one server at a time. */
interface ChangeDuty {
  /** Present while this server delivers them. */
  runner?: ChangeRunner | undefined;
  duty?: Duty;
  /** Resolves when this server delivers them, or the plugin has stopped. */
  readonly began: Promise<void>;
  begin(): void;
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
    const changes = this.#runners.get(name)?.changes;
    if (changes === undefined) return;
    const { store, coordination } = this.#options;
    if (coordination.node === undefined) return await changes.runner?.started;
    // Another server that delivers them has stored a position.
    const position = positionWorld(shortName(name));
    const stored = Promise.withResolvers<void>();
    const unwatch = store.watch(position, () => stored.resolve());
    if (store.stat(position) !== undefined) stored.resolve();
    await Promise.race([stored.promise, changes.began.then(() => changes.runner?.started)]);
    unwatch();
  }

  /** Begins no further calls of a plugin. */
  stop(name: string): void {
    const runners = this.#runners.get(name);
    if (runners === undefined) return;
    this.#runners.delete(name);
    runners.cron?.stop();
    const { changes } = runners;
    if (changes === undefined) return;
    changes.begin();
    // The position is stored before another server begins with it.
    const ended = this.#endRunner(changes, false).then(() => changes.duty?.end());
    const ending = ended.finally(() => {
      if (this.#ending.get(name) === ending) this.#ending.delete(name);
    });
    this.#ending.set(name, ending);
  }

  async #endRunner(changes: ChangeDuty, isLost: boolean): Promise<void> {
    const { runner } = changes;
    changes.runner = undefined;
    await runner?.stop(isLost);
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
          ...(last && { last: describeRun(last, trusted) }),
          ...counts,
        })),
      }),
      ...(trusted && changes?.runner && { on: toChangeFigures(changes.runner) }),
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
      ...(changes?.runner && { changes: changes.runner.counts }),
    };
  }

  /** Describes the calls of a plugin for the other servers. */
  onNode(name: string): Pick<NodePlugin, "cron" | "delivers"> {
    const { cron, changes } = this.#runners.get(name) ?? {};
    const runs = (cron?.states ?? []).flatMap(({ cron, last }) =>
      last === undefined ? [] : [{ cron, ...describeRun(last, true) }]
    );
    return {
      ...(runs.length === 0 ? {} : { cron: runs }),
      ...(changes?.runner && { delivers: true }),
    };
  }

  #createSchedule(plugin: LoadedPlugin): CronRunner {
    const { now, elapsed, eventLog, log, coordination } = this.#options;
    const name = shortName(plugin.name);
    const call = (run: ScheduledRun) => callHandler(plugin, "scheduled", run);
    const isShared = coordination.node !== undefined;
    return plugin.createSchedule({
      expressions: plugin.manifest.cron,
      now,
      elapsed,
      ...(isShared && {
        claim: ({ cron, scheduledTime }) =>
          coordination.once(`cron ${plugin.name} ${cron} ${scheduledTime}`, CRON_CLAIM_SECONDS),
      }),
      async run(run) {
        if (!isShared) return await call(run);
        const name = `cron ${plugin.name} ${run.cron}`;
        if (!await coordination.attempt(name, () => call(run))) return "busy";
      },
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

  #followChanges(plugin: LoadedPlugin): ChangeDuty {
    const { coordination } = this.#options;
    const { promise: began, resolve: begin } = Promise.withResolvers<void>();
    const changes: ChangeDuty = { began, begin };
    let ending = this.#ending.get(plugin.name);
    const create = () => {
      changes.runner = this.#createRunner(plugin, ending);
      begin();
    };
    if (coordination.node === undefined) create();
    else {
      changes.duty = coordination.duty(`on ${plugin.name}`, {
        onHeld: create,
        onLost: () => void (ending = this.#endRunner(changes, true)),
      });
    }
    return changes;
  }

  #createRunner(plugin: LoadedPlugin, after: Promise<void> | undefined): ChangeRunner {
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
    }, after);
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

function describeRun(
  { startedAt, endedAt, result, reason }: NonNullable<CronState["last"]>,
  trusted: boolean,
): Omit<NodeCronRun, "cron"> {
  return {
    started_at: toTime(startedAt),
    ...(endedAt === undefined ? {} : { ended_at: toTime(endedAt) }),
    result,
    ...(trusted && reason !== undefined ? { reason } : {}),
  };
}

function toTime(ms: number): string {
  return new Date(ms).toISOString();
}
