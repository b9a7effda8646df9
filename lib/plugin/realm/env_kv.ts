/**
 * `env.kv`: values of a plugin by key. Each value is a world below `/var/lib/<plugin>/kv/`, which the
 * plugin reads and writes with `env.machine`. So a value is on disk when `set` resolves, and a version
 * is that of the world. This module must not hold an authority.
 */

import { MAX_KV_LIST_KEYS, MAX_KV_NAME_BYTES, MAX_KV_VALUE_BYTES } from "../../cell_limits.ts";
import type { EnvFetch } from "./env_fetch.ts";

/** What `env.kv` stores: text, bytes, or a value of JSON. */
export type KvValue = unknown;

/** A stored value. */
export interface KvEntry {
  /** Text as it was set, bytes as a `Uint8Array`, other values as `JSON.parse` returns their JSON. */
  readonly value: KvValue;
  /** Increases with every change of the key, also after a deletion. */
  readonly version: number;
}

/** A key without its value. */
export interface KvKey {
  readonly key: string;
  readonly version: number;
  /** Length of the stored value. */
  readonly bytes: number;
}

/** Condition of a change. */
export interface KvCondition {
  /** The change takes place only if the key has this version; 0 means that it has no value. */
  readonly ifVersion?: number;
}

/** `env.kv`. */
export interface EnvKv {
  /**
   * Reads a value.
   *
   * @param key not empty
   * @returns undefined if the key has no value
   */
  get(key: string): Promise<KvEntry | undefined>;
  /**
   * Stores a value.
   *
   * @param key not empty
   * @returns `ok: false` if the key does not have the version
   * @throws {TypeError} the key or the value cannot be stored
   * @throws {RangeError} the key or the value is too long
   */
  set(
    key: string,
    value: KvValue,
    condition?: KvCondition,
  ): Promise<{ readonly ok: true; readonly version: number } | { readonly ok: false }>;
  /**
   * Deletes a value. A key without a value is not an error.
   *
   * @param key not empty
   * @returns `ok: false` if the key does not have the version
   */
  delete(key: string, condition?: KvCondition): Promise<{ readonly ok: boolean }>;
  /**
   * Lists keys. Their order is fixed, and not that of the alphabet.
   *
   * @param page `prefix`: only keys that begin with it; `after`: begins after this key; `limit`: number
   * of keys, 100 by default, at most 1000
   * @returns `after` is present if more keys follow
   */
  list(
    page?: { readonly prefix?: string; readonly after?: string; readonly limit?: number },
  ): Promise<{ readonly keys: readonly KvKey[]; readonly after?: string }>;
}

const PLAIN = /[a-z0-9_]/;
const ENCODED = /^(?:[a-z0-9_]|-[0-9a-f]{2})+$/;
const DEFAULT_LIMIT = 100;
/** Sorts after every character of an encoded key. */
const LAST = "~";

/**
 * Converts a key to the name of its world: lower-case letters, digits and `_` stay, each other byte
 * of its UTF-8 is `-` and two hexadecimal digits. Two keys never have names that a file system takes
 * for the same. The start of a key is the start of its name.
 *
 * @throws {TypeError} the key is not a well-formed string
 * @throws {RangeError} the name is too long
 */
export function encodeKvKey(key: string): string {
  if (typeof key !== "string" || !key.isWellFormed()) {
    throw new TypeError("Cannot use the key: it is not a well-formed string");
  }
  let name = "";
  for (const byte of new TextEncoder().encode(key)) {
    const char = String.fromCharCode(byte);
    name += PLAIN.test(char) ? char : `-${byte.toString(16).padStart(2, "0")}`;
    if (name.length > MAX_KV_NAME_BYTES) {
      throw new RangeError(
        `Cannot use the key ${
          key.slice(0, 40)
        }…: it is too long; at most ${MAX_KV_NAME_BYTES} bytes ` +
          "are allowed, and each byte other than a-z, 0-9 and _ counts as three",
      );
    }
  }
  return name;
}

/** Converts the name of a world to its key; undefined if {@link encodeKvKey} did not make it. */
export function decodeKvKey(name: string): string | undefined {
  if (!ENCODED.test(name)) return undefined;
  try {
    const key = decodeURIComponent(name.replaceAll("-", "%"));
    return encodeKvKey(key) === name ? key : undefined;
  } catch {
    return undefined; // not UTF-8
  }
}

/**
 * Creates `env.kv`.
 *
 * @param fetch `fetch` of `env.machine`
 * @param collection path of the collection, `/var/lib/x/kv/`
 */
