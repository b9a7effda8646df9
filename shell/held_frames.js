/**
 * Frames whose content can run scripts are not in the page while a credential is typed. Such content can
 * take the focus at any time, although a dialog makes it inert (Chromium 156), and would receive the
 * keys. What such a frame showed is loaded again afterwards.
 */

import { h } from "./dom.js";

/**
 * Takes the frames out of the page until the dialog is closed. A frame is one with `data-scripts`; it
 * gets the event `shell:again` before it is loaded again.
 *
 * @param {HTMLDialogElement} dialog asks for a credential
 */
export function holdFrames(dialog) {
  dialog.dataset.secret = "";
  const frames = [...document.querySelectorAll("iframe[data-scripts]")].map((frame) => {
    const place = h("p", { class: "hint" }, "Hidden while a credential is typed.");
    frame.replaceWith(place);
    return { frame, place };
  });
  dialog.addEventListener("shell:closed", () => {
    for (const { frame, place } of frames) {
      if (!place.isConnected) continue;
      frame.dispatchEvent(new Event("shell:again"));
      place.replaceWith(frame);
    }
  });
}

/** Runs what adds such a frame to the page: at once, or after a credential was typed. */
export function addFrame(run) {
  const dialog = document.querySelector("dialog[data-secret]");
  if (dialog === null) run();
  else dialog.addEventListener("shell:closed", run, { once: true });
}
