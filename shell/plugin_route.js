/**
 * The page of a route that a plugin answers, such as `/dev/gpu`: what the plugin is, its health and
 * limits, how to call it, and what it answers to a GET. What the plugin answers is untrusted.
 */

import { copyable } from "./commands.js";
import { readError, request, requestPlugins, requestRoutes, toJson } from "./connected.js";
import { fill, h } from "./dom.js";
import { indented, size } from "./format.js";
import { healthFacts, healthOf } from "./health_facts.js";
import { pathOf } from "./place.js";

/** Interval at which the health is requested while the page is visible. */
const HEALTH_MS = 5000;
/** Longest answer that is shown, and how long it may take. */
const MAX_ANSWER_BYTES = 256 * 1024;
const ANSWER_MS = 15_000;
const TEXT = /^(?:text\/|application\/(?:[\w.-]+\+)?(?:json|xml)\b)/;
const NEEDS = {
  T1: "every caller that can read this server",
  T2: "T2, or a capability that covers it",
  T3: "T3",
};

/**
 * Finds the plugin of a path: a row of `/proc/plugins`, or, for a caller that cannot read these, a row of
 * `/bin`.
 *
 * @returns {Promise<any>} with the member `route`; undefined if no plugin has the path
 */
export async function findPlugin(name, signal) {
  const isAbove = (route) => `/${name}` === route || `/${name}`.startsWith(`${route}/`);
  const plugins = await requestPlugins({ signal }).catch(() => []);
  for (const plugin of plugins) {
    const route = plugin.routes?.find(isAbove);
    if (route !== undefined) return { ...plugin, route };
  }
  const routes = await requestRoutes({ signal }).catch(() => []);
  const found = routes.find(({ route, plugin }) => plugin !== undefined && isAbove(route));
  return found && { name: found.plugin.slice("/lib/".length), ...found };
}

/** Shows the page. */
export async function showPluginRoute(main, name, plugin, signal) {
  const panel = h("section", { class: "card plugin", "aria-label": "Plugin" });
  const answer = h("div", { class: "content answer", "aria-busy": "true" });
  drawPanel(panel, plugin);
  main.replaceChildren(
    h(
      "section",
      { class: "route" },
      h(
        "header",
        { class: "head" },
        h("h1", {}, `/${name}`),
        h("p", { class: "facts" }, plugin.description ?? ""),
      ),
      h(
        "div",
        { class: "split" },
        answer,
        h(
          "aside",
          { class: "side", "aria-label": "About this route" },
          panel,
          h(
            "section",
            { class: "card" },
            h("h2", {}, "From a terminal"),
            copyable("Call it", command(name, plugin)),
            copyable("Send text", `${command(name, plugin)} -d 'text'`),
          ),
        ),
      ),
    ),
  );
  followHealth(panel, name, signal);
  const content = await requestContent(pathOf(name), signal);
  if (signal.aborted) return;
  answer.removeAttribute("aria-busy");
  fill(answer, content);
}

function drawPanel(panel, plugin) {
  const { name, route, auth } = plugin;
  const { word, tone, detail } = healthOf(plugin);
  const facts = [
    ["source", h("a", { href: pathOf(`lib/${name}`) }, `/lib/${name}`)],
    ...(plugin.routes ?? [route]).map((path) => [
      "route",
      h("a", { href: pathOf(path.slice(1)) }, path),
    ]),
    ...(auth === undefined ? [] : [["callers", NEEDS[auth] ?? auth]]),
    ...healthFacts(plugin),
  ];
  fill(
    panel,
    h(
      "header",
      {},
      h("h2", {}, "Plugin"),
      plugin.state === undefined ? null : h("span", { class: `tag ${tone}` }, word),
    ),
    detail === "" ? null : h("p", { class: "fault" }, detail),
    h("dl", {}, facts.map(([fact, value]) => h("div", {}, h("dt", {}, fact), h("dd", {}, value)))),
  );
}

/** Draws the health again and again until the view ends. */
function followHealth(panel, name, signal) {
  const timer = setInterval(async () => {
    if (document.hidden) return;
    const plugin = await findPlugin(name, signal);
    if (plugin !== undefined && !signal.aborted && !panel.contains(document.activeElement)) {
      drawPanel(panel, plugin);
    }
  }, HEALTH_MS);
  signal.addEventListener("abort", () => clearInterval(timer));
}

function command(name, { auth }) {
  const token = { T2: "$ELASTIK_TOKEN", T3: "$ELASTIK_APPROVE_TOKEN" }[auth];
  const header = token === undefined ? "" : ` -H "Authorization: Bearer ${token}"`;
  return `curl '${location.origin}${pathOf(name).replaceAll("'", "%27")}'${header}`;
}

/** What the route answers to a GET, as nodes. */
async function requestContent(path, signal) {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)]);
  try {
    const response = await request(path, { signal: limit });
    if (!response.ok) {
      const { message } = await readError(response);
      return h("p", { class: "hint" }, `GET answers ${response.status}: ${message}`);
    }
    return await drawAnswer(response);
  } catch (error) {
    const isLate = error.name === "TimeoutError";
    return h(
      "p",
      { class: "fault" },
      isLate ? `No complete answer in ${ANSWER_MS / 1000} seconds.` : error.message,
    );
  }
}

async function drawAnswer(response) {
  const type = response.headers.get("content-type") ?? "";
  if (!TEXT.test(type) || type.startsWith("text/event-stream")) {
    await response.body?.cancel();
    return h("p", { class: "hint" }, `GET answers ${type || "bytes"}. Use curl to read it.`);
  }
  const { text, isCut } = await readText(response);
  const value = type.includes("json") && !isCut ? toJson(text) : undefined;
  return [
    isCut ? h("p", { class: "hint" }, `The first ${size(MAX_ANSWER_BYTES)}:`) : null,
    text === "" ? h("p", { class: "hint" }, "GET answers nothing.") : null,
    isFlat(value)
      ? h(
        "dl",
        {},
        Object.entries(value).map(([key, member]) => [
          h("dt", {}, key),
          h("dd", {}, String(member ?? "none")),
        ]),
      )
      : h("pre", {}, value === undefined ? text : indented(value, text)),
  ];
}

/** Reads the start of a text. */
async function readText({ body }) {
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  for (const reader = body?.getReader(); reader !== undefined;) {
    const { value, done } = await reader.read();
    if (done) break;
    bytes += value.length;
    text += decoder.decode(value, { stream: true });
    if (bytes > MAX_ANSWER_BYTES) {
      reader.cancel().catch(() => {}); // the text is cut whatever the server does
      return { text: text.slice(0, MAX_ANSWER_BYTES), isCut: true };
    }
  }
  return { text, isCut: false };
}

/** Whether a value is an object of a few facts. */
function isFlat(value) {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const members = Object.values(value);
  return members.length > 0 && members.length <= 40 &&
    members.every((member) => typeof member !== "object" || member === null);
}
