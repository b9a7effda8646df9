/**
 * Renames and moves worlds and collections, with their history (MOVE). What exists already is replaced
 * only after a confirmation.
 */

import { askConflicts } from "./conflicts.js";
import { note, noteError, openDialog, requestRows, send } from "./connected.js";
import { h } from "./dom.js";
import { lastOf, NAMESPACES, parentOf, pathOf } from "./place.js";
import { countTargets, runAll, showFailures, targetsOf } from "./targets.js";
import { nameFault, numberedName } from "./world_name.js";

/** Most collections that are proposed. */
const MAX_PROPOSED = 200;
const REPLACED =
  "Replacing keeps the versions of a world in the history of the result; a collection moves to the trash.";
/** Highest number that "Keep both" tries. */
const MAX_NUMBER = 99;

/**
 * Asks for the new path of one entry, or for the collection that several entries move to.
 *
 * @param {readonly import("./targets.js").Entry[]} entries
 * @param {(to: string) => void} [onMoved] called with the new name of the entry, or of the collection
 */
export function openMove(entries, onMoved = () => {}) {
  if (entries.length === 1) openRename(entries[0], onMoved);
  else openMoveInto(entries, onMoved);
}

async function openRename(entry, onMoved) {
  const { name } = entry;
  const isCollection = entry.version === undefined;
  const isBoth = !isCollection && entry.dir === true;
  const nameOf = (typed) => {
    const to = trimSlashes(typed);
    return typed.trim().endsWith("/") && !isCollection ? `${to}/${lastOf(name)}` : to;
  };
  const first = `/${name}${isCollection ? "/" : ""}`;
  const below = { name: "all", type: "checkbox", label: "Also everything below it", value: true };
  let given = { path: first, all: true };
  for (;;) {
    /** @type {import("./targets.js").Target[]} */
    let left = [];
    const path = pathField("New path", given.path);
    const asked = openDialog({
      title: isCollection ? "Rename or move a collection" : "Rename or move",
      text: path.proposed,
      fields: isBoth ? [path.field, { ...below, value: given.all }] : [path.field],
      confirm: "Move",
      check: (values) => ({ fault: faultOf(nameOf(values.path)) }),
      async submit(values) {
        const moved = isBoth && !values.all ? { ...entry, dir: false } : entry;
        left = await moveFrom(targetsOf([moved]), nameOf(values.path), false);
      },
    });
    if (given.path === first) selectStem(first);
    given = await asked;
    if (given === null) return;
    const to = nameOf(given.path);
    if (left.length > 0) {
      const choice = await askConflicts(left.map(({ slash }) => `/${to}${slash}`), {
        replaced: REPLACED,
        keepBoth: false,
        skip: "Another name",
      });
      if (choice === "skip") continue;
      try {
        await moveFrom(left, to, true);
      } catch (error) {
        noteError(error);
        continue;
      }
    }
    if (to === name) return;
    const moved = targetsOf([isBoth && !given.all ? { ...entry, dir: false } : entry]);
    note(`/${name} is now /${to}`, undoMove(moved, () => to));
    return onMoved(to);
  }
}

/** Moves one after the other. @returns the rest, starting with the first whose new name exists */
async function moveFrom(targets, to, overwrite) {
  for (const [at, target] of targets.entries()) {
    if (target.name === to) continue;
    try {
      await move(target, to, overwrite);
    } catch (error) {
      if (error.status === 412) return targets.slice(at);
      throw error;
    }
  }
  return [];
}

/** Selects the last segment without its suffix in the field with the focus. */
function selectStem(path) {
  const end = path.replace(/\/$/, "");
  const start = end.lastIndexOf("/") + 1;
  const dot = end.lastIndexOf(".");
  document.activeElement?.setSelectionRange?.(start, dot > start ? dot : end.length);
}

async function openMoveInto(entries, onMoved) {
  const targets = targetsOf(entries);
  const path = pathField("To the collection", `/${parentOf(entries[0].name)}/`);
  const given = await openDialog({
    title: `Move ${countTargets(targets)}`,
    text: path.proposed,
    fields: [path.field],
    confirm: "Move",
    check: (values) => ({ fault: faultOf(trimSlashes(values.path)) }),
  });
  if (given === null) return;
  const folder = trimSlashes(given.path);
  try {
    if (await moveAll(targets, folder)) onMoved(folder);
  } catch (error) {
    noteError(error);
  }
}

const faultOf = (name) => name === "" ? "Write a path" : nameFault(name);

