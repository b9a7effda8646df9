/**
 * Coordination of the nodes of a database: leases by the clock of the database, which one statement of
 * each heartbeat renews. A node counts a lease as lost some time before it ends, by its own clocks, so
 * that no two nodes have one at the same time.
 */

import {
  EXCLUSIVE_PAUSE_MS,
  EXCLUSIVE_WAIT_MS,
  HEARTBEAT_MS,
  NODE_LEASE_MARGIN_SECONDS,
  NODE_LEASE_SECONDS,
} from "../../cluster_limits.ts";
import type {
  Coordination,
  Duty,
  DutyHandlers,
  NodeCronRun,
  NodeEntry,
  NodePlugin,
  NodeReport,
} from "../coordination.ts";
import { DutyQueue } from "../duty_queue.ts";
import { StoreError } from "../store.ts";
import { Turns } from "../turns.ts";
import { currentWriteChecks } from "../write_checks.ts";
import type { StoreHealth } from "../store_health.ts";
import { Lease, type LeaseClocks, type LeaseStamp } from "./lease.ts";
import type { Link } from "./link.ts";
import { type ListedNode, NodeList } from "./node_list.ts";

/** Options of {@link DatabaseCoordination}. */
export interface DatabaseCoordinationOptions {
  readonly link: Pick<Link, "ask">;
  /** Name of the node. */
  readonly node: string;
  /** Version of the program. */
  readonly version?: string;
  /** The state of the store. */
  readonly health: () => StoreHealth;
  /** The clocks of the node; for tests. */
  readonly clocks?: LeaseClocks;
  /** Pause between two renewals, and length of a lease; for tests. */
  readonly beatMs?: number;
  readonly leaseSeconds?: number;
  /** How long before the end of a lease it counts as lost; for tests. */
  readonly marginSeconds?: number;
  readonly log: (line: string) => void;
}

/** See the module. */
export class DatabaseCoordination implements Coordination {
  readonly node: string;
  readonly #options: DatabaseCoordinationOptions;
  readonly #clocks: LeaseClocks;
  readonly #nodes: NodeList;
  #report: () => NodeReport = () => ({ url: "", plugins: {} });
  /** Another process can have the name of the node at the same time, or later. */
  readonly #holder: string;
  readonly #seconds: number;
  readonly #beatMs: number;
  readonly #duties = new Map<string, DutyQueue>();
  /** Leases that the node has, or had and has not given back. */
  readonly #leases = new Map<string, Lease>();
  readonly #turns = new Turns();
  readonly #running = new Set<string>();
  #renewing: Promise<void> | undefined;
  #isRenewalDue = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #expiry: ReturnType<typeof setTimeout> | undefined;
  #isClosed = false;