export function createEnvKv(fetch: EnvFetch, collection: string): EnvKv {
  const base = collection.split("/").map(encodeURIComponent).join("/");
  const pathOf = (key: string): string => {
    if (key === "") throw new TypeError("Cannot use the key: it is empty");
    return base + encodeKvKey(key);
  };
  return Object.freeze<EnvKv>({
    async get(key) {
      const response = await fetch(`${pathOf(key)}?raw`);
      if (response.status === 404) return await discard(response, undefined);
      await assertOk(response, "read", key);
      return { value: await decodeValue(response), version: versionOf(response) };
    },
    async set(key, value, condition = {}) {
      const path = pathOf(key);
      const { body, ext } = encodeValue(value);
      const headers = conditionHeaders(condition);
      const response = await fetch(`${path}?ext=${ext}`, { method: "PUT", headers, body });
      if (response.status === 412) return await discard(response, { ok: false });
      await assertOk(response, "set", key);
      const { version }: { version: number } = await response.json();
      return { ok: true, version };
    },
    async delete(key, condition = {}) {
      const headers = conditionHeaders(condition);
      const response = await fetch(pathOf(key), { method: "DELETE", headers });
      const { ifVersion = 0 } = condition;
      if (response.status === 404) return await discard(response, { ok: ifVersion === 0 });
      if (response.status === 412) return await discard(response, { ok: false });
      await assertOk(response, "delete", key);
      return await discard(response, { ok: true });
    },
    async list({ prefix = "", after = "", limit = DEFAULT_LIMIT } = {}) {
      if (!Number.isInteger(limit) || limit < 1 || limit > MAX_KV_LIST_KEYS) {
        throw new RangeError(
          `Cannot list keys: the limit must be a whole number from 1 to ${MAX_KV_LIST_KEYS}`,
        );
      }
      const start = encodeKvKey(prefix);
      const begin = [encodeKvKey(after), justBefore(start)].reduce((a, b) => a > b ? a : b);
      const query = new URLSearchParams({
        limit: String(limit + 1),
        ...(begin === "" ? {} : { after: begin }),
      });
      const response = await fetch(`${base}?${query}`, { headers: { accept: "application/json" } });
      if (response.status === 404) return await discard(response, { keys: [] });
      await assertOk(response, "list", prefix);
      const rows: readonly { name: string; version?: number; len?: number }[] = await response
        .json();
      const keys = rows.flatMap(({ name, version, len = 0 }): KvKey[] => {
        const key = name.startsWith(start) && version !== undefined ? decodeKvKey(name) : undefined;
        return key === undefined || version === undefined ? [] : [{ key, version, bytes: len }];
      });
      const page = keys.slice(0, limit);
      const last = page.at(-1);
      return keys.length > limit && last !== undefined
        ? { keys: page, after: last.key }
        : { keys: page };
    },
  });
}

/** A text that sorts before all names that begin with a name, and after all others that do. */
function justBefore(name: string): string {
  if (name === "") return "";
  const code = name.charCodeAt(name.length - 1) - 1;
  // Listings sort the slash before all other characters.
  return name.slice(0, -1) + (code === 0x2f ? "." : String.fromCharCode(code)) + LAST;
}

function conditionHeaders({ ifVersion }: KvCondition): Record<string, string> {
  if (ifVersion === undefined) return {};
  if (!Number.isSafeInteger(ifVersion) || ifVersion < 0) {
    throw new TypeError("Cannot change the key: ifVersion must be a version, or 0 for no value");
  }
  return ifVersion === 0 ? { "if-none-match": "*" } : { "if-match": `"${ifVersion}"` };
}

function encodeValue(value: KvValue): { body: Uint8Array<ArrayBuffer>; ext: string } {
  const encoded = value instanceof Uint8Array
    ? { body: new Uint8Array(value), ext: "bin" }
    : value instanceof ArrayBuffer
    ? { body: new Uint8Array(value), ext: "bin" }
    : typeof value === "string"
    ? { body: encodeText(value), ext: "txt" }
    : { body: encodeText(toJson(value)), ext: "json" };
  if (encoded.body.length > MAX_KV_VALUE_BYTES) {
    throw new RangeError(
      `Cannot set the value: it has ${encoded.body.length} bytes; at most ${MAX_KV_VALUE_BYTES} are allowed`,
    );
  }
  return encoded;
}

function encodeText(text: string): Uint8Array<ArrayBuffer> {
  if (!text.isWellFormed()) throw new TypeError("Cannot set the value: it is not well-formed text");
  return new TextEncoder().encode(text);
}

function toJson(value: unknown): string {
  const text: string | undefined = JSON.stringify(value);
  if (text === undefined) {
    throw new TypeError("Cannot set the value: it is not text, bytes or JSON");
  }
  return text;
}

async function decodeValue(response: Response): Promise<KvValue> {
  const type = response.headers.get("content-type") ?? "";
  if (type.startsWith("application/json")) return await response.json();
  if (type.startsWith("text/plain")) return await response.text();
  return new Uint8Array(await response.arrayBuffer());
}

function versionOf(response: Response): number {
  return Number(/^(?:W\/)?"(\d+)/.exec(response.headers.get("etag") ?? "")?.[1] ?? 0);
}

async function assertOk(response: Response, verb: string, key: string): Promise<void> {
  if (response.ok) return;
  const text = (await response.text()).slice(0, 300);
  throw new Error(`Cannot ${verb} ${key.slice(0, 40)}: ${response.status} ${text}`);
}

async function discard<T>(response: Response, result: T): Promise<T> {
  await response.body?.cancel();
  return result;
}
