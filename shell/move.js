/**
 * Renames and moves worlds and collections, with their history (MOVE). What exists already is replaced
 * only after a confirmation.
 */

import { readRows, requestAnswer } from "./answers.js";
import { RequestError, send } from "./api.js";
import { note, noteError } from "./chrome.js";
import { askConflicts } from "./conflicts.js";
import { openDialog } from "./dialog.js";
import { h } from "./dom.js";
import { lastOf, NAMESPACES, parentOf, pathOf } from "./place.js";
import { countTargets, runAll, showFailures, targetsOf } from "./targets.js";
import { nameFault, numberedName } from "./world_name.js";

/** Most collections that are proposed. */
const MAX_PROPOSED = 200;
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

function openRename(entry, onMoved) {
  const { name } = entry;
  const isCollection = entry.version === undefined;
  const isBoth = !isCollection && entry.dir === true;
  const all = h("input", { type: "checkbox", checked: true });
  let isReplacing = false;
  const form = pathForm({
    label: "New path",
    value: `/${name}${isCollection ? "/" : ""}`,
    confirm: isCollection || isBoth ? "Move" : "Rename",
    more: isBoth ? h("label", { class: "check" }, all, "also everything below it") : null,
    nameOf: (typed) => {
      const to = trimSlashes(typed);
      return typed.trim().endsWith("/") && !isCollection ? `${to}/${lastOf(name)}` : to;
    },
    onInput: () => isReplacing = false,
    async onSubmit(to) {
      if (to === name) return form.close();
      const moved = isBoth && !all.checked ? { ...entry, dir: false } : entry;
      const targets = targetsOf([moved]);
      try {
        for (const target of targets) await move(target, to, isReplacing);
      } catch (error) {
        if (!(error instanceof RequestError) || error.status !== 412) throw error;
        isReplacing = true;
        form.ask(
          isCollection
            ? `/${to}/ exists already. Replacing moves everything below it to the trash.`
            : `/${to} exists already. Its versions stay in the history of the result.`,
          "Replace",
        );
        return;
      }
      form.close();
      note(`/${name} is now /${to}`, undoMove(targets, () => to));
      onMoved(to);
    },
  });
  form.open(isCollection ? "Rename or move a collection" : "Rename or move");
  const stem = lastOf(name).replace(/(?!^)\.[^.]*$/, "");
  const start = name.length - lastOf(name).length + 1;
  form.input.setSelectionRange(start, start + stem.length);
}

function openMoveInto(entries, onMoved) {
  const targets = targetsOf(entries);
  const form = pathForm({
    label: "To the collection",
    value: `/${parentOf(entries[0].name)}/`,
    confirm: "Move",
    nameOf: trimSlashes,
    async onSubmit(folder) {
      form.close();
      if (await moveAll(targets, folder)) onMoved(folder);
    },
  });
  form.open(`Move ${countTargets(targets)}`);
}

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
      replaced: "Replace: the versions of a world stay in the history of the result, and a " +
        "collection moves to the trash.",
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

/** @throws {RequestError} with status 412 if the destination exists and `overwrite` is false */
async function move({ name, path, slash }, to, overwrite) {
  const response = await send(path, {
    method: "MOVE",
    headers: { destination: `${pathOf(to)}${slash}`, overwrite: overwrite ? "T" : "F" },
  });
  const { failed = [] } = await response.json();
  if (failed.length === 0) return;
  throw new RequestError(
    failed[0].status,
    "Not everything was moved",
    `${failed.length} worlds of /${name}/ were not moved; the first is /${failed[0].name}`,
  );
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

/** A form with one path. `nameOf` returns the name for what was typed. */
function pathForm({ label, value, confirm, more, nameOf, onInput = () => {}, onSubmit }) {
  const proposed = h("datalist", { id: "proposed-paths" });
  const propose = proposals(proposed, parentOf(trimSlashes(value)));
  const input = h("input", {
    name: "path",
    value,
    required: true,
    autocomplete: "off",
    spellcheck: "false",
    list: "proposed-paths",
    on: { input: check },
  });
  const fault = h("p", { class: "fault", role: "alert" });
  const send = h("button", { type: "submit", class: "primary" }, confirm);
  let node;
  function check() {
    onInput();
    send.textContent = confirm;
    send.classList.remove("danger");
    const to = nameOf(input.value);
    fault.textContent = (to === "" ? "" : nameFault(to)) ?? "";
    send.disabled = fault.textContent !== "";
    propose(input.value);
  }
  async function submit(event) {
    event.preventDefault();
    send.disabled = true;
    fault.textContent = "";
    try {
      await onSubmit(nameOf(input.value));
    } catch (error) {
      if (node.open) fault.textContent = error.message;
      else noteError(error);
    } finally {
      send.disabled = false;
    }
  }
  const form = h(
    "form",
    { class: "sign-in", on: { submit } },
    h("label", {}, h("span", {}, label), input, proposed),
    more,
    fault,
    send,
  );
  return {
    input,
    open(title) {
      node = openDialog(title, form);
      input.focus();
      propose(value);
    },
    close: () => node.close(),
    ask(question, answer) {
      fault.textContent = question;
      send.textContent = answer;
    },
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
    const rows = await requestAnswer(path, readRows).catch(() => []);
    const found = rows.filter(({ dir }) => dir).map(({ name }) => `${parent}/${name}`);
    for (const one of found) known.add(one);
    if (shown !== parent) return;
    list.replaceChildren(...found.map((one) => h("option", { value: `/${one}/` })));
  };
}
