/**
 * The usage log of the device: one line per call in `/var/log/gpu/<day>.ndjson`. It records the caller,
 * the model, sizes and times. It never contains a prompt, a response or a backend's text.
 */

import { isRecord, parseRecord } from "../kit/json_record.ts";
import type { Scheme } from "./backend.ts";
import type { Finish } from "./finish.ts";

const LOG = "/var/log/gpu/";
/** Most lines of one world. */
const MAX_LINES = 2_000;
/** Days that are kept. */
const KEPT_DAYS = 90;
const DAY_MS = 86_400_000;

/** What is logged of a call. The names are those of the log's fields. */
export interface UsageRecord {
  readonly route: string;
  readonly backend: Scheme;
  readonly model: string;
  readonly prompt_bytes: number;
  answer_bytes: number;
  /** HTTP status of the response; 499 if the caller disconnected. */
  status: number;
  finish: Finish | "error" | "left";
}

/** The times of a call, in Unix milliseconds. */
export interface CallTimes {
  readonly started: number;
  /** When the first token came; 0 if none came. */
  readonly firstToken: number;
  readonly ended: number;
}

/** `env.machine`: sends requests with the plugin's own grants. */
export interface Machine {
  fetch(path: string, init?: RequestInit): Promise<Response>;
}

/** The line of the log, without the line end. */
export function formatUsage(by: string, record: UsageRecord, times: CallTimes): string {
  const { started, firstToken, ended } = times;
  return JSON.stringify({
    at: new Date(ended).toISOString(),
    by,
    ...record,
    ...(firstToken === 0 ? {} : { first_ms: firstToken - started }),
    ms: ended - started,
  });
}

/** The world for a day; each further part has a number, so that no world grows without limit. */
export function logPath(day: string, part: number): string {
  return `${LOG}${day}${part === 1 ? "" : `-${part}`}.ndjson`;
}

/** The names of a listing that are older than the kept days. */
export function expiredLogs(listing: unknown, now: number): string[] {
  const oldest = new Date(now - KEPT_DAYS * DAY_MS).toISOString().slice(0, 10);
  const names = (Array.isArray(listing) ? listing : [])
    .map((row: unknown) => isRecord(row) ? row.name : undefined)
    .filter((name) => typeof name === "string");
  return names.filter((name) =>
    /^\d{4}-\d\d-\d\d(?:-\d+)?\.ndjson$/.test(name) && name.slice(0, 10) < oldest
  );
}

/** Day and part of the world that the next line is appended to. */
const current = { day: "", part: 1 };

/** Appends the line of a call, and deletes expired days when a new day starts. */
export async function logUsage(
  machine: Machine,
  by: string,
  record: UsageRecord,
  times: CallTimes,
): Promise<void> {
  const day = new Date(times.ended).toISOString().slice(0, 10);
  if (current.day !== day) {
    current.day = day;
    current.part = 1;
  }
  const { part } = current;
  const response = await machine.fetch(logPath(day, part), {
    method: "POST",
    headers: { "content-type": "application/x-ndjson" },
    body: `${formatUsage(by, record, times)}\n`,
  });
  const text = await response.text();
  if (!response.ok) {
    console.error(`Cannot write the usage log: status ${response.status}`);
    return;
  }
  // Each line is one version of the world.
  const lines = parseRecord(text)?.version;
  const isFull = typeof lines === "number" && lines >= MAX_LINES;
  // Another call may have started the next part while this one waited.
  if (isFull && current.part === part) current.part++;
  if (response.status === 201 && part === 1) await deleteExpired(machine, times.ended);
}

async function deleteExpired(machine: Machine, now: number): Promise<void> {
  const listing = await machine.fetch(LOG, { headers: { accept: "application/json" } });
  for (const name of expiredLogs(await listing.json(), now)) {
    const response = await machine.fetch(LOG + name, { method: "DELETE" });
    await response.body?.cancel();
  }
}
