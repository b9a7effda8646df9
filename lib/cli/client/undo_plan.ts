/**
 * Plans the undo of what one caller did: from the events of a period to one plan for each world. Pure;
 * `undo_changes.ts` sends the requests.
 */

import { readProperty } from "./server_client.ts";

/** An event, as a row of `/proc/log/<prefix>/` has it. */
export interface LogRow {
  readonly name: string;
  /** Id of the event in its chain. */
  readonly id: number;
  readonly type: string;
  readonly payload: unknown;
}

/** What must be done for one world. */
export interface UndoPlan {
  /** Name of the world now, or the last one that it had. */
  readonly name: string;
  /** Why nothing can be done; the other fields are then absent. */
  readonly skipped?: string;
  /** Name that it had before; absent if it did not exist, and is deleted. */
  readonly before?: string;
  /** Id in the trash, if it was deleted. */
  readonly trash?: string;
  /** Version that is current now, if it exists; the requests require it. */
  readonly version?: number;
  /** Id of the first event to undo, if content or metadata changed since. */
  readonly firstEvent?: number;
  /** Whether there is nothing to do: the caller created the world and deleted it. */
  readonly isGone?: true;
}

interface Step extends LogRow {
  /** Name of the world before the event. */
  readonly nameBefore: string;
  readonly by: string;
}

/** One world with its events; its name can change. */
interface Subject {
  name: string;
  readonly steps: Step[];
}

/** Events that change a world. */
const CHANGES: ReadonlySet<string> = new Set([
  "stage_written",
  "stage_appended",
  "state_transition",
  "world_moved",
  "world_restored",
  "world_deleted",
]);
/** Events after which content or metadata can differ. */
const CONTENT: ReadonlySet<string> = new Set(["stage_written", "stage_appended"]);

/**
 * Returns whether events of a caller are to be undone.
 *
 * @param wanted a value as `by` shows it, also with `/*` at the end; or `#name`, which matches every
 * capability whose last name it is, and `#name/*`, which also matches what was narrowed from those
 */
export function matchesBy(wanted: string, by: string): boolean {
  const isOpen = wanted.endsWith("/*");
  const whole = isOpen ? wanted.slice(0, -2) : wanted;
  if (!whole.startsWith("#")) return by === whole || isOpen && by.startsWith(`${whole}/`);
  const names = /^cap:[^#]*#(.*)$/.exec(by)?.[1];
  if (names === undefined) return false;
  const [all, tail] = [`/${names}`, `/${whole.slice(1)}`];
  return all.endsWith(tail) || isOpen && all.includes(`${tail}/`);
}

/**
 * Plans the undo of a caller's events.
 *
 * @param rows all events of the period, of every caller, oldest first
 * @param isOwn whether the events of a caller are to be undone
 * @returns one plan for each world that the caller changed, in the order in which they must be done
 */
export function planUndo(
  rows: readonly LogRow[],
  isOwn: (by: string) => boolean,
): readonly UndoPlan[] {
  const subjects: Subject[] = [];
  const current = new Map<string, Subject>();
  const ended: Subject[] = [];
  for (const row of rows) {
    if (!CHANGES.has(row.type)) continue;
    const by = textOf(row.payload, "by");
    const isCarried = row.type === "world_moved" && textOf(row.payload, "to") === `/${row.name}`;
    const from = isCarried ? textOf(row.payload, "from").slice(1) : row.name;
    let subject = row.id === 1 ? undefined : current.get(from) ?? findEnded(ended, row, from);
    if (subject === undefined) {
      subject = { name: from, steps: [] };
      subjects.push(subject);
    }
    subject.steps.push({ ...row, nameBefore: subject.name, by });
    subject.name = row.name;
    if (from !== row.name) current.delete(from);
    if (row.type === "world_deleted") {
      current.delete(row.name);
      ended.push(subject);
    } else current.set(row.name, subject);
  }
  // Newest first: a world that was created where another one was deleted must leave its name.
  return subjects.reverse().flatMap((subject) => planSubject(subject, isOwn) ?? []);
}

/** The deleted world that an event restores: the ids of the events of one chain have no gap. */
function findEnded(
  ended: readonly Subject[],
  { id }: LogRow,
  name: string,
): Subject | undefined {
  return ended.findLast((subject) => subject.name === name && subject.steps.at(-1)?.id === id - 1);
}

function planSubject(
  { name, steps }: Subject,
  isOwn: (by: string) => boolean,
): UndoPlan | undefined {
  const at = steps.findIndex(({ by }) => isOwn(by));
  const first = steps[at];
  const last = steps.at(-1);
  if (first === undefined || last === undefined) return undefined;
  const later = steps.slice(at);
  const other = later.find(({ by }) => !isOwn(by));
  if (other !== undefined) {
    return { name, skipped: `${other.by || "another caller"} changed it since` };
  }
  if (first.nameBefore === "**" || first.nameBefore === "***") {
    return { name, skipped: "the name that it had cannot be read" };
  }
  const isDeleted = last.type === "world_deleted";
  const version = later.map(({ payload }) => readProperty(payload, "version_after"))
    .findLast((found) => typeof found === "number");
  const now = isDeleted
    ? { trash: textOf(last.payload, "trash") }
    : typeof version === "number"
    ? { version }
    : {};
  // Under another name, a restore has the event of a move before its own.
  const isRestored = later.slice(0, 2).some(({ type }) => type === "world_restored") &&
    first.type !== "world_deleted" && !CONTENT.has(first.type);
  if (first.id === 1 || isRestored) {
    return isDeleted ? { name, isGone: true } : { name, ...now };
  }
  const isChanged = later.some(({ type }) => CONTENT.has(type));
  const content = isChanged ? { firstEvent: first.id } : {};
  return { name, before: first.nameBefore, ...now, ...content };
}

function textOf(payload: unknown, name: string): string {
  const found = readProperty(payload, name);
  return typeof found === "string" ? found : "";
}
