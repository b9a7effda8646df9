/**
 * Applies changed settings to a running server: the tokens, the certificate, and the settings of the
 * logs. All settings are validated before the first one is applied, so an invalid one changes nothing.
 * A part that fails keeps its old value. Nothing is ever opened: a token is replaced, never removed.
 */

import type { Authenticator, Tokens } from "../auth/authenticate.ts";
import type { Tier } from "../auth/caller.ts";
import { type Config, readConfig } from "../config.ts";
import type { ReloadCounts } from "../request/reload_counts.ts";
import { RELOADED_SETTINGS, type SettingName, SETTINGS } from "../settings.ts";
import { readSecret } from "../world/file/data_folder.ts";
import type { ConnectionServer } from "./connection_server.ts";
import { readTls, type TlsPair, toTlsError } from "./tls.ts";

/** What a reload did. All texts are for the operator and contain no secret. */
export interface ReloadReport {
  /** What has a new value. */
  readonly changed: readonly string[];
  /** Why something kept its old value, as sentences. */
  readonly faults: readonly string[];
  /** Names of changed settings that only a restart applies. */
  readonly restart: readonly string[];
}

type Env = (name: string) => string | undefined;

/** What a {@link Reloader} changes. */
export interface ReloaderOptions {
  /** Looks up the settings of the start. */
  readonly env: Env;
  readonly config: Config;
  /** The token of T3 at the start. */
  readonly approveToken: string;
  readonly tls: TlsPair | undefined;
  readonly authenticator: Pick<Authenticator, "setTokens" | "endGrace">;
  readonly server: Pick<ConnectionServer, "replaceTls">;
  /** Current time in Unix milliseconds. */
  readonly now: () => number;
  /** Applies the settings of the logs. */
  readonly configureLogs: (config: Config) => void;
  readonly log: (line: string) => void;
}

/** Settings of the logs. */
const LOG_SETTINGS: readonly SettingName[] = [
  "ELASTIK_LOG",
  "ELASTIK_LOG_RATE",
  "ELASTIK_LOG_BUFFER",
];
/** How the report names the token of each tier. */
const TOKEN_NAMES: Readonly<Record<Tier, string>> = {
  T1: "",
  T2: "the T2 token",
  T3: "the T3 token",
};

/** Reloads one server, one reload at a time. */
export class Reloader {
  readonly #options: ReloaderOptions;
  readonly #values: Map<SettingName, string | undefined>;
  #tokens: Tokens;
  #tls: TlsPair | undefined;
  #last: Promise<unknown> = Promise.resolve();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #counts: ReloadCounts = { ok: 0, failed: 0, lastOk: 0, lastFailed: 0 };

  constructor(options: ReloaderOptions) {
    this.#options = options;
    this.#values = readValues(options.env);
    const { token } = options.config;
    this.#tokens = {
      ...(token === undefined ? {} : { token }),
      approveToken: options.approveToken,
    };
    this.#tls = options.tls;
  }

  /** Figures about the reloads since the start. */
  get counts(): ReloadCounts {
    return this.#counts;
  }

  /**
   * Applies what changed.
   *
   * @param readEnv reads the settings as they are now
   * @throws {ConfigError} if a setting is invalid; nothing is changed then
   * @throws what `readEnv` throws
   */
  reload(readEnv: () => Promise<Env>): Promise<ReloadReport> {
    const done = this.#last.then(() => this.#count(readEnv));
    this.#last = done.catch(() => {}); // the caller of that reload has its error
    return done;
  }

  /** Ends the timer of the grace time. */
  close(): void {
    clearTimeout(this.#timer);
  }

  async #count(readEnv: () => Promise<Env>): Promise<ReloadReport> {
    let isOk = false;
    try {
      const report = await this.#reload(await readEnv());
      isOk = report.faults.length === 0;
      return report;
    } finally {
      const { ok, failed } = this.#counts;
      const now = this.#options.now();
      this.#counts = {
        ...this.#counts,
        ...(isOk ? { ok: ok + 1, lastOk: now } : { failed: failed + 1, lastFailed: now }),
      };
    }
  }

  async #reload(env: Env): Promise<ReloadReport> {
    const config = readConfig(env);
    const values = readValues(env);
    const changed: string[] = [];
    const faults: string[] = [];
    const restart: SettingName[] = [];
    for (const [name, value] of values) {
      if (value === this.#values.get(name)) continue;
      if (!RELOADED_SETTINGS.includes(name)) restart.push(name);
      else if (LOG_SETTINGS.includes(name)) changed.push(name);
    }
    if ((config.token === undefined) !== (this.#tokens.token === undefined)) {
      restart.push("ELASTIK_TOKEN");
    }
    if ((config.tls === undefined) !== (this.#tls === undefined)) {
      restart.push("ELASTIK_TLS_CERT", "ELASTIK_TLS_KEY");
    }
    const attempt = async (act: () => Promise<void> | void) => {
      try {
        await act();
      } catch (error) {
        faults.push(error instanceof Error ? error.message : String(error));
      }
    };
    // Before the tokens, which end streams.
    await attempt(() => this.#replaceTls(config, changed));
    await attempt(() => this.#replaceTokens(config, changed));
    if (changed.some((name) => LOG_SETTINGS.some((setting) => setting === name))) {
      this.#options.configureLogs(config);
      for (const name of LOG_SETTINGS) this.#values.set(name, values.get(name));
    }
    return { changed, faults, restart };
  }

  async #replaceTls(config: Config, changed: string[]): Promise<void> {
    if (config.tls === undefined || this.#tls === undefined) return;
    const pair = readTls(config.tls, this.#options.log);
    if (pair.cert === this.#tls.cert && pair.key === this.#tls.key) return;
    try {
      if (!await this.#options.server.replaceTls(pair)) {
        throw new Error(
          "Cannot replace the certificate: this version of Deno does not allow it; restart the server",
        );
      }
    } catch (error) {
      throw toTlsError(error, config.tls);
    }
    this.#tls = pair;
    changed.push("the TLS certificate");
  }

  #replaceTokens(config: Config, changed: string[]): void {
    const approveToken = config.approveToken ?? readSecret(config.data, ".approve-token");
    if (approveToken === undefined) {
      throw new Error(
        "Cannot read the T3 token: the data folder has no .approve-token; write a new token to it, " +
          "set ELASTIK_APPROVE_TOKEN, or restart the server",
      );
    }
    // Whether there is a T2 token decides more than this token, so a restart applies that.
    const token = this.#tokens.token === undefined ? undefined : config.token ?? this.#tokens.token;
    this.#tokens = { ...(token === undefined ? {} : { token }), approveToken };
    const { authenticator } = this.#options;
    const tiers = authenticator.setTokens(this.#tokens, config.tokenGraceMs);
    if (tiers.length === 0) return;
    changed.push(...tiers.map((tier) => TOKEN_NAMES[tier]));
    clearTimeout(this.#timer);
    if (config.tokenGraceMs === 0) return;
    // One more millisecond: a timer may be early by less than one.
    this.#timer = setTimeout(() => authenticator.endGrace(), config.tokenGraceMs + 1);
    Deno.unrefTimer(Number(this.#timer));
  }
}

/** Lists the settings that a reload would apply, and that cannot change while the process runs. */
export function listFixedSettings(isFixed: (name: string) => boolean): string[] {
  return RELOADED_SETTINGS.filter(isFixed);
}

function readValues(env: Env): Map<SettingName, string | undefined> {
  return new Map(settingNames().map((name) => [name, env(name)]));
}

function settingNames(): SettingName[] {
  return Object.keys(SETTINGS) as SettingName[]; // the keys of a constant
}
