/** What a store does with its ledger of names before it opens the first world. */

import { latestTime, nextSecond } from "../change_time.ts";
import { createChainSigner } from "../event_chain.ts";
import { LEDGER_FILE } from "../file/durable_fs.ts";
import { finishDeletions, finishMoves } from "../file/finish_moves.ts";
import { NameLedger } from "../file/name_ledger.ts";
import type { World } from "../store.ts";
import { DEFAULT_HISTORY, type SqliteStoreOptions } from "./sqlite_store_options.ts";

/**
 * Finishes or undoes what a crash interrupted, moves and deletions; no Worker has opened a world yet.
 *
 * @returns the lower-layer worlds; those that an upper-layer world has covered before have a later
 * time than it had
 */
export function recoverNames(options: SqliteStoreOptions): Map<string, World> {
  const {
    folder: { path: data },
    key,
    retiredKeys,
    log,
    sync = "full",
    history = DEFAULT_HISTORY,
  } = options;
  const ledger = new NameLedger(data);
  try {
    const damage = ledger.recover();
    if (damage !== undefined) log?.(`created ${LEDGER_FILE} again: ${damage}`);
    const recovery = {
      data,
      sign: createChainSigner(key, retiredKeys),
      sync,
      history,
      now: new Date().toISOString(),
    };
    finishMoves(ledger, {
      ...recovery,
      onError: ({ from, to }, error) =>
        log?.(`cannot finish the move of /${from} to /${to}, which a crash interrupted: ${error}`),
    });
    finishDeletions(ledger, recovery, (name, error) => {
      log?.(`cannot finish the deletion of /${name}, which a crash interrupted: ${error}`);
    });
    return new Map([...options.lower].map(([name, world]) => {
      const lastUse = ledger.lastUse(name);
      if (lastUse === undefined) return [name, world];
      const past = nextSecond(lastUse.updatedAt);
      return [name, { ...world, updatedAt: latestTime(world.updatedAt, past) }];
    }));
  } finally {
    ledger.close();
  }
}
