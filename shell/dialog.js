/**
 * Dialogs, as the browser's modal dialog element, which keeps the focus inside: it begins in the first
 * field, and returns at the end. {@link openDialog} is for questions: Enter submits, Escape cancels.
 */

import { button, byId, h } from "./dom.js";
import { holdFrames } from "./held_frames.js";

let count = 0;

/**
 * A field of a dialog. Further members become attributes of the control, such as `required`, `pattern`,
 * `placeholder` and `autocomplete`.
 *
 * @typedef {{
 *   name: string, label: string, hint?: string, value?: string | boolean,
 *   type?: string, options?: [value: string, label: string][], [attribute: string]: unknown
 * }} Field `type` is one of `input`, or `select` (with `options`), or `textarea`; `text` if absent. The
 * value of a checkbox is true or false.
 *
 * @typedef {Record<string, any>} Values the value of each field by its name, and as `action` which button
 * was used: `confirm`, or a key of `actions`
 */

/**
 * Asks the user for values, or for a confirmation if there are no fields.
 *
 * @param {{
 *   title: string,
 *   text?: unknown,
 *   fields?: Field[],
 *   confirm?: string,
 *   cancel?: string,
 *   danger?: boolean,
 *   actions?: Record<string, { label: string, danger?: boolean }>,
 *   check?: (values: Values) => { fault?: string, hint?: string } | undefined,
 *   submit?: (values: Values) => unknown,
 * }} question `text`: a string or nodes above the fields. `actions`: further buttons. `check` is called
 * at each input: what is wrong disables the button, a hint is shown. `submit` runs before the dialog is
 * closed; if it throws, the dialog stays open with the values and the message of the error.
 * @returns {Promise<Values | null>} null if the user cancelled
 */
export function openDialog(question) {
  const { title, text, fields = [], actions = {}, check, submit, danger = false } = question;
  const controls = new Map(fields.map((field) => [field.name, makeControl(field)]));
  const hint = h("p", { class: "hint", "aria-live": "polite" });
  const fault = h("p", { class: "fault", role: "alert" });
  const confirm = h(
    "button",
    { type: "submit", class: danger ? "danger" : "primary" },
    question.confirm ?? "OK",
  );
  const others = Object.entries(actions).map(([action, { label, danger }]) =>
    button(label, () => finish(action), { class: danger ? "danger" : "" })
  );
  const { promise, resolve } = Promise.withResolvers();
  let isChanged = false;

  function values(action) {
    const all = [...controls].map(([name, control]) => [
      name,
      control.type === "checkbox" ? control.checked : control.value,
    ]);
    return { ...Object.fromEntries(all), action };
  }
  function onInput() {
    isChanged = true;
    showCheck();
  }
  function showCheck() {
    const found = check?.(values("confirm")) ?? {};
    hint.textContent = found.hint ?? "";
    fault.textContent = found.fault ?? "";
    confirm.disabled = found.fault !== undefined;
  }
  async function finish(action) {
    const given = values(action);
    setDisabled(true);
    fault.textContent = "";
    try {
      await submit?.(given);
      resolve(given);
      node.close();
    } catch (error) {
      fault.textContent = error.message;
      setDisabled(false);
    }
  }
  function setDisabled(isDisabled) {
    for (const control of [confirm, ...others]) control.disabled = isDisabled;
  }
  function onSubmit(event) {
    event.preventDefault();
    finish("confirm");
  }

  const form = h(
    "form",
    { class: "fields", on: { submit: onSubmit, input: onInput } },
    text === undefined ? null : typeof text === "string" ? h("p", {}, text) : text,
    fields.map((field) => labelled(field, controls.get(field.name))),
    check === undefined ? null : hint,
    fault,
    h(
      "div",
      { class: "actions" },
      button(question.cancel ?? "Cancel", () => node.close()),
      others,
      confirm,
    ),
  );
  const node = showDialog(title, form);
  node.mayCloseOutside = () => !isChanged;
  node.addEventListener("shell:closed", () => resolve(null));
  showCheck();
  const first = controls.values().next().value ?? confirm;
  first.focus();
  if (first.type !== "checkbox") first.select?.();
  return promise;
}

