/**
 * The home page: what this server is, what can be done here, the newest changes, the tree, and the
 * state of the server. Each request answers in the same time whatever the number of worlds is, and all
 * of them are among the first answers (`lib/server/first_answers.ts`).
 */

import { openAgentAccess } from "./account.js";
import { readCaller, readStatus, requestAnswer } from "./answers.js";
import { noteError } from "./chrome.js";
import { button, fill, h } from "./dom.js";
import { duration, grouped } from "./format.js";
import { newMenu } from "./new_world.js";
import { pathOf } from "./place.js";
import { pluginsPart } from "./plugins_part.js";
import { recentChanges } from "./recent_changes.js";
import { follow } from "./stream.js";
import { throttled } from "./throttled.js";
import { branch } from "./tree.js";

const ABOUT = {
  home: "your worlds",
  etc: "configuration",
  usr: "skills, documents, interface",
  var: "logs and caches",
  boot: "startup, for T3",
  lib: "plugins",
};
const DOCUMENTS = {
  "Tour": "/usr/share/doc/tour.md",
  "HTTP": "/usr/share/doc/http.md",
  "Agents": "/usr/lib/skills/elastik.md",
  "Plugins": "/usr/share/doc/plugins.md",
  "All documents": "/usr/share/doc/index.md",
};
/** Time between updates while many changes arrive. */
const UPDATE_MS = 1000;
/** The event of a plugin's state comes before the routes of the plugin change. */
const PLUGINS_DELAY_MS = 300;

/** Shows the page and follows all changes. */
export async function showHome(main, _place, { signal, showError }) {
  const recent = recentChanges(signal);
  const plugins = pluginsPart(signal);
  const server = serverFacts(signal);
  const tree = Object.entries(ABOUT).map(([name, about]) => branch(name, about, signal));
  const [last] = await Promise.all([
    recent.update(),
    plugins.update(),
    server.update(),
    ...tree.map(({ ready }) => ready),
  ]).catch(async (error) => {
    // A capability that cannot read all of this starts at its prefix.
    const { prefix } = error.status === 403
      ? await requestAnswer("/auth/whoami", readCaller, { signal })
      : {};
    if (!prefix) throw error;
    dispatchEvent(new CustomEvent("shell:go", { detail: `${pathOf(prefix.slice(1))}/` }));
    return [];
  });
  if (signal.aborted || last === undefined) return;
  main.replaceChildren(
    h(
      "div",
      { class: "home" },
      intro(),
      h(
        "section",
        { class: "card changes" },
        h("h2", {}, h("a", { href: "/proc/log/" }, "Recent changes")),
        recent.node,
      ),
      h(
        "section",
        { class: "card places" },
        h("h2", {}, "Tree"),
        h("ul", { class: "spaces" }, tree.map(({ node }) => node)),
      ),
      h(
        "section",
        { class: "card machine" },
        h("h2", {}, "Server"),
        server.node,
        plugins.node,
        h("div", { class: "part" }, h("h3", {}, h("a", { href: "/bin" }, "All routes"))),
        h("div", { class: "part" }, h("h3", {}, h("a", { href: "/proc/trash/" }, "Trash"))),
      ),
    ),
  );

  let cursor = last;
  const updateChanges = throttled(UPDATE_MS, signal, async () => {
    cursor = await recent.update().catch(reportOnce) ?? cursor;
    await server.update().catch(reportOnce);
  });
  const updatePlugins = throttled(PLUGINS_DELAY_MS, signal, async () => {
    await plugins.update().catch(reportOnce);
    await server.update().catch(reportOnce);
  }, PLUGINS_DELAY_MS);
  /** The stream has sent a listing: events may have been missed. */
  async function updateAll() {
    const newest = await recent.update().catch(reportOnce);
    if (newest === undefined || newest === cursor) return;
    cursor = newest;
    for (const { reload } of tree) reload();
    updatePlugins();
  }
  let isReported = false;
  /** The stream reports a connection that is lost; other errors are shown once. */
  function reportOnce(error) {
    if (signal.aborted || isReported || !error.status) return;
    isReported = true;
    noteError(error);
  }

  follow("/stream/?brief", {
    signal,
    last,
    onEvent({ type, data }) {
      if (type === "list") {
        updateAll();
        return;
      }
      updateChanges();
      for (const { changed } of tree) changed(data.name, type === "delete");
      if (data.name.startsWith("lib/")) updatePlugins();
    },
    onError: showError,
  });
}

function intro() {
  return h(
    "header",
    { class: "intro" },
    h("h1", { class: "unseen" }, "elastik"),
    h(
      "p",
      {},
      "A server for small versioned documents that people, programs and AI agents write, read and watch over HTTP.",
    ),
    h(
      "div",
      { class: "actions" },
      newMenu("home", { class: "new primary" }),
      button("Tell any AI…", () => openAgentAccess().catch(noteError)),
    ),
    h(
      "nav",
      { "aria-label": "Documents" },
      Object.entries(DOCUMENTS).map(([title, path]) => h("a", { href: path }, title)),
    ),
  );
}

/** The facts of `/proc/status`. */
function serverFacts(signal) {
  const node = h("dl", {});
  let turn = 0;
  async function update() {
    const mine = ++turn;
    const status = await requestAnswer("/proc/status", readStatus, { signal });
    if (mine !== turn) return;
    fill(
      node,
      Object.entries({
        "version": status.version,
        "up for": duration(status.uptime),
        "worlds": status.worlds === undefined ? undefined : grouped(status.worlds),
        "active plugins": status.plugins,
      }).filter(([, value]) => value !== undefined).map(([name, value]) =>
        h("div", {}, h("dt", {}, name), h("dd", {}, String(value)))
      ),
    );
  }
  return { node, update };
}
