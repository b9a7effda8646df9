/**
 * The entry of the shell. It shows the view for the path of the address bar, and follows links inside
 * the server without loading a page. The signal of a view ends everything that the view started.
 */

import { openSession } from "./account.js";
import { RequestError } from "./api.js";
import { currentCaller, refreshCaller, wasAccepted } from "./caller.js";
import { startBadge } from "./caller_badge.js";
import { noteError, setLive, setPlace } from "./chrome.js";
import { showCollection } from "./collection.js";
import { button, byId, h } from "./dom.js";
import { openFinder } from "./finder.js";
import { dropFirstAnswers } from "./first_answers.js";
import { ago } from "./format.js";
import { showHome } from "./home.js";
import { showTrash } from "./manage.js";
import { openHelp, showSearch } from "./find.js";
import { isTyping } from "./typing.js";
import { pathOf, placeOf } from "./place.js";
import { showRoute } from "./route.js";
import { lineOf } from "./search_hits.js";
import { nameFault } from "./world_name.js";
import { authorization, onSession } from "./session.js";
import { showShaped } from "./shaped.js";
import { signIn, signInView } from "./sign_in.js";
import { setTitle } from "./times.js";
import { hasUnsaved, isEditing, mayEndEditing } from "./unsaved.js";
import { onHistory, pushPath } from "./visited.js";
import { showWorld } from "./world.js";

const VIEWS = {
  home: showHome,
  collection: showCollection,
  world: showWorld,
  shaped: showShaped,
  trash: showTrash,
  search: showSearch,
  route: showRoute,
};

/** Interval at which relative times are updated. */
const TIMES_MS = 10_000;

/** The view that is shown; undefined before the first one, because an abort is slow. @type {AbortController | undefined} */
let view;
/** Whether the view has shown its content. */
let isShown = false;

/** Whether the page is out of date, because it kept an editor. */
let isStale = false;

/** Shows the path of the address bar. */
async function show() {
  isStale = false;
  view?.abort();
  view = new AbortController();
  isShown = false;
  const { signal } = view;
  const main = byId("main");
  const place = placeOf(location.pathname);
  setPlace(place);
  setLive("off");
  main.setAttribute("aria-busy", "true");
  try {
    await VIEWS[place.kind](main, place, { signal, showError });
    isShown = !signal.aborted;
  } catch (error) {
    if (!signal.aborted) showError(error);
  } finally {
    if (!signal.aborted) main.removeAttribute("aria-busy");
  }
}

/** Shows an error in place of the view, or asks for a credential. */
function showError(error) {
  const main = byId("main");
  if (isEditing() && error.status !== 401) {
    isStale = true;
    return noteError(error);
  }
  if (error.status === 401 || error.status === 403) {
    const signal = view?.signal;
    // Saving asks for a credential, too.
    const ask = () => !signal?.aborted && !isEditing() && signInView(main, error);
    // The credential ended while the page was shown: the page stays, and a dialog asks.
    if (error.status !== 401 || !isShown || !wasAccepted()) ask();
    else refreshCaller().then(({ rejected }) => rejected === undefined && ask());
    return;
  }
  if (!(error instanceof RequestError)) console.error(error);
  main.replaceChildren(
    h(
      "section",
      { class: "card narrow" },
      h("h1", {}, error.title ?? "Internal error of the page"),
      h("p", { class: "hint" }, error.message),
      error.status === 404 ? offerPage() : null,
      error.status === 0 ? h("p", {}, button("Retry", () => show())) : null,
      h("p", {}, h("a", { href: "/" }, "Home")),
    ),
  );
}

/** A link to the page of a world with the name of a path that the server does not have. */
function offerPage() {
  const name = `home/${placeOf(location.pathname).name}`;
  if (nameFault(name) !== undefined) return null;
  return h("p", {}, "You can write it as ", h("a", { href: pathOf(name) }, `/${name}`), ".");
}

/**
 * Shows a path of this server.
 *
 * @param {string} target with a query or a line of a text, as in `/home/plan#L3`
 */
async function go(target) {
  const { pathname, search, hash } = new URL(target, location.href);
  const path = pathname + search + hash;
  if (hasUnsaved() && !await mayEndEditing("Leave the page")) return;
  dropFirstAnswers();
  if (path !== location.pathname + location.search + location.hash) pushPath(path);
  show();
  byId("main").focus({ preventScroll: true });
  scrollTo(0, 0);
}

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[href]");
  if (!link || event.defaultPrevented || event.button !== 0 || link.target) return;
  if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const url = new URL(link.href);
  if (url.origin !== location.origin || !isPage(url)) return;
  if (link.hasAttribute("download")) return;
  event.preventDefault();
  go(url.pathname + url.search + url.hash);
});

/** Whether a view shows an address, and not the browser. */
function isPage({ pathname, search, hash }) {
  const isSearch = placeOf(pathname).kind === "search";
  return (search === "" || isSearch) && (hash === "" || lineOf(hash) !== undefined);
}

onHistory(() => {
  dropFirstAnswers();
  show();
});
addEventListener("shell:go", (event) => go(event.detail));

byId("who").addEventListener("click", openSession);
byId("find").addEventListener("click", () => openFinder());
document.addEventListener("keydown", (event) => {
  if (isTyping(event.target) || event.altKey) return;
  const isCommand = event.ctrlKey || event.metaKey;
  if (isCommand ? event.key === "k" : event.key === "/") {
    event.preventDefault();
    openFinder();
  } else if (!isCommand && event.key === "?") {
    event.preventDefault();
    openHelp();
  }
});

setInterval(() => {
  for (const node of document.querySelectorAll("main time:not([data-at])")) {
    node.textContent = ago(node.dateTime);
    setTitle(node);
  }
}, TIMES_MS);

document.addEventListener("pointerover", ({ target }) => {
  const time = target.closest?.("time");
  if (time) setTitle(time);
});

addEventListener("shell:sign-in", () => signIn());
addEventListener("shell:check-caller", () => {
  if (authorization() !== null && currentCaller().rejected === undefined) refreshCaller();
});
onSession(() => {
  dropFirstAnswers();
  // An editor stays open, and saves with the new credential. Without one, only its text stays.
  if (isEditing() && (authorization() !== null || hasUnsaved())) isStale = true;
  else show();
});
addEventListener("shell:edited", () => isStale && show());
startBadge();
refreshCaller();
show();
