/**
 * The mount table `/etc/fstab`, one mount per line: `source /mnt/name ro|rw[,option…]`. The last two
 * fields are mount point and mode; everything before them is the source, which may contain spaces. A
 * line that cannot be used mounts nothing and is reported; all other lines stay in force.
 */

import { configLines } from "./line_config.ts";
import { misleadingFault } from "./misleading_text.ts";
import { isPermittedHost } from "./net_permission.ts";

/** Path of the world that has the mount table. */
export const MOUNT_TABLE = "/etc/fstab";
/** Most mounts; a plugin can be granted as many folders. */
const MAX_MOUNTS = 64;
/** Longest path of a folder in characters. */
const MAX_FOLDER_LENGTH = 1000;
/** Seconds that a web server has for a response: default and maximum. */
const TIMEOUT_SECONDS = 15;
const MAX_TIMEOUT_SECONDS = 25;

/** A line of the table that can be used, or that has a scheme without an adapter. */
export interface Mount {
  /** `docs` for the mount point `/mnt/docs`. */
  readonly name: string;
  /** Line number, counted from 1. */
  readonly line: number;
  readonly mode: "ro" | "rw";
  /** `file`, `http`, `https`, or a scheme without an adapter. */
  readonly kind: string;
  /** Absolute path of a `file` mount, without a slash at the end. */
  readonly folder?: string;
  /** URL of an `http` or `https` mount; its path has no slash at the end. */
  readonly base?: URL;
  /** Bearer token for the web server. */
  readonly bearer?: string;
  /** How long the web server may take for a whole response, in milliseconds. */
  readonly timeoutMs: number;
}

/** A line of the table that cannot be used. */
export interface MountFault {
  /** Line number, counted from 1. */
  readonly line: number;
  /** The reason. It contains nothing of the source or the options, which may be secret. */
  readonly reason: string;
}

/** The whole table. */
export interface MountTable {
  /** Mounts by name, in the order of the table. */
  readonly mounts: ReadonlyMap<string, Mount>;
  readonly faults: readonly MountFault[];
}

const MOUNT_NAME = /^[\p{L}\p{N}][\p{L}\p{M}\p{N}._-]{0,63}$/u;
/** Folders that no plugin is granted. */
const SYSTEM_FOLDERS = ["/proc", "/sys", "/dev"];

/**
 * Reads the mount table. If two lines have one mount point, the first is in force.
 *
 * @param text content of the world {@link MOUNT_TABLE}
 *
 * @example
 * ```ts
 * import { deepStrictEqual, strictEqual } from "node:assert/strict";
 * import { readMountTable } from "./mount_table.ts";
 *
 * const { mounts, faults } = readMountTable("/srv/docs /mnt/docs ro\n/srv/a,b /mnt/other ro\n");
 * strictEqual(mounts.get("docs")?.folder, "/srv/docs");
 * deepStrictEqual(faults.map(({ line }) => line), [2]);
 * ```
 */
export function readMountTable(text: string): MountTable {
  const mounts = new Map<string, Mount>();
  const faults: MountFault[] = [];
  for (const { line, text: entry, fault } of configLines(text)) {
    const found = fault ?? readMount(entry, line);
    if (typeof found === "string") {
      faults.push({ line, reason: found });
      continue;
    }
    const first = mounts.get(found.name);
    if (first !== undefined) {
      faults.push({ line, reason: `/mnt/${found.name} is already mounted by line ${first.line}` });
    } else if (mounts.size >= MAX_MOUNTS) {
      faults.push({ line, reason: `there are more than ${MAX_MOUNTS} mounts` });
    } else mounts.set(found.name, found);
  }
  return { mounts, faults };
}

/**
 * Describes all faults of the table in one sentence, for the state of the plugin.
 *
 * @returns at most 1000 characters; undefined if the table has no fault
 *
 * @example
 * ```ts
 * import { match, strictEqual } from "node:assert/strict";
 * import { mountTableFault, readMountTable } from "./mount_table.ts";
 *
 * match(mountTableFault(readMountTable("/srv/a,b /mnt/x ro")) ?? "", /^\/etc\/fstab line 1: /);
 * strictEqual(mountTableFault(readMountTable("")), undefined);
 * ```
 */
export function mountTableFault({ faults }: MountTable): string | undefined {
  if (faults.length === 0) return undefined;
  const sentence = faults.map(({ line, reason }) => `line ${line}: ${reason}`).join("; ");
  return `${MOUNT_TABLE} ${sentence}`.slice(0, 1000);
}

/**
 * Lists the mounted folders as a plugin asks for them: each once, the longest path first, because
 * the first folder that contains a path decides.
 *
 * @param mode `rw` for folders that can be written, `ro` for all folders
 *
 * @example
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 * import { mountedFolders, readMountTable } from "./mount_table.ts";
 *
 * const table = readMountTable("/srv /mnt/a rw\n/srv/docs /mnt/b ro\n");
 * deepStrictEqual(mountedFolders(table, "ro"), ["/srv/docs", "/srv"]);
 * deepStrictEqual(mountedFolders(table, "rw"), ["/srv"]);
 * ```
 */
export function mountedFolders({ mounts }: MountTable, mode: "ro" | "rw"): string[] {
  const folders = new Set<string>();
  for (const { folder, mode: mounted } of mounts.values()) {
    if (folder !== undefined && (mode === "ro" || mounted === "rw")) folders.add(folder);
  }
  return [...folders].sort((a, b) => b.length - a.length);
}

