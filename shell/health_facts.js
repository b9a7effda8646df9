/** The health of a plugin as facts: memory, calls and limits. Pure. */

import { count, duration, grouped, size } from "./format.js";

/** What a plugin exceeded, by the names that the server counts. */
const LIMITS = {
  start: "too slow to start",
  answer: "too slow to answer",
  heartbeat: "busy for too long",
  memory: "too much memory",
  messages: "too many messages",
  depth: "too many plugins in a row",
  work: "worked on too long after a response",
  unread: "response not read",
  query: "query too long",
};

/**
 * @param {any} status the JSON of `/lib/<name>/state`, or a row of `/proc/plugins`
 * @returns {[name: string, value: string][]} empty unless the plugin is active
 */
export function healthFacts({ state, health = {} }) {
  if (state !== "active" || health.state === undefined) return [];
  const { limits = {}, limits_reached: reached = {} } = health;
  const facts = [
    ["process", health.state],
    ["memory", ofLimit(kib(health.resident_kib), kib(limits.resident_kib))],
    ["calls", numberOf(health.served)],
    ["open now", ofLimit(numberOf(health.requests), numberOf(limits.requests))],
    ["waiting", ofLimit(positive(health.waiting), numberOf(limits.waiting))],
    ["refused", positive(health.refused)],
    ["time limit", limits.answer_ms === undefined ? "" : duration(limits.answer_ms / 1000)],
    ...(health.cron ?? []).map(scheduleFact),
    ["changes", changeText(health.on)],
    ["ended", health.crashes > 0 ? count(health.crashes, "time") : ""],
    [
      "limits reached",
      Object.entries(reached).map(([limit, times]) => `${LIMITS[limit] ?? limit} (${times})`)
        .join(", "),
    ],
  ];
  return facts.filter(([, value]) => value !== "");
}

function scheduleFact({ cron, next, last, failed, skipped }) {
  const parts = [
    last === undefined ? "" : `last run ${last.result} at ${last.started_at}`,
    next === undefined ? "" : `next at ${next}`,
    failed > 0 ? `${failed} failed` : "",
    skipped > 0 ? `${skipped} skipped` : "",
  ];
  return [`schedule ${cron}`, parts.filter((part) => part !== "").join(", ")];
}

function changeText(changes) {
  if (changes === undefined) return "";
  const { delivered, failed, skipped, lag_seconds: lag } = changes;
  const parts = [
    `${numberOf(delivered)} delivered`,
    failed > 0 ? `${numberOf(failed)} calls failed` : "",
    skipped > 0 ? `${numberOf(skipped)} skipped` : "",
    lag > 0 ? `the next is ${duration(lag)} old` : "",
  ];
  return parts.filter((part) => part !== "").join(", ");
}

function ofLimit(value, limit) {
  return value === "" || limit === "" ? value : `${value} of ${limit}`;
}

function kib(number) {
  return number > 0 ? size(number * 1024) : "";
}

function numberOf(number) {
  return number === undefined ? "" : grouped(number);
}

function positive(number) {
  return number > 0 ? numberOf(number) : "";
}

/**
 * The health of a plugin: one word, its colour, and details.
 *
 * @param {any} status the JSON of `/lib/<name>/state`, or a row of `/proc/plugins`
 */
export function healthOf({ state = "unknown", up = false, fault, health = {} }) {
  if (state !== "active") return { word: state, tone: state, detail: "" };
  const reason = fault ?? health.reason ?? "";
  if (!up) return { word: "down", tone: "bad", detail: reason };
  if (health.crashes > 0) {
    const times = health.crashes === 1 ? "once" : `${health.crashes} times`;
    return { word: "up", tone: "pending", detail: `ended ${times}` };
  }
  return { word: "up", tone: "good", detail: reason };
}
