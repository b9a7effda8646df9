/**
 * `GET /proc/health`: whether the server can read and write, for load balancers and monitors. Any
 * client can ask, also without a credential: the response contains nothing but one of a few reasons.
 * However often clients ask, the disk or the database is checked once a second at most, and once at a
 * time. A server that has lost its database says so at once.
 */

import { Problem } from "../../http/problem.ts";
import { withTimeout } from "../../base/timeout.ts";
import { HEALTH_CACHE_MS, HEALTH_TIMEOUT_MS } from "../../limits.ts";
import type { RequestContext } from "../../request/request_context.ts";
import type { ServerContext } from "../../request/server_context.ts";
import { objectResponse } from "../../response/json_response.ts";
import { StoreError } from "../../world/store.ts";
import { CommitsWait, STANDBY_MISSING } from "../../world/commits_wait.ts";

/** A check of the store. */
interface HealthCheck {
  /** When it started, in milliseconds of the server's monotonic clock. */
  readonly startedAt: number;
  /** When it ended; undefined while it runs. */
  endedAt?: number;
  /** Why the server cannot read and write; undefined if it can. */
  fault?: Problem;
  readonly ended: Promise<void>;
}

/** Checks the store for all clients of one server. */
export class Health {
  readonly #server: Pick<ServerContext, "store" | "monotonic">;
  #last: HealthCheck | undefined;

  constructor(server: Pick<ServerContext, "store" | "monotonic">) {
    this.#server = server;
  }

  /**
   * Answers a GET or HEAD of `/proc/health`.
   *
   * @throws {Problem} `unavailable`, `unreachable`
   */
  async respond({ request }: RequestContext): Promise<Response> {
    const fault = await this.#findFault();
    if (fault === undefined) {
      return objectResponse(request.headers.get("accept"), { status: "ok" });
    }
    throw fault;
  }

  async #findFault(): Promise<Problem | undefined> {
    const { store } = this.#server;
    if (!store.readable) {
      const { commitsWait = false } = store.health().cluster ?? {};
      return toProblem(commitsWait ? new CommitsWait("") : new StoreError("unreachable", ""));
    }
    const now = this.#server.monotonic();
    let check = this.#last;
    if (check === undefined || now - (check.endedAt ?? now) >= HEALTH_CACHE_MS) {
      check = this.#last = this.#start(now);
    }
    if (check.endedAt === undefined) {
      const left = check.startedAt + HEALTH_TIMEOUT_MS - now;
      if (left > 0) await withTimeout(left, check.ended);
    }
    return check.endedAt === undefined
      ? createLateProblem(store.isShared ? "its database" : "the disk of the server")
      : check.fault;
  }

  #start(startedAt: number): HealthCheck {
    const { store, monotonic } = this.#server;
    const end = (fault?: Problem) => {
      check.endedAt = monotonic();
      if (fault !== undefined) check.fault = fault;
    };
    const check: HealthCheck = {
      startedAt,
      // Asynchronous also if the store throws at once: `end` needs the check.
      ended: Promise.resolve().then(() => store.checkHealth()).then(
        () => end(),
        (error: unknown) => end(toProblem(error)),
      ),
    };
    return check;
  }
}

function createLateProblem(what: string): Problem {
  return new Problem(
    "unavailable",
    `Cannot read and write: ${what} has not answered for ${HEALTH_TIMEOUT_MS / 1000} seconds`,
    { "retry-after": "5" },
  );
}

function toProblem(error: unknown): Problem {
  const isUnreachable = error instanceof StoreError && error.code === "unreachable";
  return new Problem(
    isUnreachable ? "unreachable" : "unavailable",
    `Cannot read and write: ${explain(error)}`,
    { "retry-after": isUnreachable ? "1" : "5" },
  );
}

/** Returns the reason for clients: the message of the store may contain paths of files. */
function explain(error: unknown): string {
  if (error instanceof CommitsWait) return STANDBY_MISSING;
  switch (error instanceof StoreError ? error.code : undefined) {
    case "full":
      return "the disk of the server is full";
    case "read-only":
      return "the disk of the server is read-only";
    case "detached":
      return "the data folder was moved or replaced";
    case "unusable":
      return "the store has another key or was restored, and the server stops";
    case "closed":
      return "the server is shutting down";
    case "unreachable":
      return "the server cannot reach its database";
    case "in-use":
      return "another process has locked the data folder";
    default:
      return "the disk of the server cannot be used; the server log has the reason";
  }
}
