/**
 * Remembers what sources requested when they were evaluated. A source that requests something else
 * with the same configuration, because it depends on the time or on chance, cannot be approved: what
 * the operator was shown would not be what runs.
 */

import { MAX_KNOWN_REQUESTS } from "../../limits.ts";
import { Problem } from "../../http/problem.ts";
import type { World } from "../../world/store.ts";
import { approvalPayload, requestDigest } from "./approval.ts";
import type { ProbeResult } from "./probe_manifest.ts";

/** The requests of the sources that were evaluated last. */
export class KnownRequests {
  readonly #digests = new Map<string, string>();

  /**
   * Compares what a source requests with an earlier evaluation of the same source with the same
   * config worlds.
   *
   * @throws {Problem} `unprocessable` if they differ
   */
  assertSame(source: Pick<World, "name" | "sha256">, requested: ProbeResult): void {
    const digest = requestDigest(source, requested);
    const key = `${source.name} ${source.sha256} ${approvalPayload(requested).config_sha256}`;
    const known = this.#digests.get(key);
    if (known !== undefined && known !== digest) {
      throw new Problem(
        "unprocessable",
        `Cannot activate /${source.name}: two evaluations of the same source request different ` +
          "things; its manifest must not depend on the time or on chance",
      );
    }
    this.#digests.delete(key);
    if (this.#digests.size >= MAX_KNOWN_REQUESTS) {
      for (const oldest of this.#digests.keys()) {
        this.#digests.delete(oldest);
        break;
      }
    }
    this.#digests.set(key, digest);
  }
}

/**
 * Asserts that a source requests what the approving caller was shown.
 *
 * @param name world of the source, `lib/gpu`
 * @param shown the digest that the caller sent; undefined for an approval without one
 * @param digest digest of what the source requests now
 * @throws {Problem} `conflict` if they differ
 */
export function assertShown(name: string, shown: string | undefined, digest: string): void {
  if (shown === undefined || shown === digest) return;
  throw new Problem(
    "conflict",
    `Cannot activate /${name}: it requests something else than the digest in \`asks\` identifies; ` +
      `GET /${name}/state?asks shows what it requests now`,
  );
}
