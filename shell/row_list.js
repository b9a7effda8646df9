/**
 * A list of any length: rows of equal height in blocks. Only the blocks near the window are in the
 * page. Arrow keys move the focus.
 */

import { h } from "./dom.js";
import { isTyping } from "./typing.js";

/** Height of a row in pixels, as in the style sheet. */
const ROW = 44;
/** Rows in a block. */
const BLOCK = 50;
const CONTROLS = "a, button, input";
const linkOf = (row) => row.querySelector("a").getAttribute("href");

/**
 * @param {(row: any) => HTMLElement} draw creates a row: an `li` with a link
 * @param {AbortSignal} signal
 * @param {(row: any) => void} [onExtend] called for the rows that Shift and an arrow key pass
 */
export function rowList(draw, signal, onExtend) {
  const node = h("div", { class: "row-list" });
  let rows = [];
  const watcher = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      if (isIntersecting) fill(target);
      else target.replaceChildren();
    }
  }, { rootMargin: "600px 0px" });
  signal.addEventListener("abort", () => watcher.disconnect());

  function fill(block) {
    const first = Number(block.dataset.first);
    block.replaceChildren(...rows.slice(first, first + BLOCK).map(draw));
  }

  /** Sets the rows, and keeps the focus. */
  function set(next) {
    const at = focusedRow();
    rows = next;
    const focused = node.contains(document.activeElement)
      ? controlOf(document.activeElement)
      : null;
    const needed = Math.ceil(rows.length / BLOCK);
    while (node.children.length > needed) {
      watcher.unobserve(node.lastElementChild);
      node.lastElementChild.remove();
    }
    for (let at = 0; at < needed; at++) {
      let block = node.children[at];
      const height = `${Math.min(BLOCK, rows.length - at * BLOCK) * ROW}px`;
      if (block === undefined) {
        block = h("ul", { class: "rows", "data-first": at * BLOCK });
        block.style.height = height;
        node.append(block);
        if (at * BLOCK * ROW < innerHeight) fill(block);
        watcher.observe(block);
      } else {
        block.style.height = height;
        if (block.firstChild !== null) fill(block);
      }
    }
    if (focused === null || node.contains(document.activeElement)) return;
    for (const row of node.querySelectorAll("li")) {
      if (linkOf(row) === focused.link) {
        row.querySelectorAll(CONTROLS)[focused.at]?.focus({ preventScroll: true });
      }
    }
    // The row was removed: its neighbour.
    if (!node.contains(document.activeElement)) focusRow(at);
  }

  /** Which control of which row: the link of the row, and its place among the controls. */
  function controlOf(control) {
    const row = control.closest("li");
    return { link: linkOf(row), at: [...row.querySelectorAll(CONTROLS)].indexOf(control) };
  }

  /** Moves the focus to a row, which is drawn first if needed. */
  function focusRow(index) {
    const at = Math.max(0, Math.min(rows.length - 1, index));
    const block = node.children[Math.floor(at / BLOCK)];
    if (block === undefined) return;
    if (block.firstChild === null) fill(block);
    block.children[at % BLOCK].querySelector("a").focus();
  }

  function focusedRow() {
    const row = document.activeElement?.closest(".row-list li");
    if (!row || !node.contains(row)) return -1;
    return Number(row.parentElement.dataset.first) + [...row.parentElement.children].indexOf(row);
  }

  document.addEventListener("keydown", (event) => {
    if (isTyping(event.target) || event.altKey) return;
    const step =
      { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1, Home: -Infinity, End: Infinity }[event.key];
    if (step === undefined || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    const from = focusedRow();
    if (event.shiftKey) onExtend?.(rows[from]);
    focusRow(
      Number.isFinite(step) ? (from < 0 ? (step > 0 ? 0 : rows.length - 1) : from + step) : step,
    );
    if (event.shiftKey) onExtend?.(rows[focusedRow()]);
  }, { signal });

  return {
    node,
    set,
    /** The row with the focus, or undefined. */
    focused: () => rows[focusedRow()],
  };
}
