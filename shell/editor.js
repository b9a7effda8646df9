/**
 * Edits a world. It is loaded when an editor is opened (`lazy/editing.js`). The text is never lost: it stays in the editor until it is saved or discarded, and in a
 * draft across a reload. Saving sends the version that was edited as `If-Match`. If another client wrote a
 * version in between, both texts are shown.
 */

import { conflictPane } from "./conflict_pane.js";
import {
  authorization,
  guardText,
  mayEndEditing,
  nextSession,
  noteError,
  openDialog,
  send as sendRequest,
  signIn,
} from "./connected.js";
import { button, h } from "./dom.js";
import { deleteDraft, readDraft, storeDraft } from "./drafts.js";
import { hasPreview, livePreview } from "./live_preview.js";
import { lastOf, pathOf } from "./place.js";
import { faultText, nextSteps } from "./save_faults.js";
import { metaLines, saveWorld } from "./save_world.js";
import { textPane } from "./text_pane.js";
import { local } from "./times.js";
import { guessType, typeField } from "./type_field.js";
import { nameFault, numberedName } from "./world_name.js";

/** Delay of the draft after the last input. */
const DRAFT_MS = 400;
/** Least width of the window for a preview next to the text, in pixels. */
const WIDE = 1100;

/** Whether the user wants a preview. */
let isPreviewWanted = innerWidth >= WIDE;

/**
 * Reads the metadata of the world, because saving without it would remove it, and makes the editor. If
 * the tab has a draft of the world, the editor begins with it.
 *
 * @param {string} name
 * @param {import("./viewers.js").Shown | undefined} world the current version; undefined if none
 * @param {AbortSignal} signal ends the editor
 * @param {(written?: { version: number, ext: string, text: string }) => void} done called when the editor
 * is closed, with the version that it wrote, if any
 * @param {number} [caret] where the user begins to type, in UTF-16 code units
 * @returns undefined if the metadata cannot be read
 */
export async function openEditor(name, world, signal, done, caret = 0) {
  try {
    const meta = world === undefined
      ? ""
      : metaLines((await sendRequest(pathOf(name), { method: "HEAD", signal })).headers);
    return signal.aborted ? undefined : editor(name, world, meta, signal, done, caret);
  } catch (error) {
    if (!signal.aborted) noteError(error);
    return undefined;
  }
}

