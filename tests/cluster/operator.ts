/**
 * What an operator does without an orchestrator when the primary is lost: promotes the standby that has
 * received most, lets the others follow it, and makes a standby of the lost server again.
 */

import type { PostgresServers, ServerName } from "../support/postgres_servers.ts";

/** Most milliseconds until a standby receives from a new primary. */
const FOLLOW_MS = 300_000;
const LOOK_MS = 100;

/** The operator of some servers. */
export class Operator {
  readonly servers: PostgresServers;
  #primary: ServerName = "a";

  constructor(servers: PostgresServers) {
    this.servers = servers;
  }

  /** The server that is the primary by the will of the operator. */
  get primary(): ServerName {
    return this.#primary;
  }

  /** The other servers. */
  get standbys(): readonly ServerName[] {
    return this.servers.names.filter((name) => name !== this.#primary);
  }

  /**
   * Promotes the best standby after the primary was lost. `ANY 1` promises that one of the standbys has
   * each commit, so both are asked, after neither receives any more. The new primary waits for the other
   * standby from its start.
   *
   * @returns the server that was lost
   */
  async failOver(): Promise<ServerName> {
    const lost = this.#primary;
    const { standbys } = this;
    for (const name of standbys) await this.servers.detach(name);
    const received = await Promise.all(standbys.map((name) => this.servers.received(name)));
    const best = standbys[received.indexOf(Math.max(...received))];
    if (best === undefined) throw new Error("there is no standby");
    await this.promote(best);
    return lost;
  }

  /** Promotes one standby, and lets the other one follow it. */
  async promote(name: ServerName, synchronous = true): Promise<void> {
    const others = this.standbys.filter((other) => other !== name);
    await this.servers.promote(name, synchronous ? `ANY 1 (${this.#namesWithout(name)})` : "");
    this.#primary = name;
    for (const other of others) await this.servers.follow(other, name);
  }

  /** Makes a standby of a server again, and waits until all standbys receive. */
  async rejoin(name: ServerName): Promise<void> {
    await this.servers.rejoin(name, this.#primary);
    const end = performance.now() + FOLLOW_MS;
    while (await this.servers.standbys(this.#primary) < this.standbys.length) {
      if (performance.now() > end) throw new Error("a standby does not follow");
      await new Promise((resume) => setTimeout(resume, LOOK_MS));
    }
  }

  #namesWithout(name: ServerName): string {
    return this.servers.names.filter((other) => other !== name).join(",");
  }
}
