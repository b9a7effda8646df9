/**
 * Drafts: text of an editor that is not saved, in the session storage of the tab, so that it survives a
 * reload. Saving, discarding, signing out and closing the tab delete them.
 *
 * @typedef {{ text: string, type: string, meta: string, base?: number, at: string }} Draft `base`: the
 * version that was edited, absent for a new world; `at`: when the draft was stored
 */

const PREFIX = "elastik.draft:";

/** @returns {Draft | undefined} */
export function readDraft(name) {
  try {
    const draft = JSON.parse(sessionStorage.getItem(PREFIX + name));
    return typeof draft?.text === "string" ? draft : undefined;
  } catch {
    // Without storage, or with a value that the shell did not write, there is no draft.
    return undefined;
  }
}

/**
 * Stores a draft. The browser limits the storage of a tab to about five million characters.
 *
 * @returns {boolean} false if it does not fit; an earlier draft then stays
 */
export function storeDraft(name, draft) {
  try {
    sessionStorage.setItem(PREFIX + name, JSON.stringify(draft));
    return true;
  } catch {
    return false;
  }
}

/** Deletes the draft of a world. */
export function deleteDraft(name) {
  try {
    sessionStorage.removeItem(PREFIX + name);
  } catch {
    // Without storage there is no draft. Saving and closing must not fail.
  }
}

/** Deletes all drafts of the tab. */
export function deleteDrafts() {
  try {
    deleteStored();
  } catch {
    // Without storage there are no drafts. Signing out must not fail.
  }
}

function deleteStored() {
  const keys = Array.from(sessionStorage, (_, at) => sessionStorage.key(at));
  for (const key of keys) if (key.startsWith(PREFIX)) sessionStorage.removeItem(key);
}
