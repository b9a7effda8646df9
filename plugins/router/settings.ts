/** The settings in `/etc/router.conf`: `key = value` per line. */

import { configLines } from "../kit/line_config.ts";

/** What the operator can choose. */
export interface Settings {
  /** Whether the model may be on another computer. */
  readonly allowRemote: boolean;
  /** Questions to the model per minute; 0 for none. */
  readonly budget: number;
  /** Most names in a question. */
  readonly candidates: number;
  /** Longest time for a question in seconds. */
  readonly timeout: number;
}

const DEFAULT_SETTINGS: Settings = {
  allowRemote: false,
  budget: 20,
  candidates: 50,
  timeout: 8,
};
const NUMBER_RANGES: Readonly<Record<string, readonly [min: number, max: number]>> = {
  budget: [0, 600],
  candidates: [1, 50],
  timeout: [1, 25],
};

/**
 * Reads the configuration. If one line is not valid, all lines are ignored: the invalid line could be
 * the one that restricts what the others allow.
 *
 * @returns the settings, and a sentence per line that is not valid
 */
export function readSettings(text: string): { settings: Settings; faults: string[] } {
  const faults: string[] = [];
  const values = new Map<string, string>();
  for (const { line, text: entry, fault: lineFault } of configLines(text, "anywhere")) {
    const fault = lineFault ?? readSetting(entry, values);
    if (fault !== undefined) faults.push(`/etc/router.conf line ${line}: ${fault}`);
  }
  if (faults.length > 0) return { settings: DEFAULT_SETTINGS, faults };
  const number = (key: "budget" | "candidates" | "timeout") =>
    Number(values.get(key) ?? DEFAULT_SETTINGS[key]);
  const settings = {
    allowRemote: values.get("allow_remote") === "yes",
    budget: number("budget"),
    candidates: number("candidates"),
    timeout: number("timeout"),
  };
  return { settings, faults };
}

/** Adds a valid entry to the values; returns why another one is not valid. */
function readSetting(entry: string, values: Map<string, string>): string | undefined {
  const [, key = "", value = ""] = /^(\w+)\s*=\s*(\S+)$/.exec(entry) ?? [];
  const range = Object.hasOwn(NUMBER_RANGES, key) ? NUMBER_RANGES[key] : undefined;
  if (key !== "allow_remote" && range === undefined) {
    return "it is not one of allow_remote = yes|no, budget = n, candidates = n, timeout = n";
  }
  if (values.has(key)) return `${key} is set twice`;
  if (range === undefined) {
    if (value !== "yes" && value !== "no") return "allow_remote must be yes or no";
  } else if (!/^\d{1,4}$/.test(value) || Number(value) < range[0] || Number(value) > range[1]) {
    return `${key} must be a whole number from ${range[0]} to ${range[1]}`;
  }
  values.set(key, value);
  return undefined;
}