function editor(name, world, meta, signal, done, caret) {
  const draft = readDraft(name);
  // A text field has LF only. A text with CRLF is sent with CRLF.
  let lineEnds = lineEndsOf(world?.text ?? "");
  let saved = {
    text: (world?.text ?? "").replace(/\r\n?/g, "\n"),
    type: world?.ext ?? "",
    meta,
  };
  let base = draft === undefined ? world?.version : draft.base;
  let isSaving = false;
  /** What another client can have written while the response to a save was on its way. */
  let missed;
  let isStored = true;
  /** Whether saving would replace what another client wrote: only the user's choice may do this. */
  let isConflict = false;
  /** Whether a key asked to save during the conflict. */
  let isRefused = false;
  /** What happened last to the text that is saved now. */
  let savedState = "";
  /** Number of the last attempt to save. */
  let attempts = 0;
  let draftTimer = 0;

  const pane = textPane({
    label: `Text of /${name}`,
    text: draft?.text ?? saved.text,
    ext: (draft?.type ?? saved.type) || guessType(name, draft?.text ?? saved.text, world?.ext),
    caret: draft === undefined ? caret : 0,
    onInput,
  });
  const type = typeField(draft?.type ?? saved.type, onInput);
  const pairs = h("textarea", {
    "aria-label": "Metadata, one name: value per line",
    class: "pairs",
    placeholder: "author: you",
    spellcheck: "false",
    value: draft?.meta ?? meta,
    on: { input: onInput },
  });
  const notice = h("div", { class: "notice", hidden: true });
  const beside = h("div", { class: "beside", hidden: true });
  const preview = livePreview(name, () => ({ text: pane.text, ext: ext() }));
  const previewButton = button("Preview", () => {
    isPreviewWanted = preview.node.hidden;
    showPreview();
  }, { class: "quiet" });
  const state = h("span", { class: "state", role: "status" });
  const saveButton = button("Save", (event) => {
    // The second click of a double click is not a choice about what the first one found.
    if (!isConflict || event.detail < 2) save(true);
  }, {
    class: "primary",
    title: "Save and close. Ctrl+S saves without closing.",
  });
  const node = h(
    "form",
    { class: "editor", on: { submit: (event) => event.preventDefault(), keydown: onKey } },
    notice,
    h("div", { class: "sides" }, pane.node, beside, preview.node),
    h("details", { open: pairs.value !== "" }, h("summary", {}, "Metadata"), pairs),
    h(
      "div",
      { class: "actions" },
      state,
      previewButton,
      type.node,
      button("Cancel", close),
      saveButton,
    ),
  );

  const ended = new AbortController();
  signal.addEventListener("abort", () => {
    if (ended.signal.aborted) return;
    storeNow();
    ended.abort();
  });
  guardText({ isUnsaved, ask }, ended.signal);
  addEventListener("pagehide", storeNow, { signal: ended.signal });
  document.addEventListener("visibilitychange", storeNow, { signal: ended.signal });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "s" || !(event.ctrlKey || event.metaKey) || event.altKey) return;
    if (document.querySelector("dialog[open]") !== null) return;
    event.preventDefault();
    saveByKey();
  }, { signal: ended.signal });
  type.showGuess(guess());
  showPreview();
  if (draft !== undefined) showRestored();
  else if (lineEnds === "mixed") {
    showNotice("The line ends of this text are mixed. Saving writes LF only.", [hideButton()]);
  }
  showState();

  function value() {
    return { text: pane.text, type: type.value, meta: pairs.value };
  }
  function isUnsaved() {
    const now = value();
    return Object.keys(now).some((key) => now[key] !== saved[key]);
  }
  function guess() {
    return guessType(name, pane.text, world?.ext);
  }
  function ext() {
    return type.value || guess();
  }
  function onInput() {
    type.showGuess(guess());
    pane.setExt(ext());
    showPreview();
    showState();
    clearTimeout(draftTimer);
    draftTimer = setTimeout(storeNow, DRAFT_MS);
  }
  function storeNow() {
    clearTimeout(draftTimer);
    if (ended.signal.aborted) return;
    if (isUnsaved()) {
      isStored = storeDraft(name, { ...value(), base, at: new Date().toISOString() });
    } else {
      isStored = true;
      deleteDraft(name);
    }
    showState();
  }
  function showState() {
    const text = isConflict && isRefused
      ? "Not saved. Choose with the buttons what to keep"
      : !isUnsaved()
      ? savedState
      : isStored
      ? "Not saved"
      : "Not saved. The text is too long to survive a reload";
    if (state.textContent !== text) state.textContent = text;
    state.classList.toggle("bad", !isStored);
  }

  /** Shows the preview, or hides it, and draws it again. */
  function showPreview() {
    const isPossible = hasPreview(ext());
    const isShown = isPossible && beside.hidden && isPreviewWanted;
    if (isShown && !preview.node.hidden) preview.update();
    else if (isShown) preview.draw();
    preview.node.hidden = !isShown;
    previewButton.hidden = !isPossible;
    previewButton.setAttribute("aria-pressed", String(isShown));
  }

  /** Ends the editor. What is not saved is discarded. */
  function end(written) {
    clearTimeout(draftTimer);
    preview.stop();
    // Before the views that wait for the end of the editor are drawn again.
    deleteDraft(name);
    done(written);
    ended.abort();
  }
  /** Asks if the text is not saved. Resolves with whether the editor was closed. */
  async function close() {
    if (!isUnsaved()) end();
    else if (!await mayEndEditing("Close the editor")) return false;
    return true;
  }
  /** Asks what happens with the text before an action that ends the editor. */
  async function ask(action) {
    const answer = await openDialog({
      title: `${action} without saving?`,
      text: `The text of /${name} is not saved.`,
      confirm: "Save",
      cancel: "Keep editing",
      actions: { discard: { label: "Discard the text", danger: true } },
    });
    if (answer?.action === "discard") end();
    else if (answer === null || !await save(true)) pane.focus();
    return ended.signal.aborted;
  }
  function onKey(event) {
    // The keys of the page do not apply to the editor.
    event.stopPropagation();
    if (event.key === "s" && (event.ctrlKey || event.metaKey) && !event.altKey) {
      event.preventDefault();
      saveByKey();
    } else if (event.key === "Escape" && !event.defaultPrevented && !isUnsaved()) end();
  }

  /** The key can be held, or pressed again from habit, before the user has read about a conflict. */
  function saveByKey() {
    if (!isConflict) return save(false);
    isRefused = true;
    showState();
  }

  /** @returns {Promise<boolean>} whether the text was saved */
  async function save(closes) {
    if (isSaving) return false;
    attempts += 1;
    const sent = value();
    isSaving = true;
    missed = undefined;
    let isSaved = false;
    saveButton.disabled = true;
    try {
      const text = lineEnds === "CRLF" ? sent.text.replaceAll("\n", "\r\n") : sent.text;
      const written = await saveWorld(name, { ...sent, text, base });
      onSaved({ ...written, text }, sent, closes);
      isSaved = true;
      return true;
    } catch (error) {
      return await onFault(error, sent, closes);
    } finally {
      isSaving = false;
      saveButton.disabled = false;
      if (isSaved && missed !== undefined) showMissed(missed);
    }
  }
  /** A version from before the save says nothing new, and a deletion can be one from before it too. */
  async function showMissed({ latest }) {
    if (latest === undefined) latest = await readLatest().catch(() => ({ version: base }));
    if (latest === undefined || latest.version > base) onLatest(latest);
  }
  function onSaved(written, sent, closes) {
    const { version } = written;
    saved = sent;
    base = version;
    isConflict = false;
    savedState = `Saved as version ${version}`;
    // What was typed while the request was sent stays in the editor.
    if (closes && !isUnsaved()) return end(written);
    saveButton.textContent = "Save";
    hideNotice();
    hideBeside();
    storeNow();
  }
  async function onFault(error, sent, closes) {
    if (error.status === 412) {
      const latest = await readLatest().catch((fault) => fault);
      if (latest instanceof Error) error = latest;
      else if (latest?.text !== undefined && latest.text.replace(/\r\n?/g, "\n") === sent.text) {
        // The response of an earlier attempt was lost, or another client wrote the same text.
        onSaved(latest, sent, closes);
        return true;
      } else {
        showLatest(latest);
        return false;
      }
    }
    if (error.status === 401) saveAfterSignIn(closes);
    showNotice(faultText(error), nextSteps(error.status).map((step) => STEPS[step](closes)), "bad");
    return false;
  }

  /** Saves when the user signed in, here or in another dialog or tab. */
  async function saveAfterSignIn(closes) {
    const attempt = attempts;
    await nextSession(ended.signal);
    if (attempt === attempts && !ended.signal.aborted && authorization() !== null) save(closes);
  }

  const STEPS = {
    signIn: () => button("Sign in", () => signIn(), { class: "primary" }),
    retry: (closes) => button("Try again", () => save(closes), { class: "primary" }),
    compare: (closes) => button("Compare", () => save(closes)),
    saveAs: () => button("Save under another name", saveAs),
    download: () => button("Download the text", download, { class: "quiet" }),
  };

  /** Undefined if the world does not exist; without a text if it is not text. */
  async function readLatest() {
    const response = await sendRequest(pathOf(name)).catch((error) => {
      if (error.status === 404) return undefined;
      throw error;
    });
    if (response === undefined) return undefined;
    const { version, ext, stage_html: text, binary } = await response.json();
    return { version, ext, text: binary ? undefined : text };
  }
  function showLatest(latest) {
    base = latest?.version;
    isConflict = true;
    isRefused = false;
    savedState = "";
    storeNow();
    if (latest === undefined) {
      showNotice(
        `/${name} was deleted while you edited. Your text stays here.`,
        [button("Write it again", () => save(true), { class: "primary" }), STEPS.saveAs()],
        "bad",
      );
      return;
    }
    const { version, text } = latest;
    saveButton.textContent = `Replace version ${version}`;
    if (text === undefined) {
      showNotice(
        `Version ${version} was written while you edited, and it is not text.`,
        [STEPS.saveAs(), hideButton()],
        "bad",
      );
      return;
    }
    hideNotice();
    beside.replaceChildren(conflictPane({
      mine: pane.text,
      latest,
      onUse() {
        const [mine, myLineEnds] = [pane.text, lineEnds];
        isConflict = false;
        lineEnds = lineEndsOf(text);
        pane.text = text.replace(/\r\n?/g, "\n");
        hideBeside();
        saveButton.textContent = "Save";
        showNotice(`The editor has the text of version ${version}.`, [
          button("Back to my text", () => {
            isConflict = true;
            lineEnds = myLineEnds;
            pane.text = mine;
            saveButton.textContent = `Replace version ${version}`;
            hideNotice();
          }),
          hideButton(),
        ]);
      },
      onClose: hideBeside,
    }));
    beside.hidden = false;
    showPreview();
  }
  /** Tells that another client wrote a version, or deleted the world. */
  function onLatest(latest) {
    if (isSaving) missed = { latest };
    if (isSaving || ended.signal.aborted || latest?.version === base) return;
    if (latest === undefined) return showLatest(undefined);
    if (!isUnsaved() && latest.text !== undefined) return takeLatest(latest);
    showNotice(`Version ${latest.version} was written while you edit.`, [
      button("Compare", () => showLatest(latest)),
      hideButton(),
    ]);
  }
  /** Continues with the current version, if nothing was typed. */
  async function takeLatest({ version, text, ext }) {
    const response = await sendRequest(pathOf(name), { method: "HEAD" }).catch(() => undefined);
    if (response === undefined || isUnsaved() || ended.signal.aborted) return;
    const etag = response.headers.get("etag") ?? "";
    if (!etag.startsWith(`"${version}`)) return;
    saved = { text: text.replace(/\r\n?/g, "\n"), type: ext, meta: metaLines(response.headers) };
    base = version;
    isConflict = false;
    savedState = `Now version ${version}`;
    lineEnds = lineEndsOf(text);
    type.value = ext;
    pairs.value = saved.meta;
    pane.text = saved.text;
    showState();
  }
  function hideBeside() {
    beside.hidden = true;
    beside.replaceChildren();
    showPreview();
  }

  async function saveAs() {
    const answer = await openDialog({
      title: "Save under another name",
      fields: [{ name: "name", label: "Path", value: `/${numberedName(name, 2)}`, required: true }],
      confirm: "Save",
      check({ name: path }) {
        const fault = path.startsWith("/")
          ? nameFault(path.slice(1))
          : "A path begins with a slash, such as /home/";
        return fault === undefined ? undefined : { fault };
      },
      async submit({ name: path }) {
        try {
          const { type, ...rest } = value();
          // The suffix of another name decides, as it does for every new world.
          const isNamed = /[^/.]\.[a-z0-9]{1,16}$/i.test(path);
          await saveWorld(path.slice(1), { ...rest, type: isNamed ? "" : type });
        } catch (error) {
          throw error.status === 412 ? new Error(`${path} exists already`) : error;
        }
      },
    });
    if (answer === null) return;
    end();
    dispatchEvent(new CustomEvent("shell:go", { detail: pathOf(answer.name.slice(1)) }));
  }
  function download() {
    const url = URL.createObjectURL(new Blob([pane.text], { type: "application/octet-stream" }));
    h("a", { href: url, download: lastOf(name) }).click();
    setTimeout(() => URL.revokeObjectURL(url), 1000);
  }

  function showNotice(text, buttons, kind = "") {
    notice.className = `notice ${kind}`;
    notice.replaceChildren(
      h("p", { role: kind === "bad" ? "alert" : "status" }, text),
      h("div", { class: "actions" }, buttons),
    );
    notice.hidden = false;
  }
  function hideNotice() {
    const hasFocus = notice.contains(document.activeElement);
    notice.hidden = true;
    if (hasFocus) pane.focus();
  }
  function hideButton() {
    return button("OK", hideNotice, { class: "quiet" });
  }
  function showRestored() {
    const at = local(draft.at);
    const isOld = draft.base !== world?.version;
    showNotice(
      `Your text that was not saved is here again, as it was at ${at}.` +
        (isOld ? " The world has changed since you began: Save compares both texts." : ""),
      [
        hideButton(),
        button("Discard the text", () => end(), { class: "danger" }),
      ],
    );
  }

  return {
    node,
    focus: () => pane.focus(),
    close,
    onLatest,
  };
}

/** How the lines of a text end: `LF`, `CRLF` or `mixed`. */
function lineEndsOf(text) {
  if (!text.includes("\r\n")) return "LF";
  return /(?:^|[^\r])\n/.test(text) ? "mixed" : "CRLF";
}
