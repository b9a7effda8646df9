/** What the servers of a cluster report about one plugin, for `/lib/<name>/state`. Pure. */

import type { NodeCronRun, NodeEntry } from "../world/coordination.ts";

/** Replaces a text that only callers with T3 may see. */
const WITHHELD = "shown to T3 only";

/**
 * Describes a plugin on each server, as the JSON member `nodes`.
 *
 * @param plugin world of its source, `lib/gpu`
 * @param trusted whether the caller can approve it: only then texts of the plugin are shown
 */
export function describeNodes(
  nodes: readonly NodeEntry[],
  plugin: string,
  trusted: boolean,
): readonly Readonly<Record<string, unknown>>[] {
  return nodes.map(({ id, readable, plugins }) => {
    const { up = false, fault, delivers, cron } = plugins[plugin] ?? {};
    return {
      node: id,
      readable,
      up,
      ...(fault === undefined ? {} : { fault: trusted ? fault : WITHHELD }),
      ...(delivers === true ? { delivers } : {}),
      ...(cron === undefined ? {} : { cron: cron.map((run) => showRun(run, trusted)) }),
    };
  });
}

/**
 * Returns the health of a plugin on the answering server, with the newest run of each `cron` expression on
 * any server and the name of that server.
 *
 * @param health member `health` of the state
 */
export function addLastRuns(
  health: unknown,
  nodes: readonly NodeEntry[],
  plugin: string,
  trusted: boolean,
): unknown {
  if (typeof health !== "object" || health === null) return health;
  const { cron, ...others }: Record<string, unknown> = { ...health };
  if (!Array.isArray(cron)) return health;
  const runs = nodes.flatMap(({ id, plugins }) =>
    (plugins[plugin]?.cron ?? []).map((run) => ({ node: id, ...showRun(run, trusted) }))
  );
  const shown = cron.map((state: unknown) => {
    const fields: Record<string, unknown> = typeof state === "object" ? { ...state } : {};
    const last = runs.filter((run) => run.cron === fields.cron)
      .reduce<typeof runs[number] | undefined>(
        (newest, run) => newest !== undefined && newest.started_at >= run.started_at ? newest : run,
        undefined,
      );
    if (last === undefined) return fields;
    const { cron: _cron, ...run } = last;
    return { ...fields, last: run };
  });
  return { ...others, cron: shown };
}

function showRun({ reason, ...run }: NodeCronRun, trusted: boolean): NodeCronRun {
  return { ...run, ...(trusted && reason !== undefined ? { reason } : {}) };
}
