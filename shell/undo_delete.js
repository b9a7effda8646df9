/** Takes back a deletion: restores worlds from the trash, with their history. */

import { note, requestWritten } from "./connected.js";
import { count } from "./format.js";
import { pathOf } from "./place.js";
import { runAll, showFailures } from "./targets.js";

/**
 * A world in the trash.
 *
 * @typedef {{ name: string, id: string }} Trashed
 */

/** The worlds of an answer to DELETE. @returns {Trashed[]} */
export function trashedOf({ deleted, trash = [] }) {
  return deleted.map((name, at) => ({ name, id: trash[at] })).filter(({ id }) => id !== undefined);
}

/** Reports a deletion, with "Undo". @param {readonly Trashed[]} worlds */
export function noteDeleted(worlds) {
  if (worlds.length === 0) return;
  const text = worlds.length === 1
    ? `/${worlds[0].name} was deleted`
    : `${count(worlds.length, "world")} deleted`;
  note(text, { action: { label: "Undo", run: () => restoreAll(worlds) } });
}

/**
 * Restores worlds under their names, shows what failed, and reports what is back.
 *
 * @param {readonly Trashed[]} worlds
 * @returns {Promise<Trashed[]>} the restored ones
 * @throws {RequestError} if the caller may not do it, or the server does not answer
 */
export async function restoreAll(worlds) {
  const done = [];
  const targets = worlds.map((world) => ({ ...world, path: pathOf(world.name), slash: "" }));
  try {
    const { failures } = await runAll("Restoring", targets, async ({ name, id }) => {
      await restoreTrashed(name, id);
      done.push({ name, id });
    });
    showFailures("Not restored", failures);
  } finally {
    if (done.length === 1) noteRestored(done[0].name);
    else if (done.length > 1) note(`${count(done.length, "world")} restored`);
  }
  return done;
}

/** Restores a world under a name, which may differ from the one that it had. */
export async function restoreTrashed(name, id) {
  const path = `${pathOf(name)}?trash=${encodeURIComponent(id)}`;
  return await requestWritten(path, { method: "PUT" });
}

/** Reports a restored world, and offers to open it. */
export function noteRestored(name) {
  const path = pathOf(name);
  const open = () => dispatchEvent(new CustomEvent("shell:go", { detail: path }));
  note(
    `/${name} was restored`,
    location.pathname === path ? {} : { action: { label: "Open", run: open } },
  );
}
