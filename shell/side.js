/**
 * The panel next to the content of a world: metadata, hash, the event chain with its audit, and the
 * curl commands.
 */

import { request, requestJson } from "./api.js";
import { commands, copyable } from "./commands.js";
import { button, h } from "./dom.js";
import { ago, size } from "./format.js";
import { pathOf } from "./place.js";

/** Events shown at a time. */
const STEP = 20;

/** `onVersion` is called to show a version. */
export function side(name, signal, onVersion) {
  const path = pathOf(name);
  const verdict = h("span", { class: "tag", role: "status" });
  const facts = h("dl", {});
  const events = h("ol", { class: "events" });
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
    h("section", { class: "card" }, h("header", {}, h("h2", {}, "History"), verdict), events),
    terminal,
  );
  let turn = 0;

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
      ["changed", world.updatedAt],
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
    events.replaceChildren();
    more(log);
  }

  function more(log) {
    events.append(...log.map((event) => eventRow(event, onVersion)));
    const oldest = log.at(-1)?.id ?? 1;
    if (log.length < STEP || oldest <= 1) return;
    const next = button("Older", async () => {
      const older = await requestJson(`/proc/log${path}?limit=${STEP}&before=${oldest}`, {
        signal,
      });
      next.parentElement.remove();
      more(older);
    }, { class: "quiet" });
    events.append(h("li", {}, next));
  }

  return { node, update };
}

function eventRow({ id, timestamp, type, payload }, onVersion) {
  const version = payload.version_after ?? payload.version;
  const what = {
    stage_written: payload.from_version
      ? `restored version ${payload.from_version}`
      : `${payload.op === "patch" ? "edited" : "written"}, ${size(payload.len)}`,
    stage_appended: `appended, ${size(payload.append_len)}`,
    state_transition: `${payload.from || "new"} → ${payload.to}`,
    world_moved: `moved from ${payload.from}`,
    world_deleted: "deleted",
  }[type] ?? type.replaceAll("_", " ");
  const written = payload.version_after !== undefined;
  return h(
    "li",
    { title: `event ${id}, ${timestamp}` },
    written
      ? button(`v${version}`, () => onVersion(version), {
        class: "quiet",
        "aria-label": `Show v${version}`,
      })
      : h("span", { class: "dot" }),
    h(
      "span",
      {},
      what,
      h("small", {}, ` by ${payload.by ?? "?"}`),
      payload.reason ? h("small", {}, ` ${payload.reason}`) : null,
    ),
    h("time", { datetime: timestamp }, ago(timestamp)),
  );
}