  constructor(options: DatabaseCoordinationOptions) {
    this.#options = options;
    this.node = options.node;
    this.#holder = `${options.node} ${crypto.randomUUID()}`;
    this.#seconds = options.leaseSeconds ?? NODE_LEASE_SECONDS;
    this.#beatMs = options.beatMs ?? HEARTBEAT_MS;
    this.#clocks = options.clocks ??
      { monotonic: () => performance.now(), wall: () => Date.now() };
    this.#nodes = new NodeList({
      link: options.link,
      facts: () => ({ id: options.node, url: this.#report().url, version: options.version ?? "" }),
      health: () => ({ ...toReport(options.health()), plugins: this.#report().plugins }),
      now: this.#clocks.wall,
      log: options.log,
    });
  }

  /** Begins to report the node to the others. */
  start(): void {
    this.#nodes.start();
  }

  async once(key: string, keepSeconds: number): Promise<boolean> {
    // The call can be repeated after an unknown outcome, so the database must recognize it.
    const call = crypto.randomUUID();
    const [row] = await this.#options.link.ask(
      "write",
      (session) =>
        session.query("SELECT elastik.once_1($1, $2, $3) AS first", [key, call, keepSeconds]),
    );
    return row?.first === true;
  }

  exclusive<T>(key: string, run: () => Promise<T>): Promise<T> {
    const name = `exclusive ${key}`;
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    // The caller does not wait for the release; the next action of this node does.
    this.#turns.run(name, async () => {
      const lease = await this.#wait(name);
      try {
        guardChanges(lease);
        resolve(await run());
      } catch (error) {
        reject(error);
      } finally {
        await this.#release([name]);
      }
    }).catch(reject);
    return promise;
  }

  async attempt(name: string, run: () => Promise<void>): Promise<boolean> {
    const lease = `attempt ${name}`;
    // The database would give the lease to the node again.
    if (this.#running.has(lease)) return false;
    this.#running.add(lease);
    try {
      if (await this.#acquire(lease) === undefined) return false;
      try {
        await run();
      } finally {
        await this.#release([lease]);
      }
      return true;
    } finally {
      this.#running.delete(lease);
    }
  }

  duty(name: string, handlers: DutyHandlers): Duty {
    const lease = `duty ${name}`;
    const queue = this.#duties.get(lease) ?? new DutyQueue();
    this.#duties.set(lease, queue);
    const candidate: DutyHandlers = {
      onHeld: () => handlers.onHeld(),
      onLost: () => handlers.onLost(),
    };
    const isCurrent = () => this.#leases.get(lease)?.isHeld === true;
    queue.add(candidate);
    if (!queue.isHeld) this.#renewNow();
    return {
      get isHeld() {
        return queue.has(candidate) && isCurrent();
      },
      end: async () => {
        queue.remove(candidate);
        if (queue.size > 0 || this.#duties.get(lease) !== queue) return;
        this.#duties.delete(lease);
        // A renewal that is under way could take the lease again.
        await this.#renewing;
        if (!this.#duties.has(lease)) await this.#release([lease]);
      },
    };
  }

  async claimRoutes(plugin: string, routes: readonly string[]): Promise<string | undefined> {
    const [row] = await this.#options.link.ask(
      "write",
      (session) =>
        session.query("SELECT elastik.claim_routes_1($1, $2) AS other", [plugin, routes]),
    );
    return typeof row?.other === "string" ? row.other : undefined;
  }

  async nodes(): Promise<readonly NodeEntry[]> {
    return (await this.#nodes.list()).map(toNodeEntry);
  }

  report(create: () => NodeReport): void {
    this.#report = create;
  }

  /** Gives all leases back, and leaves the list of nodes, if the database can be reached. Never rejects. */
  async stop(): Promise<void> {
    this.#isClosed = true;
    await this.#nodes.stop();
    clearTimeout(this.#timer);
    clearTimeout(this.#expiry);
    await this.#renewing;
    for (const queue of this.#duties.values()) queue.set(false);
    this.#duties.clear();
    if (this.#leases.size > 0) await this.#release([...this.#leases.keys()]);
  }

  /** Waits for a lease. */
  async #wait(name: string): Promise<Lease> {
    const { monotonic } = this.#clocks;
    const end = monotonic() + EXCLUSIVE_WAIT_MS;
    for (let pause = EXCLUSIVE_PAUSE_MS;; pause = Math.min(2 * pause, 10 * EXCLUSIVE_PAUSE_MS)) {
      const lease = await this.#acquire(name);
      if (lease !== undefined) return lease;
      if (this.#isClosed) throw new StoreError("closed", "Cannot wait: the server is stopping");
      if (monotonic() >= end) {
        throw new StoreError("busy", "Cannot begin: another server still runs the same action");
      }
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  }

  /** Takes a lease if no other node has it. */
  async #acquire(name: string): Promise<Lease | undefined> {
    const [sent, taken] = await this.#lease([name]);
    if (!taken.has(name)) return undefined;
    const lease = this.#renew(name, sent);
    this.#schedule();
    return lease;
  }

  async #lease(names: readonly string[]): Promise<readonly [LeaseStamp, ReadonlySet<string>]> {
    const { link } = this.#options;
    let sent = this.#createLease().stamp();
    const rows = await link.ask("write", (session) => {
      // Before each try: the time of the database is that of the try which it executed, or later.
      sent = this.#createLease().stamp();
      return session.query("SELECT leased FROM elastik.lease_1($1, $2, $3)", [
        this.#holder,
        names,
        this.#seconds,
      ]);
    }).catch((error) => Promise.reject(toUnmade(error)));
    return [sent, new Set(rows.map(({ leased }) => String(leased)))];
  }

  #createLease(): Lease {
    const margin = this.#options.marginSeconds ?? NODE_LEASE_MARGIN_SECONDS;
    return new Lease(this.#clocks, (this.#seconds - margin) * 1000);
  }

  #renew(name: string, sent: LeaseStamp): Lease {
    const lease = this.#leases.get(name) ?? this.#createLease();
    this.#leases.set(name, lease);
    lease.renew(sent);
    return lease;
  }

  /** Renews at once, also if a renewal is under way: it does not have the newest name. */
  #renewNow(): void {
    if (this.#renewing !== undefined) {
      this.#isRenewalDue = true;
      return;
    }
    this.#beat();
  }

  #beat(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#renewing ??= this.#renewAll().finally(() => {
      this.#renewing = undefined;
      const isDue = this.#isRenewalDue;
      this.#isRenewalDue = false;
      if (isDue && !this.#isClosed) return this.#beat();
      this.#schedule();
    });
  }

  #schedule(): void {
    if (this.#isClosed || this.#timer !== undefined || this.#renewing !== undefined) return;
    if (this.#duties.size === 0 && this.#leases.size === 0) return;
    this.#timer = setTimeout(() => this.#beat(), this.#beatMs);
    Deno.unrefTimer(Number(this.#timer));
  }

  async #renewAll(): Promise<void> {
    const held = [...this.#leases].filter(([, lease]) => lease.isHeld).map(([name]) => name);
    const names = [...new Set([...this.#duties.keys(), ...held])];
    try {
      const [sent, taken] = await this.#lease(names);
      for (const name of names) {
        const queue = this.#duties.get(name);
        const lease = this.#leases.get(name);
        // Another node can have had a lease that ended in the meantime: a duty begins anew, and an action
        // has lost it.
        if (lease?.isHeld !== true) queue?.set(false);
        if (!taken.has(name)) lease?.end();
        else if (queue !== undefined || lease?.isHeld === true) this.#renew(name, sent);
      }
    } catch {
      // Safe to ignore: the leases end by the clock, and the feed reports that the database is lost.
    }
    this.#settle();
  }

  /** Tells the candidates what the node has now, and looks again when the next lease ends. */
  #settle(): void {
    clearTimeout(this.#expiry);
    let next = Infinity;
    for (const [name, queue] of this.#duties) {
      const lease = this.#leases.get(name);
      const isHeld = lease?.isHeld === true;
      if (isHeld) next = Math.min(next, lease.left);
      if (queue.isHeld !== isHeld) queue.set(isHeld);
    }
    if (next === Infinity || this.#isClosed) return;
    this.#expiry = setTimeout(() => this.#settle(), Math.max(1, next));
    Deno.unrefTimer(Number(this.#expiry));
  }

  /** Gives leases back. If the database cannot be reached, they end by its clock. */
  async #release(names: readonly string[]): Promise<void> {
    for (const name of names) {
      this.#leases.get(name)?.end();
      this.#leases.delete(name);
    }
    try {
      await this.#options.link.ask(
        "write",
        (session) => session.query("SELECT elastik.release_1($1, $2)", [this.#holder, names]),
        0,
      );
    } catch {
      // Safe to ignore: as above.
    }
  }
}

/**
 * A lease that may have been given ends by the clock, and the action that waited for it has not begun: nothing
 * was changed.
 */
function toUnmade(error: unknown): unknown {
  if (!(error instanceof StoreError) || error.code !== "unknown") return error;
  return new StoreError("unreachable", `Cannot begin: ${error.message}`);
}

/** Lets the changes of the running request fail once a lease is lost. */
function guardChanges(lease: Lease): void {
  currentWriteChecks()?.add(() => lease.isHeld ? 0 : 1, () => {
    if (lease.isHeld) return;
    throw new StoreError("unreachable", "Cannot change the world: the server lost the database");
  });
}

/** What a node reports about its store. */
function toReport({ readable, cluster }: StoreHealth): Readonly<Record<string, unknown>> {
  return {
    readable,
    lease_age_ms: toMs(cluster?.leaseAgeMs),
    feed_lag_ms: toMs(cluster?.feedLagMs),
  };
}

/** JSON has no Infinity. */
function toMs(ms: number | undefined): number | null {
  return ms !== undefined && Number.isFinite(ms) ? Math.round(ms) : null;
}

/** Another node can have another version of the program. */
function toNodeEntry({ id, url, version, ageMs, health }: ListedNode): NodeEntry {
  const { readable, lease_age_ms: leaseAgeMs, feed_lag_ms: feedLagMs, plugins } = health;
  return {
    id,
    url,
    version,
    ageMs,
    readable: readable === true,
    ...(typeof leaseAgeMs === "number" ? { leaseAgeMs } : {}),
    ...(typeof feedLagMs === "number" ? { feedLagMs } : {}),
    plugins: readPlugins(plugins),
  };
}

function readPlugins(value: unknown): Readonly<Record<string, NodePlugin>> {
  if (typeof value !== "object" || value === null) return {};
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, plugin]: [string, unknown]) => {
      if (typeof plugin !== "object" || plugin === null) return [];
      const { up, fault, delivers, cron }: Record<string, unknown> = { ...plugin };
      return [[name, {
        up: up === true,
        ...(typeof fault === "string" ? { fault } : {}),
        ...(delivers === true ? { delivers } : {}),
        ...(Array.isArray(cron) ? { cron: cron.flatMap(readRun) } : {}),
      }]];
    }),
  );
}

function readRun(value: unknown): readonly NodeCronRun[] {
  if (typeof value !== "object" || value === null) return [];
  const { cron, started_at, ended_at, result, reason }: Record<string, unknown> = { ...value };
  if (typeof cron !== "string" || typeof started_at !== "string" || typeof result !== "string") {
    return [];
  }
  return [{
    cron,
    started_at,
    result,
    ...(typeof ended_at === "string" ? { ended_at } : {}),
    ...(typeof reason === "string" ? { reason } : {}),
  }];
}
