/** The configuration world of this plugin: one name and whole number per line. Pure. */

import { configLines } from "../kit/line_config.ts";

export const CONFIG_PATH = "/etc/semantic.conf";

export interface Settings {
  /** Generations in any 60 seconds. */
  readonly budget: number;
  /** Stored shapes; 0 stores none. */
  readonly cache: number;
  /** Bytes of a source that the model receives. */
  readonly source: number;
  /** Seconds that one generation may take. */
  readonly timeout: number;
}

interface SettingRange {
  readonly initial: number;
  readonly min: number;
  readonly max: number;
}

const SETTINGS: Readonly<Record<keyof Settings, SettingRange>> = {
  budget: { initial: 20, min: 0, max: 10_000 },
  cache: { initial: 256, min: 0, max: 4096 },
  source: { initial: 64 * 1024, min: 256, max: 1024 * 1024 },
  timeout: { initial: 120, min: 1, max: 280 },
};

/**
 * Parses the configuration. The last line of a setting wins.
 *
 * @param text text of the world; undefined if it does not exist
 * @throws {Error} if a line is not a known name and a number in its range
 */
export function parseSettings(text = ""): Settings {
  const found = new Map<string, number>();
  for (const { line, text: entry, fault } of configLines(text, "anywhere")) {
    if (fault !== undefined) throw new Error(`Cannot read ${CONFIG_PATH}: line ${line}: ${fault}`);
    const [, name = "", digits = ""] = /^([a-z]+)\s*[=\s]\s*(\d{1,9})$/.exec(entry) ?? [];
    const range = Object.entries(SETTINGS).find(([key]) => key === name)?.[1];
    if (range === undefined) {
      const names = Object.keys(SETTINGS).join(", ");
      throw new Error(
        `Cannot read ${CONFIG_PATH}: line ${line} is "${entry.slice(0, 80)}"; ` +
          `write a name (${names}) and a whole number`,
      );
    }
    const value = Number(digits);
    if (value < range.min || value > range.max) {
      throw new Error(
        `Cannot read ${CONFIG_PATH}: ${name} is ${value}; ` +
          `${range.min} to ${range.max} are allowed`,
      );
    }
    found.set(name, value);
  }
  const valueOf = (name: keyof Settings): number => found.get(name) ?? SETTINGS[name].initial;
  return {
    budget: valueOf("budget"),
    cache: valueOf("cache"),
    source: valueOf("source"),
    timeout: valueOf("timeout"),
  };
}
