/**
 * The panel next to the content of a world: metadata, hash, the event chain with its audit, and the
 * curl commands.
 */

import { request, requestJson } from "./api.js";
import { commands, copyable } from "./commands.js";
import { noteError } from "./chrome.js";
import { button, h } from "./dom.js";
import { size } from "./format.js";
import { timeAgo, timeAt } from "./times.js";

/** Events shown first, and more with each use of "Older". */
const STEP = 20;
const OLDER_STEP = 100;

/**
 * @param {any} page the view of the world, which shows and compares versions
 */
export function side(page) {
  const { name, path, signal } = page;
  const verdict = h("span", { class: "tag", role: "status" });
  const facts = h("dl", {});
  const events = h("ol", { class: "events" });
  const compare = button("Compare", () => {
    const [newest, other = newest] = versionsOf(shown);
    page.compare(other, newest);
  }, { class: "quiet", hidden: true, "aria-label": "Compare versions" });
  /** The events in the list, newest first. */
  let shown = [];
  const terminal = h(
    "details",
    { class: "card" },
    h("summary", {}, h("h2", {}, "From a terminal")),
  );
  terminal.addEventListener("toggle", () => {
    for (const [label, text] of commands(name, location.origin)) {
      terminal.append(copyable(label, text));
    }
  }, { once: true });
  const node = h(
    "div",
    { class: "side-parts" },
    h("section", { class: "card" }, h("h2", {}, "Facts"), facts),
    h(
      "section",
      { class: "card" },
      h("header", {}, h("h2", {}, "History"), compare, verdict),
      events,
    ),
    terminal,
  );
  let turn = 0;
  /** The version that is shown in place of the latest one. */
  let marked;

  /** Requests everything again. Of overlapping calls only the last one draws. */
  async function update(world) {
    const mine = ++turn;
    const head = await request(path, { method: "HEAD", signal }).catch(() => undefined);
    if (mine !== turn || signal.aborted) return;
    const meta = [...(head?.headers ?? [])].filter(([key]) => key.startsWith("x-meta-"));
    drawFacts(world, meta);
    if (world.version > 0) await drawChain(mine);
    else {
      verdict.textContent = "built in";
      events.replaceChildren(
        h("li", { class: "hint" }, "Delivered with the server, and not changed."),
      );
    }
  }

  function drawFacts(world, meta) {
    const rows = [
      ...meta.map(([key, value]) => [key.slice("x-meta-".length), value, "meta"]),
      ["type", world.ext],
      ["size", `${size(world.size)} (${world.size} bytes)`],
      ["changed", timeAt(world.updatedAt)],
    ];
    facts.replaceChildren(
      ...rows.map(([key, value, kind]) =>
        h("div", { class: kind }, h("dt", {}, key), h("dd", {}, value))
      ),
    );
  }

  async function drawChain(mine) {
    const [audit, log] = await Promise.all([
      requestJson(`/proc/audit${path}`, { signal }),
      requestJson(`/proc/log${path}?limit=${STEP}`, { signal }),
    ]).catch((error) => [{ ok: false, chain: { reason: error.message } }, []]);
    if (mine !== turn || signal.aborted) return;
    verdict.className = `tag ${audit.ok ? "good" : "bad"}`;
    verdict.textContent = audit.ok ? "✓ verified" : "✗ broken";
    verdict.title = audit.ok
      ? "The event chain is intact, and its last event matches the content"
      : [audit.chain?.reason, audit.body?.reason].filter(Boolean).join("; ");
    if (audit.body?.sha256) {
      facts.append(
        h("div", {}, h("dt", {}, "sha-256"), h("dd", { class: "hash" }, audit.body.sha256)),
      );
    }
    if (!audit.ok) {
      facts.append(
        h("div", { class: "fault" }, h("dt", {}, "audit"), h("dd", {}, verdict.title)),
      );
    }
    showNewest(log);
  }

  /** Keeps older events that are shown, if the new ones follow them. */
  function showNewest(log) {
    const known = new Set(shown.map(({ id }) => id));
    const isContinued = shown.length > STEP && log.some(({ id }) => known.has(id));
    shown = isContinued ? [...log.filter(({ id }) => !known.has(id)), ...shown] : log;
    drawEvents();
  }

  function drawEvents() {
    const rows = shown.map((event) => eventRow(event, page));
    const oldest = shown.at(-1)?.id ?? 1;
    const isEnd = shown.length < STEP || oldest <= 1;
    const older = isEnd ? null : h(
      "li",
      {},
      button("Older", () => showOlder(oldest).catch(noteError), { class: "quiet" }),
    );
    events.replaceChildren(...rows, ...isEnd ? [] : [older]);
    compare.hidden = versionsOf(shown).length < 2;
    mark(marked);
  }

  async function showOlder(before) {
    const log = await requestJson(`/proc/log${path}?limit=${OLDER_STEP}&before=${before}`, {
      signal,
    });
    const first = shown.length;
    shown = [...shown, ...log];
    drawEvents();
    events.children[first]?.querySelector("button")?.focus();
  }

  /** Marks the version that is shown, in the history; none if undefined. */
  function mark(version) {
    marked = version;
    for (const row of events.querySelectorAll("button[data-version]")) {
      if (row.dataset.version === String(version)) row.setAttribute("aria-current", "true");
      else row.removeAttribute("aria-current");
    }
  }

  return { node, update, mark };
}

function versionsOf(log) {
  return log.map(({ payload }) => payload.version_after).filter((version) => version > 0);
}

function eventRow({ id, timestamp, type, payload }, page) {
  const version = payload.version_after ?? payload.version;
  const what = {
    stage_written: payload.from_version
      ? `restored version ${payload.from_version}`
      : `${payload.op === "patch" ? "edited" : "written"}, ${size(payload.len)}`,
    stage_appended: `appended, ${size(payload.append_len)}`,
    state_transition: `${payload.from || "new"} → ${payload.to}`,
    world_moved: `moved from ${payload.from}`,
    world_deleted: "deleted",
    world_restored: "restored from the trash",
  }[type] ?? type.replaceAll("_", " ");
  const written = payload.version_after !== undefined;
  return h(
    "li",
    { title: `event ${id}` },
    written
      ? button(`v${version}`, () => page.showEarlier(version), {
        class: "quiet",
        "aria-label": `Show v${version}`,
        "data-version": version,
      })
      : h("span", { class: "dot" }),
    h(
      "span",
      {},
      what,
      h("small", {}, ` by ${payload.by ?? "?"}`),
      payload.reason ? h("small", {}, ` ${payload.reason}`) : null,
    ),
    timeAgo(timestamp),
  );
}