/**
 * Shows a dialog with any content, which is removed from the page when it is closed. It gets the event
 * `shell:closed` then, before any other task runs.
 *
 * @param {string} title
 * @param {...unknown} content
 * @returns {HTMLDialogElement}
 */
export function showDialog(title, ...content) {
  const opener = document.activeElement;
  const heading = `dialog-${++count}`;
  const node = h(
    "dialog",
    { "aria-labelledby": heading },
    h(
      "div",
      { class: "title" },
      h("h2", { id: heading }, title),
      button("×", () => node.close(), { class: "quiet", "aria-label": "Close" }),
    ),
    content,
  );
  node.mayCloseOutside = () => true;
  const ended = new AbortController();
  node.addEventListener("shell:closed", () => {
    ended.abort();
    node.remove();
    // The browser gives the focus back, unless the view removed that element.
    if (!opener?.isConnected) byId("main").focus({ preventScroll: true });
  });
  let isOutside = false;
  // Both ends of the click: a selection of text with the mouse can end outside.
  node.addEventListener("pointerdown", (event) => isOutside = isOutsideOf(node, event));
  node.addEventListener("click", (event) => {
    if (isOutside && isOutsideOf(node, event) && node.mayCloseOutside()) node.close();
  });
  // Back shows another page.
  addEventListener("popstate", () => node.close(), { signal: ended.signal });
  if (node.querySelector("input[type=password]") !== null) holdFrames(node);
  keepFocus(node, ended.signal);
  document.body.append(node);
  node.showModal();
  // The browser dispatches `close` with the next frame, and a hidden tab has none. Until then the question
  // would still be asked, and the next one refused.
  const closed = new MutationObserver(() => node.dispatchEvent(new Event("shell:closed")));
  closed.observe(node, { attributeFilter: ["open"] });
  node.querySelector("input, select, textarea")?.focus();
  return node;
}

/**
 * Content in a frame can take the focus by script, and would receive what is typed: browsers allow it even
 * while a dialog makes the frame inert (Chromium 156). The first attempt removes the frame.
 */
function keepFocus(node, signal) {
  let last;
  node.addEventListener("focusin", ({ target }) => last = target);
  const check = () => {
    const frame = document.activeElement;
    if (signal.aborted || frame?.tagName !== "IFRAME") return;
    frame.replaceWith(h("p", { class: "hint" }, "Removed, because it took the focus of a dialog."));
    last?.focus();
  };
  // The element is known only after the event.
  addEventListener("blur", () => setTimeout(check), { signal });
}

/** Asks for a confirmation of something that removes or replaces content. */
export async function confirmDialog(title, text, label) {
  return await openDialog({ title, text, confirm: label, danger: true }) !== null;
}

/** Whether the pointer is on the backdrop, whose events have the dialog as target. */
function isOutsideOf(node, { target, clientX: x, clientY: y }) {
  const { left, right, top, bottom } = node.getBoundingClientRect();
  return target === node && (x < left || x > right || y < top || y > bottom);
}

function makeControl({ label: _label, hint: _hint, options, type = "text", value, ...attributes }) {
  const common = { autocomplete: "off", ...attributes };
  if (type === "textarea") return h("textarea", { ...common, value: value ?? "" });
  if (type === "checkbox") return h("input", { ...common, type, checked: value === true });
  if (type !== "select") {
    return h("input", { ...common, type, spellcheck: "false", value: value ?? "" });
  }
  const select = h(
    "select",
    common,
    options.map(([option, text]) => h("option", { value: option }, text)),
  );
  if (value !== undefined) select.value = value;
  return select;
}

function labelled({ label, hint, type }, control) {
  const small = hint === undefined ? null : h("small", {}, ` ${hint}`);
  return type === "checkbox"
    ? h("label", { class: "check" }, control, h("span", {}, label, small))
    : h("label", {}, h("span", {}, label, small), control);
}