/** Moves into a collection. Asks once about everything that exists there. */
async function moveAll(targets, folder) {
  const toOf = ({ name }) => `${folder}/${lastOf(name)}`;
  const moved = [];
  const places = new Map();
  const run = (some, overwrite, toName = toOf) =>
    runAll("Moving", some, async (target) => {
      const to = await toName(target);
      await move(target, to, overwrite);
      places.set(target, to);
      moved.push(target);
    });
  const { conflicts, failures } = await run(targets.filter((one) => toOf(one) !== one.name), false);
  if (conflicts.length > 0) {
    const choice = await askConflicts(conflicts.map((one) => `/${toOf(one)}${one.slash}`), {
      replaced: REPLACED,
    });
    if (choice === "replace") failures.push(...(await run(conflicts, true)).failures);
    if (choice === "both") failures.push(...await keepBoth(conflicts));
  }
  if (moved.length > 0) {
    note(
      `${countTargets(moved)} moved to /${folder}/`,
      undoMove(moved, (target) => places.get(target)),
    );
  }
  showFailures("Not moved", failures);
  return moved.length > 0;

  async function keepBoth(left) {
    let rest = left;
    const failed = [];
    for (let number = 2; number <= MAX_NUMBER && rest.length > 0; number++) {
      const found = await run(rest, false, (target) => numberedName(toOf(target), number));
      failed.push(...found.failures);
      rest = found.conflicts;
    }
    return failed;
  }
}

/** @throws {import("./api.js").RequestError} with status 412 if the destination exists and `overwrite` is false */
async function move({ name, path, slash }, to, overwrite) {
  const response = await send(path, {
    method: "MOVE",
    headers: { destination: `${pathOf(to)}${slash}`, overwrite: overwrite ? "T" : "F" },
  });
  const { failed = [] } = await response.json();
  if (failed.length === 0) return;
  const [{ name: first, status }] = failed;
  const text = `${failed.length} worlds of /${name}/ were not moved; the first is /${first}`;
  throw Object.assign(new Error(text), { status });
}

/** An action of a note that moves everything back. */
function undoMove(targets, placeOf) {
  async function run() {
    const back = targets.map((target) => ({
      ...target,
      path: `${pathOf(placeOf(target))}${target.slash}`,
      to: target.name,
    }));
    try {
      const { conflicts, failures } = await runAll(
        "Moving back",
        back,
        (one) => move(one, one.to, false),
      );
      const exists = new Error("Another world has this name now");
      showFailures("Not moved back", [
        ...failures,
        ...conflicts.map(({ to }) => ({ name: `/${to}`, error: exists })),
      ]);
      if (failures.length + conflicts.length > 0) return;
      note(`${countTargets(targets)} moved back`);
      const [{ name, slash }] = targets;
      const isShown = back.length === 1 && location.pathname === back[0].path;
      if (isShown) dispatchEvent(new CustomEvent("shell:go", { detail: pathOf(name) + slash }));
    } catch (error) {
      noteError(error);
    }
  }
  return { action: { label: "Undo", run } };
}

/** A field for a path, and the list of what it proposes. */
function pathField(label, value) {
  const proposed = h("datalist", { id: "proposed-paths" });
  const propose = proposals(proposed, parentOf(trimSlashes(value)));
  propose(value);
  const on = { input: ({ target }) => propose(target.value) };
  return {
    proposed,
    field: { name: "path", label, value, required: true, list: "proposed-paths", on },
  };
}

function trimSlashes(typed) {
  return typed.normalize("NFC").trim().replace(/^\/+|\/+$/g, "");
}

/**
 * Proposes the collections below the one that was typed, if it is known to exist: the one of the
 * entry, a namespace, or one that was proposed.
 */
function proposals(list, ...start) {
  const known = new Set([...NAMESPACES, ...start]);
  let shown;
  return async (typed) => {
    const parent = trimSlashes(typed.slice(0, typed.lastIndexOf("/") + 1));
    if (!known.has(parent) || shown === parent) return;
    shown = parent;
    const path = `${pathOf(parent)}/?limit=${MAX_PROPOSED}`;
    const rows = await requestRows(path).catch(() => []);
    const found = rows.filter(({ dir }) => dir).map(({ name }) => `${parent}/${name}`);
    for (const one of found) known.add(one);
    if (shown !== parent) return;
    list.replaceChildren(...found.map((one) => h("option", { value: `/${one}/` })));
  };
}
