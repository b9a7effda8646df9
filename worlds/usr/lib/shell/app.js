/**
 * The entry of the shell. It shows the view for the path of the address bar, and follows links inside
 * the server without loading a page. The signal of a view ends everything that the view started.
 */

import { request, RequestError } from "./api.js?raw";
import { refreshCaller, setLive, setPlace } from "./chrome.js?raw";
import { byId, h } from "./dom.js?raw";
import { ago } from "./format.js?raw";
import { pathOf, placeOf } from "./place.js?raw";
import { onSession } from "./session.js?raw";

const VIEWS = {
  home: () => import("./home.js?raw"),
  collection: () => import("./collection.js?raw"),
  world: () => import("./world.js?raw"),
  shaped: () => import("./shaped.js?raw"),
  route: () => import("./route.js?raw"),
};

/** Interval at which relative times are updated. */
const TIMES_MS = 10_000;

let view = new AbortController();

/** Shows the path of the address bar. */
async function show() {
  view.abort();
  view = new AbortController();
  const { signal } = view;
  const main = byId("main");
  const place = placeOf(location.pathname);
  setPlace(place);
  setLive("off");
  main.setAttribute("aria-busy", "true");
  try {
    // Requested while the module of the view loads.
    const response = place.kind === "world" ? request(pathOf(place.name), { signal }) : undefined;
    response?.catch(() => {}); // the view handles it
    const { show } = await VIEWS[place.kind]();
    if (!signal.aborted) await show(main, place, { signal, showError, response });
  } catch (error) {
    if (!signal.aborted) showError(error);
  } finally {
    if (!signal.aborted) main.removeAttribute("aria-busy");
  }
}

/** Shows an error in place of the view, or asks for a credential. */
async function showError(error) {
  const main = byId("main");
  if (error.status === 401 || error.status === 403) {
    const { signInView } = await import("./sign_in.js?raw");
    signInView(main, error, show);
    return;
  }
  if (!(error instanceof RequestError)) console.error(error);
  main.replaceChildren(
    h(
      "section",
      { class: "card narrow" },
      h("h1", {}, error.title ?? "Internal error of the page"),
      h("p", { class: "hint" }, error.message),
      h("p", {}, h("a", { href: "/" }, "Home")),
    ),
  );
}

/** Shows a path of this server. */
function go(path) {
  // An editor with unsaved text can cancel it.
  if (!dispatchEvent(new CustomEvent("shell:leave", { cancelable: true }))) return;
  if (path !== location.pathname) history.pushState(null, "", path);
  show();
  byId("main").focus({ preventScroll: true });
  scrollTo(0, 0);
}

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[href]");
  if (!link || event.defaultPrevented || event.button !== 0 || link.target) return;
  if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const url = new URL(link.href);
  if (url.origin !== location.origin || url.search !== "" || url.hash !== "") return;
  if (link.hasAttribute("download")) return;
  event.preventDefault();
  go(url.pathname);
});
addEventListener("popstate", show);
addEventListener("shell:go", (event) => go(event.detail));

async function openMenu() {
  const { openSession } = await import("./session_menu.js?raw");
  openSession();
}

/** Opens the search, and keeps what is typed while its module loads. */
async function openSearch() {
  let typed = "";
  function collect(event) {
    if (event.key.length !== 1 || event.ctrlKey || event.metaKey) return;
    typed += event.key;
    event.preventDefault();
    event.stopPropagation();
  }
  document.addEventListener("keydown", collect, true);
  try {
    const { openFinder } = await import("./finder.js?raw");
    openFinder(typed);
  } finally {
    document.removeEventListener("keydown", collect, true);
  }
}

byId("who").addEventListener("click", openMenu);
byId("find").addEventListener("click", openSearch);
document.addEventListener("keydown", (event) => {
  const typing = event.target.closest?.("input, textarea, select, dialog[open]");
  if (typing || event.altKey) return;
  const find = event.key === "/" || (event.key === "k" && (event.ctrlKey || event.metaKey));
  if (!find) return;
  event.preventDefault();
  openSearch();
});

setInterval(() => {
  for (const node of document.querySelectorAll("main time")) node.textContent = ago(node.dateTime);
}, TIMES_MS);

onSession(show);
refreshCaller();
show();
