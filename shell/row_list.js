/**
 * A list of any length: rows of equal height in blocks. Only the blocks near the window are in the
 * page. Arrow keys move the focus.
 */

import { h } from "./dom.js";

/** Height of a row in pixels, as in the style sheet. */
const ROW = 44;
/** Rows in a block. */
const BLOCK = 50;

/**
 * @param {(row: any) => HTMLElement} draw creates a row: an `li` whose first child is a link
 * @param {AbortSignal} signal
 */
export function rowList(draw, signal) {
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
    rows = next;
    const focused = node.contains(document.activeElement)
      ? document.activeElement.getAttribute("href")
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
    if (focused !== null) {
      for (const link of node.querySelectorAll("a")) {
        if (link.getAttribute("href") === focused) link.focus({ preventScroll: true });
      }
    }
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
    if (event.target.closest?.("input, textarea, select, dialog") || event.altKey) return;
    const step =
      { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1, Home: -Infinity, End: Infinity }[event.key];
    if (step === undefined || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    const from = focusedRow();
    focusRow(
      Number.isFinite(step) ? (from < 0 ? (step > 0 ? 0 : rows.length - 1) : from + step) : step,
    );
  }, { signal });

  return { node, set };
}
