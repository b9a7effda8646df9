/**
 * Cron expressions of plugins: five fields (minute, hour, day of the month, month, day of the week) in
 * UTC, each with lists, ranges and steps, and names of months and days. Pure.
 */

import { Cron } from "../../deps/croner.ts";

/** The characters of one field, without extensions such as `L`, `W`, `#` and `?`. */
const FIELD = /^[0-9*,/-]+$/;
/** The fields with their smallest and largest numbers; 0 and 7 are Sunday. */
const FIELDS = [
  ["minute", 0, 59],
  ["hour", 0, 23],
  ["day of the month", 1, 31],
  ["month", 1, 12],
  ["day of the week", 0, 7],
] as const;
const NAMES = /jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|sun|mon|tue|wed|thu|fri|sat/gi;

/**
 * Explains why a text is not a cron expression.
 *
 * @returns a clause for an error message, or undefined if it is valid
 */
export function cronFault(expression: string): string | undefined {
  const fields = expression.split(" ");
  if (fields.length !== FIELDS.length) {
    return `it must have five fields: ${FIELDS.map(([name]) => name).join(", ")}`;
  }
  const wrong = fields.find((field) => !FIELD.test(field.replace(NAMES, "1")));
  if (wrong !== undefined) {
    return `the field ${JSON.stringify(wrong)} may have numbers, names, "*", ",", "-" and "/" only`;
  }
  for (const [at, [name, least, most]] of FIELDS.entries()) {
    // The number after a slash is a step.
    const numbers = fields[at]?.replace(/\/[0-9]+/g, "").match(/[0-9]+/g) ?? [];
    const number = numbers.find((text) => Number(text) < least || Number(text) > most);
    if (number !== undefined) return `the ${name} ${number} must be from ${least} to ${most}`;
  }
  let first: number | undefined;
  try {
    first = findNextRun(expression, 0);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  return first === undefined ? "it never matches a date" : undefined;
}

/**
 * Finds the next time that an expression matches.
 *
 * @param expression a valid cron expression
 * @param after Unix milliseconds; the result is later
 * @returns Unix milliseconds of a whole minute, or undefined if there is none
 */
export function findNextRun(expression: string, after: number): number | undefined {
  const cron = new Cron(expression, { paused: true, utcOffset: 0 });
  return cron.nextRun(new Date(after))?.getTime();
}
