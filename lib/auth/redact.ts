/**
 * Redaction: what callers below T3 see of a world with secrets. Everything is hidden that is not known
 * to be safe: a list of what is hidden would miss the next spelling of a secret. A hidden part is
 * always `***`, so its length is hidden too. The redacted world has its own hash, so its entity tags
 * differ from those of the original.
 */

import { decodeText } from "../base/decode_text.ts";
import { sha256Hex } from "../base/hash.ts";
import { OTHER_NAMES } from "../world/named_worlds.ts";
import type { ChainEvent, World } from "../world/store.ts";
import { type Caller, splitCapabilityName } from "./caller.ts";
import { canRead, isRedacted, readsAllPluginWords } from "./policy.ts";

const HIDDEN = "***";
const LINE_BREAK = /\r\n|\n|\r/;
/** A mount point, as the plugin `fstab` reads it. */
const MOUNT_POINT = /^\/mnt\/[\p{L}\p{N}][\p{L}\p{M}\p{N}._-]{0,63}\/?$/u;
/** A folder. Characters that tokens and queries often contain are missing: `=`, `?`, `:`, `@`. */
const FOLDER = /^(?:[A-Za-z]:)?(?:\/[\p{L}\p{M}\p{N}._-]+)+\/?$/u;
const URL_PARTS = /^([A-Za-z][A-Za-z0-9+.-]{0,20}:\/\/)([^/?#\\]*)(.*)$/;
const AUTHORITY = /^(?:[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?$/;
const TIMEOUT = /^timeout=\d{1,3}$/;

/** Members of events that contain neither a hash nor a length of content. */
const SAFE_PAYLOAD = new Set([
  "op",
  "ext",
  "version",
  "version_after",
  "from_version",
  "from",
  "to",
  "by",
  "reason",
  "moved_from",
  "copied_from",
  "name",
]);

/** Members of the events of a plugin that can contain a text of the plugin, or the name of a server. */
const PLUGIN_WORDS = ["reason", "fault", "node"] as const;

const redactedWorlds = new WeakMap<World, World>();

/** A caller below T3, for {@link STORE_REDACTION}. */
const BELOW_T3: Caller = { tier: "T1", by: "T1" };

/** What callers below T3 see of worlds, for the search index of the store. */
export const STORE_REDACTION = {
  /** Whether something can be hidden in a world. */
  isRedacted: (name: string): boolean => isRedacted(BELOW_T3, `/${name}`),
  /** The world as these callers see it; the same object if nothing is hidden. */
  redact: (world: World): World => redactFor(BELOW_T3, world),
};

/**
 * Returns the world as the caller can see it. Below T3, `/etc/fstab` shows mount points, modes, folders
 * and the hosts of web servers, and `***` for everything else.
 *
 * @param caller the caller, who can read the world
 * @param world the original; not changed
 * @returns the same object if nothing is hidden from the caller
 */
export function redactFor(caller: Caller, world: World): World {
  if (!isRedacted(caller, `/${world.name}`)) return world;
  let redactedWorld = redactedWorlds.get(world);
  if (redactedWorld === undefined) {
    // As the plugin `fstab` gets it. Lines with bytes that are not text are hidden.
    const table = decodeText(world.body) ?? new TextDecoder().decode(world.body);
    const text = redactMountTable(table);
    const body = new TextEncoder().encode(text);
    redactedWorld = { ...world, body, meta: [], sha256: sha256Hex(body) };
    redactedWorlds.set(world, redactedWorld);
  }
  return redactedWorld;
}

/**
 * Returns an event of a world as a caller that sees the world redacted can see it: without hashes and
 * lengths of the content, from which the caller could guess a secret offline. HMACs stay, because they
 * do not help without the key.
 */
export function redactEvent<E extends Pick<ChainEvent, "payload">>(event: E): E {
  const { payload } = event;
  if (typeof payload !== "object" || payload === null) return { ...event, payload: HIDDEN };
  const shown = Object.entries(payload).flatMap(([key, value]) => {
    if (SAFE_PAYLOAD.has(key)) return [[key, value]];
    return typeof value === "string" ? [[key, HIDDEN]] : [];
  });
  return { ...event, payload: Object.fromEntries(shown) };
}

/**
 * Returns an event as a caller can see it. Names of other worlds that the caller cannot read are hidden,
 * also in the name of a capability, and so is what {@link redactEvent} hides of a redacted world. Texts
 * of a plugin are hidden from callers that cannot approve it.
 *
 * @param name name of the world in whose chain the event is; the caller can read it
 */
export function showEvent<E extends Pick<ChainEvent, "payload" | "type">>(
  caller: Caller,
  name: string,
  event: E,
): E {
  const shown = isRedacted(caller, `/${name}`) ? redactEvent(event) : event;
  const { payload } = shown;
  if (typeof payload !== "object" || payload === null) return shown;
  const hidden = Object.entries(payload).filter(([key, value]) =>
    typeof value === "string" &&
    (OTHER_NAMES.has(key)
      ? isPath(value) && !canRead(caller, value)
      : key === "name" && value !== name && !canRead(caller, `/${value}`))
  ).map(([key]) => [key, HIDDEN]);
  if (event.type.startsWith("plugin_") && !readsAllPluginWords(caller)) {
    for (const key of PLUGIN_WORDS) if (key in payload) hidden.push([key, HIDDEN]);
  }
  if ("by" in payload && typeof payload.by === "string") {
    const by = showBy(caller, name, payload.by);
    if (by !== payload.by) hidden.push(["by", by]);
  }
  return hidden.length === 0
    ? shown
    : { ...shown, payload: { ...payload, ...Object.fromEntries(hidden) } };
}

/**
 * Returns the event of a move as a caller can see it that can read only the other name: the name that
 * the world had, or got, and nothing else about the world.
 *
 * @param also the name that the caller can read
 */
export function showMove<E extends Pick<ChainEvent, "payload" | "type"> & { name: string }>(
  caller: Caller,
  also: string,
  event: E,
): E {
  return showEvent(caller, also, { ...redactEvent(event), name: also });
}

/**
 * The name of who made a change. The prefix of a capability is hidden if it neither contains the world
 * nor can be read: the world was moved here from there.
 */
function showBy(caller: Caller, name: string, by: string): string {
  const found = splitCapabilityName(by);
  if (found === undefined || found.prefix === "/") return by;
  const { prefix, names } = found;
  const contains = `/${name}/`.startsWith(`${prefix}/`);
  return contains || canRead(caller, prefix) ? by : `cap:${HIDDEN}${names}`;
}

/** `from` and `to` of a state transition are states and not paths. */
function isPath(value: string): boolean {
  return value.startsWith("/");
}

/**
 * Redacts a mount table.
 *
 * @param text content of `/etc/fstab`, valid or not
 */
export function redactMountTable(text: string): string {
  return text.split(LINE_BREAK).map((line) => redactLine(line.trim())).join("\n");
}

function redactLine(line: string): string {
  if (line === "") return "";
  if (line.startsWith("#")) return `# ${HIDDEN}`;
  const fields = line.split(/\s+/);
  const [mode, ...options] = (fields.pop() ?? "").split(",");
  const point = fields.pop() ?? "";
  const isMount = fields.length > 0 && MOUNT_POINT.test(point) && (mode === "ro" || mode === "rw");
  if (isMount) {
    const source = fields.length === 1 ? redactSource(fields[0] ?? "") : HIDDEN;
    return `${source} ${point} ${[mode, ...redactOptions(options)].join(",")}`;
  }
  // A line that is not a mount. The hint helps the reader to find the option with a typing error.
  return /bearer/i.test(line) ? `${HIDDEN} bearer=${HIDDEN}` : HIDDEN;
}

function redactSource(source: string): string {
  if (FOLDER.test(source)) return source;
  const [, scheme, authority = "", rest = ""] = URL_PARTS.exec(source) ?? [];
  if (scheme === undefined) return HIDDEN;
  // A password that contains a slash moves the `@` behind the first slash.
  if (source.includes("@") || !AUTHORITY.test(authority)) return scheme + HIDDEN;
  return `${scheme}${authority}${rest === "" || rest === "/" ? rest : `/${HIDDEN}`}`;
}

/**
 * Returns the options up to the first one that is not known to be safe. A later option could be a part
 * of a secret that contains a comma.
 */
function redactOptions(options: readonly string[]): string[] {
  const shown: string[] = [];
  for (const option of options) {
    if (TIMEOUT.test(option)) {
      shown.push(option);
      continue;
    }
    shown.push(/^\s*bearer\s*=/i.test(option) ? `bearer=${HIDDEN}` : HIDDEN);
    break;
  }
  return shown;
}
