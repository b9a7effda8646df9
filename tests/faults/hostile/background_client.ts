/** A client that reads and writes worlds during the attacks, and measures. Not a test itself. */

import type { AttackedServer } from "./attacked_server.ts";

/** Errors and response times of such a client. */
export class ClientReport {
  readonly errors: readonly string[];
  /** Response times in milliseconds, shortest first. */
  readonly times: readonly number[];

  constructor(times: readonly number[], errors: readonly string[]) {
    this.times = [...times].sort((a, b) => a - b);
    this.errors = errors;
  }

  get p99(): number {
    return this.#at(0.99);
  }

  /** Formats one line. */
  format(title: string): string {
    const ms = (part: number) => `${this.#at(part).toFixed(1)} ms`;
    return `${title}: ${this.times.length} requests, p50 ${ms(0.5)}, p99 ${ms(0.99)}, ` +
      `worst ${ms(1)}, ${this.errors.length} errors`;
  }

  #at(part: number): number {
    const { times } = this;
    return times[Math.min(times.length - 1, Math.floor(times.length * part))] ?? 0;
  }
}

/** Joins several results. */
export function joinReports(reports: readonly ClientReport[]): ClientReport {
  return new ClientReport(
    reports.flatMap(({ times }) => times),
    reports.flatMap(({ errors }) => errors),
  );
}

/** Pause between two requests, in milliseconds. */
const PAUSE_MS = 20;

/** Sends one request at a time until it is stopped: a PUT, then three GETs of the same world. */
export function startBackgroundClient(server: AttackedServer): { stop(): Promise<ClientReport> } {
  let isStopped = false;
  const times: number[] = [];
  const errors: string[] = [];
  async function once(n: number): Promise<void> {
    const path = `/home/probe/${Math.floor(n / 4) % 8}`;
    const text = `written ${Math.floor(n / 4)}`;
    const start = performance.now();
    try {
      const answer = n % 4 === 0
        ? await server.ask("PUT", path, "t2", text)
        : await server.ask("GET", `${path}?raw`);
      if (answer.status >= 300) errors.push(`${answer.status} ${answer.text}`);
      else if (n % 4 !== 0 && answer.text !== text) errors.push(`read ${answer.text}, not ${text}`);
    } catch (error) {
      errors.push(String(error));
    }
    times.push(performance.now() - start);
  }
  const running = (async () => {
    for (let n = 0; !isStopped; n++) {
      await once(n);
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  })();
  return {
    async stop() {
      isStopped = true;
      await running;
      return new ClientReport(times, errors);
    },
  };
}
