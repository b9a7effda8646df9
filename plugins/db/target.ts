/** Reads from the URL what is queried: one world or one file, and the parameters of the statement. */

import type { SqlValue } from "../../lib/plugin/realm/sql_types.ts";
import { Problem } from "../kit/problem.ts";
import { fullWorldName, worldNameFault } from "../kit/world_name.ts";

/** What is queried. */
export interface Target {
  /** Name of a world, such as `home/x`; absent for a file. */
  readonly world?: string;
  /** `<mount>/<path>`; absent for a world. */
  readonly file?: string;
  /** Whether the content of the world is the database, and not the world itself. */
  readonly content: boolean;
  /** Values by position or by name. */
  readonly params: readonly SqlValue[] | Readonly<Record<string, SqlValue>>;
}

const ROUTE = "/dev/db";

/**
 * Reads the target and the parameters of a request.
 *
 * @throws {Problem} `bad-query`
 */
export function readTarget({ pathname, searchParams }: URL): Target {
  const targets: { world?: string; file?: string }[] = [];
  const rest = decodeURIComponent(pathname.slice(ROUTE.length + 1));
  if (rest.startsWith("mnt/")) targets.push({ file: rest.slice("mnt/".length) });
  else if (rest !== "") targets.push({ world: worldOf(rest) });
  const values = new Map<string, SqlValue>();
  for (const [key, value] of searchParams) {
    if (key === "world") targets.push({ world: worldOf(value) });
    else if (key === "file") targets.push({ file: value });
    else if (/^[pn]\../s.test(key)) {
      const name = key.slice(2);
      if (values.has(name)) throw badQuery(`the parameter ${name} is given twice`);
      if (value.includes("\0")) {
        throw badQuery(`the parameter ${name} contains a NUL character, where SQLite would end it`);
      }
      values.set(name, key.startsWith("n") ? numberOf(key, value) : value);
    } else if (key !== "sql" && key !== "content") {
      throw badQuery(`?${key} is unknown; use world, file, content, sql, p.<name> and n.<name>`);
    }
  }
  const [target] = targets;
  // A capability is checked against the path only: a second target would not be covered by it.
  if (target === undefined || targets.length > 1) {
    throw badQuery(
      "name one target, as ?world=home/x or ?file=<mount>/<path>, or as " +
        `${ROUTE}/home/x or ${ROUTE}/mnt/<mount>/<path>`,
    );
  }
  const content = searchParams.has("content");
  if (content && target.world === undefined) throw badQuery("?content is for worlds");
  return { ...target, content, params: paramsOf(values) };
}

function worldOf(given: string): string {
  const name = fullWorldName(given);
  const fault = worldNameFault(name);
  if (fault === undefined) return name;
  throw badQuery(`${JSON.stringify(given)} is not the name of a world: ${fault}`);
}

/** A number as SQLite has it: an integer of 64 bits, or a floating-point number. */
function numberOf(key: string, value: string): SqlValue {
  if (/^[-+]?\d{1,19}$/.test(value)) {
    const integer = BigInt(value.replace(/^\+/, ""));
    if (BigInt.asIntN(64, integer) === integer) return integer;
  } else if (/^[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?$/i.test(value)) {
    return Number(value);
  }
  throw badQuery(`?${key}= is ${JSON.stringify(value)}, which is not a number of SQLite`);
}

/** Names that are numbers are positions, counted from 1. */
function paramsOf(values: ReadonlyMap<string, SqlValue>): Target["params"] {
  if (![...values.keys()].some((name) => /^\d+$/.test(name))) return Object.fromEntries(values);
  const positional: SqlValue[] = [];
  for (let position = 1; position <= values.size; position++) {
    const value = values.get(String(position));
    if (value === undefined) {
      throw badQuery("parameters by position are p.1, p.2 and so on, without gaps and names");
    }
    positional.push(value);
  }
  return positional;
}

function badQuery(found: string): Problem {
  return new Problem("bad-query", `Cannot query: ${found}`);
}
