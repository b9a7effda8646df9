/** Sessions whose batches a test holds, or whose answers it drops. */

import { APPLY_BATCH } from "../../lib/world/postgres/batch_arguments.ts";
import type { PgRow, Session } from "../../lib/world/postgres/session.ts";

/** Runs the call of a batch, so that a test decides which answers arrive. */
export type OnBatch = (send: () => Promise<readonly PgRow[]>) => Promise<readonly PgRow[]>;

/** A session whose statements another function runs. */
export function withQuery(session: Session, query: Session["query"]): Session {
  return {
    get isOpen() {
      return session.isOpen;
    },
    get inTransaction() {
      return session.inTransaction;
    },
    pid: session.pid,
    drop: () => session.drop(),
    query,
  };
}

/** A session that asks a function for each batch. It ends if that throws. */
export function intercepted(session: Session, onBatch: OnBatch): Session {
  return withQuery(session, async (text, values, deadlineMs) => {
    const send = () => session.query(text, values, deadlineMs);
    if (text !== APPLY_BATCH) return await send();
    try {
      return await onBatch(send);
    } catch (error) {
      session.drop();
      throw error;
    }
  });
}
