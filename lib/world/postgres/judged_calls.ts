/**
 * Statements of a request that change something outside of a batch: the grant of a WebDAV lock, the mark of
 * a collection, a final deletion. As a batch, each names what it was judged by, and the database refuses it
 * if that is older than what it has. Then the checks of the request are run again, on what is known by now.
 */

import { DATABASE_PATIENCE_MS } from "../../cluster_limits.ts";
import { StoreError } from "../store.ts";
import { currentWriteChecks } from "../write_checks.ts";
import type { Link } from "./link.ts";
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
   * @param run sends the statement with the numbers that the request was judged by
   * @throws {StoreError} as {@link Link.ask}
   * @throws {Error} what a check of the request throws: it is not permitted any more
   */
  async ask<T>(run: (session: QuerySession, judged: Judged) => Promise<T>): Promise<T> {
    const { link, guard, onGuardRaised, onAuthorityRaised } = this.#options;
    const checks = currentWriteChecks();
    const end = performance.now() + DATABASE_PATIENCE_MS;
    for (;;) {
      try {
        return await link.ask("write", (session) => {
          checks?.run();
          return run(session, checks?.pending === undefined ? guard() : withoutCaller(guard()));
        });
      } catch (error) {
        if (!isOlder(error)) throw error;
        if (performance.now() >= end) throw toUnreachable(error);
        await (error.code === "EL001" ? onGuardRaised() : onAuthorityRaised());
      }
      await checks?.pending;
    }
  }
}

/** The numbers while the caller is not known yet: the database refuses them. */
function withoutCaller(judged: Judged): Judged {
  return { ...judged, authority: -1 };
}

/** Whether the database has newer WebDAV locks or accounts than the request was judged by. */
function isOlder(error: unknown): error is SessionError {
  return error instanceof SessionError && (error.code === "EL001" || error.code === "EL004");
}

function toUnreachable(cause: SessionError): StoreError {
  const error = new StoreError("unreachable", `Cannot follow the database: ${cause.message}`);
  error.cause = cause;
  return error;
}
