/**
 * Statements of a request that change something outside of a batch: the grant of a WebDAV lock, the mark of
 * a collection, a final deletion. As a batch, each names what it was judged by, and the database refuses it
 * if that is older than what it has. Then the checks of the request are run again, on what is known by now.
 * What has changed something is an effect of the request.
 */

import { DATABASE_PATIENCE_MS } from "../../cluster_limits.ts";
import { StoreError } from "../store.ts";
import { currentWriteChecks } from "../write_checks.ts";
import { type ChangeTries, type Link, toUnknown } from "./link.ts";
import type { Judged } from "./queued_job.ts";
import type { QuerySession } from "./query_sessions.ts";
import { SessionError } from "./session.ts";

/** What {@link JudgedCalls} needs of its node. */
export interface JudgedCallsOptions {
  readonly link: Pick<Link, "ask">;
  /** Returns the numbers of the guard by which changes are judged now. */
  readonly guard: () => Judged;
  /** Waits until the node has the WebDAV locks as they are now, after the guard has risen. */
  readonly onGuardRaised: () => Promise<void>;
  /** Waits until the node has the accounts and revoked capabilities as they are now. */
  readonly onAuthorityRaised: () => Promise<void>;
}

/** Sends such statements. */
export class JudgedCalls {
  readonly #options: JudgedCallsOptions;

  constructor(options: JudgedCallsOptions) {
    this.#options = options;
  }

  /**
   * Runs a statement that can be repeated. The running request is judged right before each try.
   *
   * @param run sends the statement with the numbers that the request was judged by, and what is known of
   * the tries before
   * @param isChange whether the result says that something was changed, perhaps by an earlier try
   * @throws {StoreError} as {@link Link.ask}; `unknown` also instead of what a check of the request throws, if
   * an earlier try may have made the change
   * @throws {Error} what a check of the request throws: it is not permitted any more
   */
  async ask<T>(
    run: (session: QuerySession, judged: Judged, tries: Readonly<ChangeTries>) => Promise<T>,
    isChange: (result: T) => boolean = () => true,
  ): Promise<T> {
    const tries: ChangeTries = { mayHaveHappened: false };
    const checks = currentWriteChecks();
    try {
      const result = await this.#ask((session, judged) => run(session, judged, tries), tries);
      if (isChange(result)) checks?.recordEffect();
      return result;
    } catch (error) {
      throw tries.mayHaveHappened ? toUnknown(error) : error;
    }
  }

  async #ask<T>(
    run: (session: QuerySession, judged: Judged) => Promise<T>,
    tries: ChangeTries,
  ): Promise<T> {
    const { link, guard, onGuardRaised, onAuthorityRaised } = this.#options;
    const checks = currentWriteChecks();
    const end = performance.now() + DATABASE_PATIENCE_MS;
    for (;;) {
      try {
        const send = (session: QuerySession) => {
          checks?.run();
          return run(session, checks?.pending === undefined ? guard() : withoutCaller(guard()));
        };
        return await link.ask("write", send, DATABASE_PATIENCE_MS, tries);
      } catch (error) {
        const refusal = refusalOf(error);
        if (refusal === undefined) throw error;
        if (performance.now() >= end) throw toUnreachable(refusal);
        await (refusal.code === "EL001" ? onGuardRaised() : onAuthorityRaised());
      }
      await checks?.pending;
    }
  }
}

/** The numbers while the caller is not known yet: the database refuses them. */
function withoutCaller(judged: Judged): Judged {
  return { ...judged, authority: -1 };
}

/**
 * Returns the refusal of a request that was judged by older WebDAV locks or accounts than the database has,
 * also if an earlier try of it may have made the change.
 */
function refusalOf(error: unknown): SessionError | undefined {
  const cause = error instanceof StoreError && error.code === "unknown" ? error.cause : error;
  if (!(cause instanceof SessionError)) return undefined;
  return cause.code === "EL001" || cause.code === "EL004" ? cause : undefined;
}

function toUnreachable(cause: SessionError): StoreError {
  const error = new StoreError("unreachable", `Cannot follow the database: ${cause.message}`);
  error.cause = cause;
  return error;
}
