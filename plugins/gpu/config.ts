/**
 * Parses `/etc/gpu.conf`: one backend line, and settings above or below it. A fault names its line
 * and never quotes it, because a user may have written a key in the wrong place.
 */

import { configLines, withoutComment } from "../kit/line_config.ts";
import {
  type Backend,
  ConfigError,
  createBackend,
  type Endpoint,
  parseEndpoint,
} from "./backend.ts";

/** The world that is the configuration. */
export const CONFIG_PATH = "/etc/gpu.conf";
/** Longest configuration, in characters. */
const MAX_CONFIG_LENGTH = 64 * 1024;

/** The configuration, or why it cannot be used; neither if it is empty. */
export interface Settings {
  readonly backend?: Backend;
  readonly fault?: string;
}

interface NumberRange {
  readonly min: number;
  readonly max: number;
  readonly isWhole: boolean;
}

const NUMBERS: ReadonlyMap<string, NumberRange> = new Map([
  ["temperature", { min: 0, max: 2, isWhole: false }],
  ["max_tokens", { min: 1, max: 10_000_000, isWhole: true }],
  ["timeout", { min: 1, max: 600, isWhole: true }],
]);
const TEXTS = ["model", "models", "key", "system"];
const MODEL_NAME = /^[\w.:/@+-]{1,200}$/;
/** Only names of keys, so that a line cannot read another secret of the server's environment. */
const KEY_VARIABLE = /^(?!ELASTIK_|DENO_|NODE_|LD_|DYLD_)[A-Z][A-Z0-9_]*_API_KEY$/;

/** Whether a text can name a model. */
export function isModelName(text: string): boolean {
  return MODEL_NAME.test(text);
}

/** Parses the configuration; undefined counts as empty. */
export function parseSettings(text: string | undefined): Settings {
  try {
    const backend = parseBackend(text ?? "");
    return backend === undefined ? {} : { backend };
  } catch (error) {
    if (error instanceof ConfigError) return { fault: `${CONFIG_PATH} ${error.message}` };
    throw error;
  }
}

function parseBackend(text: string): Backend | undefined {
  if (text.length > MAX_CONFIG_LENGTH) {
    throw new ConfigError(`is longer than ${MAX_CONFIG_LENGTH} characters`);
  }
  const settings = new Map<string, string>();
  let endpoint: Endpoint | undefined;
  for (const { line, text: entry, fault } of configLines(text)) {
    try {
      if (fault !== undefined) throw new ConfigError(fault);
      if (!isBackendLine(entry)) addSetting(entry, settings);
      else if (endpoint === undefined) endpoint = parseEndpoint(withoutComment(entry));
      else throw new ConfigError("there is a backend already; only one can be configured");
    } catch (error) {
      if (error instanceof ConfigError) throw new ConfigError(`line ${line}: ${error.message}`);
      throw error;
    }
  }
  if (endpoint !== undefined) return createBackend(endpoint, settings);
  if (settings.size === 0) return undefined;
  throw new ConfigError("names no backend; add a line such as ollama://localhost:11434");
}

/** A system prompt may contain a URL. */
function isBackendLine(entry: string): boolean {
  return entry.includes("://") && !/^system\b/.test(entry);
}

function addSetting(entry: string, settings: Map<string, string>): void {
  const [, name = "", rest = ""] = /^([a-z_]+)(?:\s*=\s*|\s+|$)(.*)$/.exec(entry) ?? [];
  if (!NUMBERS.has(name) && !TEXTS.includes(name)) {
    const names = [...TEXTS, ...NUMBERS.keys()].join(", ");
    throw new ConfigError(`neither a backend (scheme://host:port) nor one of ${names}`);
  }
  const earlier = settings.get(name);
  if (name === "system") {
    settings.set(name, earlier === undefined ? rest : `${earlier}\n${rest}`);
    return;
  }
  if (earlier !== undefined) throw new ConfigError(`${name} is set a second time`);
  const value = withoutComment(rest);
  assertValue(name, value);
  settings.set(name, value);
}

/** @throws {ConfigError} for a value that the setting does not take */
function assertValue(name: string, value: string): void {
  const range = NUMBERS.get(name);
  if (range !== undefined) return assertInRange(name, value, range);
  if (name === "model" && !isModelName(value)) {
    throw new ConfigError("the name of the model is invalid");
  }
  if (name === "models" && !value.split(/\s+/).every(isModelName)) {
    throw new ConfigError("models is not a list of names with spaces between them");
  }
  if (name === "key" && value !== "none" && !KEY_VARIABLE.test(value)) {
    throw new ConfigError("key is neither none nor the name of a variable that ends in _API_KEY");
  }
}

function assertInRange(name: string, value: string, { min, max, isWhole }: NumberRange): void {
  const number = Number(value);
  const isValid = /^\d+(?:\.\d+)?$/.test(value) && number >= min && number <= max &&
    (!isWhole || Number.isInteger(number));
  if (isValid) return;
  const kind = isWhole ? "whole number" : "number";
  throw new ConfigError(`${name} is not a ${kind} from ${min} to ${max}`);
}
