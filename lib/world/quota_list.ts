/**
 * The content of `/etc/quota`: how much may be stored below a path, or by a credential. Each line is a
 * subject and its limits: `prefix:/home/team bytes:10GiB worlds:1000`, `name:kestrel bytes:1GiB`,
 * `user:ada worlds:100`, `plugin:gpu bytes:1GiB trash:1GiB`. Empty lines and lines that begin with `#` are comments.
 * A list with a malformed line is refused as a whole, because it limits less than the operator meant.
 * Pure.
 */

import { decodeText, splitLines } from "../base/decode_text.ts";
import { MAX_USER_NAME_CHARS } from "../limits.ts";
import { MAX_QUOTA_LINES } from "../usage_limits.ts";
import { isCapabilityName, toCanonicalPrefix } from "./revoked_list.ts";
import { StoreError } from "./store.ts";

/** Name of the world with the list. */
export const QUOTA_WORLD = "etc/quota";

/** One line of the list. */
export interface QuotaRule {
  /** What is limited, as written in the list with the path in canonical form: `prefix:/home/team`. */
  readonly subject: string;
  /** Maximum number of bytes of content; `Infinity` without a limit. */
  readonly bytes: number;
  /** Maximum number of worlds; `Infinity` without a limit. */
  readonly worlds: number;
  /** Bytes in the trash from which on nothing can be added; `Infinity` without a limit. */
  readonly trash: number;
}

/** The parsed list: the rules by subject. */
export type QuotaList = ReadonlyMap<string, QuotaRule>;

/** The list that limits nothing. */
export const NO_QUOTAS: QuotaList = new Map();

/** Begins the subject of a rule for a path and everything below it. */
const PREFIX = "prefix:";
const LINE = /^(prefix:\/.*?|(?:name|user|plugin):\S+)((?:[ \t]+(?:bytes|worlds|trash):\S+)+)$/u;
const LIMIT = /(bytes|worlds|trash):(\S+)/g;
const AMOUNT = /^(0|[1-9]\d{0,15})(KiB|MiB|GiB|TiB)?$/;
const UNITS: ReadonlyMap<string | undefined, number> = new Map([
  [undefined, 1],
  ["KiB", 2 ** 10],
  ["MiB", 2 ** 20],
  ["GiB", 2 ** 30],
  ["TiB", 2 ** 40],
]);
// deno-lint-ignore no-control-regex -- the expression finds control characters
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/;

/**
 * Parses the list.
 *
 * @param body content of `/etc/quota`: UTF-8, or UTF-16 with a byte order mark
 * @returns the rules, or why the list is refused, as the end of a sentence
 */
export function parseQuotaList(body: Uint8Array): QuotaList | { readonly fault: string } {
  const text = decodeText(body);
  if (text === undefined) {
    return { fault: "the content is not text in UTF-8, or in UTF-16 with a byte order mark" };
  }
  const lines = splitLines(text);
  if (lines.length > MAX_QUOTA_LINES) {
    return { fault: `it has ${lines.length} lines; at most ${MAX_QUOTA_LINES} are allowed` };
  }
  const rules = new Map<string, QuotaRule>();
  for (const [at, raw] of lines.entries()) {
    const line = raw.trim();
    if (line === "" || line.startsWith("#")) continue;
    const rule = parseLine(line);
    if (rule === undefined) return { fault: describeLine(at + 1) };
    if (rules.has(rule.subject)) {
      return { fault: `line ${at + 1} is about the same subject as an earlier line` };
    }
    rules.set(rule.subject, rule);
  }
  return rules;
}

/** Returns why the content cannot be stored as `/etc/quota`; undefined if it can. */
export function quotaListFault(body: Uint8Array): string | undefined {
  const parsed = parseQuotaList(body);
  return "fault" in parsed ? parsed.fault : undefined;
}

/**
 * Returns the rules for a world: those of its path and of every collection above it, and that of the
 * caller of its last change.
 *
 * @param name name of the world
 * @param by the caller, as its event names it
 */
export function rulesFor(list: QuotaList, name: string, by: string): QuotaRule[] {
  const found: QuotaRule[] = [];
  const add = (subject: string) => {
    const rule = list.get(subject);
    if (rule !== undefined) found.push(rule);
  };
  add(`${PREFIX}/`);
  for (let end = name.indexOf("/"); end >= 0; end = name.indexOf("/", end + 1)) {
    add(`${PREFIX}/${name.slice(0, end)}`);
  }
  add(`${PREFIX}/${name}`);
  const subject = subjectOfCaller(by);
  if (subject !== undefined) add(subject);
  return found;
}

