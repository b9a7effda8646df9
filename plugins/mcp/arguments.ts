/** Arguments of a tool: checked against the JSON Schema that clients see, and read with their types. */

import { isRecord } from "../kit/json_record.ts";
import type { Members } from "./json_rpc.ts";

/** Schema of one argument: the part of JSON Schema 2020-12 that the tools use. */
export interface ArgumentSchema {
  readonly type: "string" | "integer" | "boolean" | "array" | "object";
  readonly description?: string;
  readonly enum?: readonly string[];
  readonly minLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minItems?: number;
  readonly items?: ArgumentSchema;
  readonly properties?: Readonly<Record<string, ArgumentSchema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: false;
}

/** A tool cannot run with its arguments; the message says what would be sufficient. */
export class ArgumentFault extends Error {
  override readonly name = "ArgumentFault";
}

/** The arguments of one call. */
export class ToolArguments {
  readonly #values: Members;

  /**
   * @param values what the client sent
   * @throws {ArgumentFault} the values do not match the schema
   */
  constructor(schema: ArgumentSchema, values: Members) {
    const fault = schemaFault(schema, values, "");
    if (fault !== undefined) throw new ArgumentFault(fault);
    this.#values = values;
  }

  /** Returns a required text. */
  required(name: string): string {
    return this.text(name) ?? "";
  }

  /** Returns a text; undefined if it was not sent. */
  text(name: string): string | undefined {
    const value = this.#values[name];
    return typeof value === "string" ? value : undefined;
  }

  /** Returns an integer; undefined if it was not sent. */
  integer(name: string): number | undefined {
    const value = this.#values[name];
    return typeof value === "number" ? value : undefined;
  }

  /** Returns whether a flag is set. */
  flag(name: string): boolean {
    return this.#values[name] === true;
  }

  /** Returns the objects of a list. */
  list(name: string): readonly Members[] {
    const value = this.#values[name];
    return Array.isArray(value) ? value.filter(isRecord) : [];
  }
}

/** The sentence about the first value that does not match a schema; undefined if all match. */
function schemaFault(schema: ArgumentSchema, value: unknown, at: string): string | undefined {
  const name = at === "" ? "the arguments" : `"${at}"`;
  if (!hasType(schema.type, value)) return `${name} must be of type ${schema.type}`;
  if (typeof value === "string") return textFault(schema, value, name);
  if (typeof value === "number") {
    const { minimum = -Infinity, maximum = Infinity } = schema;
    if (value >= minimum && value <= maximum) return undefined;
    const range = maximum === Infinity ? `at least ${minimum}` : `${minimum} to ${maximum}`;
    return `${name} is ${value}; ${range} is possible`;
  }
  if (Array.isArray(value)) return itemsFault(schema, value, at);
  return isRecord(value) ? membersFault(schema, value, at) : undefined;
}

function textFault(
  { enum: choices, minLength = 0 }: ArgumentSchema,
  value: string,
  name: string,
): string | undefined {
  if (value.length < minLength) return `${name} is empty`;
  // UTF-8 cannot contain it, so another text than the one that was sent would be stored.
  if (!value.isWellFormed()) return `${name} has half a surrogate pair`;
  if (choices === undefined || choices.includes(value)) return undefined;
  return `${name} must be one of ${choices.join(", ")}`;
}

function itemsFault(
  { items, minItems = 0 }: ArgumentSchema,
  values: readonly unknown[],
  at: string,
): string | undefined {
  if (values.length < minItems) return `"${at}" needs at least ${minItems} entry`;
  for (const [i, value] of values.entries()) {
    const fault = items && schemaFault(items, value, `${at}[${i}]`);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

function membersFault(
  { properties = {}, required = [] }: ArgumentSchema,
  value: Members,
  at: string,
): string | undefined {
  const path = (name: string): string => at === "" ? name : `${at}.${name}`;
  for (const name of Object.keys(value)) {
    if (Object.hasOwn(properties, name)) continue;
    const known = Object.keys(properties).join(", ");
    return `"${path(name.slice(0, 40))}" is unknown; the known names are ${known}`;
  }
  const missing = required.find((name) => value[name] === undefined);
  if (missing !== undefined) return `"${path(missing)}" is missing`;
  for (const [name, schema] of Object.entries(properties)) {
    if (value[name] === undefined) continue;
    const fault = schemaFault(schema, value[name], path(name));
    if (fault !== undefined) return fault;
  }
  return undefined;
}

function hasType(type: ArgumentSchema["type"], value: unknown): boolean {
  switch (type) {
    case "string":
      return typeof value === "string";
    case "boolean":
      return typeof value === "boolean";
    case "integer":
      return Number.isSafeInteger(value);
    case "array":
      return Array.isArray(value);
    case "object":
      return isRecord(value);
  }
}