/** A mount, or the reason why the line cannot be used. */
function readMount(entry: string, line: number): Mount | string {
  const [beforeMode, modeField] = splitLastField(entry);
  const [source, point] = splitLastField(beforeMode);
  if (source === "") return "it is not `source /mnt/name ro|rw[,options]`";
  const name = /^\/mnt\/([^/]+)\/?$/.exec(point)?.[1]?.normalize("NFC") ?? "";
  if (!MOUNT_NAME.test(name)) {
    return "the field before the last is not /mnt/<name>, a name of letters, digits, . _ - " +
      "(comments have lines of their own)";
  }
  const nameFault = misleadingFault(name);
  if (nameFault !== undefined) return `the name of the mount can be mistaken: ${nameFault}`;
  const [mode, ...options] = modeField.split(",");
  if (mode !== "ro" && mode !== "rw") return `the mode of /mnt/${name} is neither ro nor rw`;
  const location = readMountSource(source);
  if (typeof location === "string") return `/mnt/${name}: ${location}`;
  const optionFields = readMountOptions(options, location);
  if (typeof optionFields === "string") return `/mnt/${name}: ${optionFields}`;
  return { name, line, mode, ...location, ...optionFields };
}

function splitLastField(text: string): [rest: string, field: string] {
  const end = text.trimEnd();
  let at = end.length;
  while (at > 0 && end.charAt(at - 1).trim() !== "") at--;
  return [end.slice(0, at).trimEnd(), end.slice(at)];
}

type MountSource = Pick<Mount, "kind" | "folder" | "base">;

function readMountSource(source: string): MountSource | string {
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]*):\/\//.exec(source)?.[1]?.toLowerCase();
  if (scheme === undefined) return readFolder(source);
  if (scheme === "file") {
    if (!URL.canParse(source)) return "its file:// URL is not valid";
    const { hostname, pathname } = new URL(source.replaceAll("?", "%3F").replaceAll("#", "%23"));
    if (hostname !== "" && hostname !== "localhost") {
      return "its file:// URL names another computer";
    }
    try {
      return readFolder(decodeURIComponent(pathname).replace(/^\/(?=[A-Za-z]:\/)/, ""));
    } catch {
      return "its file:// URL contains a percent escape that is not valid";
    }
  }
  return scheme === "http" || scheme === "https" ? readBaseUrl(source, scheme) : { kind: scheme };
}

function readFolder(source: string): MountSource | string {
  const folder = source.length > 1 ? source.replace(/\/+$/, "") : source;
  if (!/^(?:\/|[A-Za-z]:\/)/.test(source)) {
    return "its source is neither an absolute path nor scheme://…";
  }
  if (folder === "" || folder === "/" || /^[A-Za-z]:$/.test(folder)) {
    return "a whole disk cannot be mounted; name a folder";
  }
  // deno-lint-ignore no-control-regex -- the pattern must match control characters
  if (/[\u0000-\u001f\\]|\/\/|(?:^|\/)\.\.?(?:\/|$)/.test(folder)) {
    return "the folder contains a control character, a backslash, `//`, `.` or `..`";
  }
  if (folder.length > MAX_FOLDER_LENGTH) {
    return `the path of the folder is longer than ${MAX_FOLDER_LENGTH} characters`;
  }
  // Deno's permission flags take folders as a list separated by commas, without an escape.
  if (folder.includes(",")) return "the path of the folder contains a comma";
  // The folders of a plugin are shown to every caller.
  if (/bearer\s*=/i.test(folder)) return "the option bearer=… is in the field of the source";
  if (SYSTEM_FOLDERS.some((system) => folder === system || folder.startsWith(`${system}/`))) {
    return "/proc, /sys and /dev cannot be mounted";
  }
  return { kind: "file", folder };
}

function readBaseUrl(source: string, kind: string): MountSource | string {
  if (!URL.canParse(source)) return "its URL is not valid";
  const base = new URL(source);
  if (base.username !== "" || base.password !== "") {
    return "its URL contains a user or a password; use the option bearer=…";
  }
  // A password with a slash: what precedes it would be the host, which the state of the plugin shows.
  if (source.includes("@")) return "its URL contains @; write %40 if it belongs to the path";
  if (base.search !== "" || base.hash !== "") return "its URL contains a query or a fragment";
  if (!isPermittedHost(base.hostname)) return "its host cannot be named in a permission";
  base.pathname = base.pathname.replace(/\/+$/, "");
  return { kind, base };
}

function readMountOptions(
  options: readonly string[],
  { base }: MountSource,
): Pick<Mount, "bearer" | "timeoutMs"> | string {
  let bearer: string | undefined;
  let seconds = TIMEOUT_SECONDS;
  for (const option of options) {
    const equals = option.indexOf("=");
    const key = equals < 0 ? option : option.slice(0, equals);
    const value = equals < 0 ? "" : option.slice(equals + 1);
    if (base !== undefined && key === "bearer") {
      if (!/^[\x21-\x2b\x2d-\x7e]{1,4096}$/.test(value)) return "its bearer is not a token";
      bearer = value;
    } else if (base !== undefined && key === "timeout") {
      seconds = Number(value);
      if (!(seconds >= 0.1 && seconds <= MAX_TIMEOUT_SECONDS)) {
        return `its timeout is not 0.1 to ${MAX_TIMEOUT_SECONDS} seconds`;
      }
    } else {
      return "it has an unknown option; http and https take bearer=… and timeout=…";
    }
  }
  return { ...(bearer === undefined ? {} : { bearer }), timeoutMs: 1000 * seconds };
}