/**
 * Returns the subject that a caller counts for; undefined if no rule can name it. What is narrowed from
 * a capability counts for its first name, which its holder cannot change.
 *
 * @param by the caller, as events name it: `cap:/home/team#kestrel/junior`, `user:ada`
 */
export function subjectOfCaller(by: string): string | undefined {
  if (by.startsWith("user:") || by.startsWith("plugin:")) return by;
  const mark = by.startsWith("cap:") ? by.indexOf("#") : -1;
  if (mark < 0) return undefined;
  const [first = ""] = by.slice(mark + 1).split("/", 1);
  return isCapabilityName(first) ? `name:${first}` : undefined;
}

/** Returns the path of a rule for a path; undefined for a rule for a credential. */
export function pathOfSubject(subject: string): string | undefined {
  return subject.startsWith(PREFIX) ? subject.slice(PREFIX.length) : undefined;
}

/** What a change needs that a quota does not have. */
export interface QuotaFault {
  readonly subject: string;
  readonly unit: "bytes" | "worlds" | "trash";
  readonly limit: number;
  /** How much is stored, without the change. Not every caller may know it. */
  readonly used: number;
  /** How much the change would add. */
  readonly needed: number;
  /** Bytes of the content that the change would leave. */
  readonly length: number;
}

/**
 * Error of a change that a quota does not allow. The code is `quota`, or `too-large` if the world
 * would be larger than the whole quota.
 */
export class QuotaError extends StoreError {
  constructor(readonly fault: QuotaFault, world: string) {
    const { subject, unit, limit, needed, length } = fault;
    const isLarger = unit === "bytes" && length > limit;
    super(
      isLarger ? "too-large" : "quota",
      unit === "trash"
        ? `the trash of ${subject} has the ${limit} bytes of its quota or more; restore worlds from it, ` +
          "wait until they are deleted for good, or ask the operator to empty it"
        : `the quota of ${subject} is ${limit} ${unit}, and the change needs ${needed} more; ` +
          (isLarger
            ? "send less, or ask the operator to raise it in /etc/quota"
            : describeSpace(fault)),
      world,
    );
  }
}

function describeSpace({ subject, unit }: QuotaFault): string {
  const path = pathOfSubject(subject);
  const which = path === undefined ? `that ${subject} changed last` : `below ${path}`;
  const how = unit === "bytes" ? "delete or shorten worlds" : "delete worlds";
  return `${how} ${which}, or ask the operator to raise it in /etc/quota`;
}

function parseLine(line: string): QuotaRule | undefined {
  const [, written = "", limits = ""] = LINE.exec(line) ?? [];
  const subject = toSubject(written);
  if (subject === undefined) return undefined;
  const amounts = new Map<string, number>();
  for (const [, unit = "", text = ""] of limits.matchAll(LIMIT)) {
    const amount = toAmount(text, unit !== "worlds");
    if (amount === undefined || amounts.has(unit)) return undefined;
    amounts.set(unit, amount);
  }
  const { bytes = Infinity, worlds = Infinity, trash = Infinity } = Object.fromEntries(amounts);
  return amounts.size === 0 ? undefined : { subject, bytes, worlds, trash };
}

function toSubject(written: string): string | undefined {
  if (CONTROL.test(written)) return undefined;
  if (written.startsWith(PREFIX)) {
    const path = toCanonicalPrefix(written.slice(PREFIX.length));
    return path === undefined || / (?:bytes|worlds|trash):/.test(path) ? undefined : PREFIX + path;
  }
  const colon = written.indexOf(":");
  const [kind, value] = [written.slice(0, colon), written.slice(colon + 1)];
  if (value.length === 0 || value.length > MAX_USER_NAME_CHARS) return undefined;
  if (kind === "name" && !isCapabilityName(value)) return undefined;
  return `${kind}:${value.normalize("NFC")}`;
}

function toAmount(text: string, hasUnits: boolean): number | undefined {
  const [, digits, unit] = AMOUNT.exec(text) ?? [];
  if (digits === undefined || unit !== undefined && !hasUnits) return undefined;
  const amount = Number(digits) * (UNITS.get(unit) ?? NaN);
  return Number.isSafeInteger(amount) ? amount : undefined;
}

/** Does not quote the line: the text can get into the log. */
function describeLine(number: number): string {
  return `line ${number} is not a subject and its limits, such as ` +
    "prefix:/home/team bytes:10GiB worlds:1000, name:kestrel bytes:1GiB, user:ada worlds:100";
}
