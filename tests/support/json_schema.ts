/**
 * Judges a value by a JSON Schema (draft 2020-12), as far as the machine's own description uses it. A
 * keyword that it does not know is an error of the schema, so that nothing is believed to be checked
 * that is not.
 */

type Schema = { readonly [keyword: string]: unknown };

/** Annotations, which judge nothing. */
const SILENT = new Set(["description", "$ref"]);

/**
 * What is wrong with a value, each with the place where; empty when nothing is.
 *
 * @param root the document in which `$ref` finds its targets
 */
export function schemaFaults(schema: unknown, value: unknown, root: unknown, at = "$"): string[] {
  const faults: string[] = [];
  const own = record(schema, at);
  for (const [keyword, given] of Object.entries(own)) {
    if (keyword === "$ref") {
      faults.push(...schemaFaults(resolve(String(given), root), value, root, at));
    }
    if (SILENT.has(keyword)) continue;
    const judge = KEYWORDS[keyword];
    if (judge === undefined) {
      throw new Error(`The schema at ${at} holds ${keyword}, which nobody checks`);
    }
    faults.push(...judge(given, value, at, own, root));
  }
  return faults;
}

/** What a reference leads to. */
export function resolve(ref: string, root: unknown): unknown {
  let found: unknown = root;
  for (const part of ref.replace(/^#\//, "").split("/")) {
    const name = part.replaceAll("~1", "/").replaceAll("~0", "~");
    const here = record(found, ref);
    if (!Object.hasOwn(here, name)) throw new Error(`${ref} leads nowhere`);
    found = here[name];
  }
  return found;
}

type Judge = (
  given: unknown,
  value: unknown,
  at: string,
  schema: Schema,
  root: unknown,
) => string[];

const KEYWORDS: Readonly<Record<string, Judge>> = {
  type: (given, value, at) => hasType(String(given), value) ? [] : [`${at} is no ${given}`],
  const: (given, value, at) => value === given ? [] : [`${at} is not ${given}`],
  enum: (given, value, at) =>
    Array.isArray(given) && given.includes(value) ? [] : [`${at} is none of ${given}: ${value}`],
  pattern: (given, value, at) =>
    typeof value !== "string" || new RegExp(String(given), "u").test(value)
      ? []
      : [`${at} does not fit ${given}: ${JSON.stringify(value.slice(0, 80))}`],
  format: (given, value, at) => {
    if (given === "binary") return [];
    if (given !== "date-time") throw new Error(`Nobody checks the format ${given}`);
    return typeof value !== "string" || /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(value)
      ? []
      : [`${at} is no time: ${value}`];
  },
  minLength: (given, value, at) =>
    typeof value !== "string" || value.length >= Number(given) ? [] : [`${at} is too short`],
  minimum: (given, value, at) =>
    typeof value !== "number" || value >= Number(given)
      ? []
      : [`${at} is below ${given}: ${value}`],
  maximum: (given, value, at) =>
    typeof value !== "number" || value <= Number(given)
      ? []
      : [`${at} is above ${given}: ${value}`],
  required: (given, value, at) =>
    isObject(value) && Array.isArray(given)
      ? given.filter((name) => !Object.hasOwn(value, name)).map((name) => `${at} lacks ${name}`)
      : [],
  items: (given, value, at, _, root) =>
    Array.isArray(value)
      ? value.flatMap((item, i) => schemaFaults(given, item, root, `${at}[${i}]`))
      : [],
  properties: (given, value, at, _, root) => {
    if (!isObject(value)) return [];
    return Object.entries(record(given, at)).flatMap(([name, schema]) =>
      Object.hasOwn(value, name) ? schemaFaults(schema, value[name], root, `${at}.${name}`) : []
    );
  },
  additionalProperties: (given, value, at, schema, root) => {
    if (!isObject(value)) return [];
    const known = isObject(schema.properties) ? schema.properties : {};
    const more = Object.keys(value).filter((name) => !Object.hasOwn(known, name));
    if (given === false) return more.map((name) => `${at} has ${name}, which is not described`);
    return more.flatMap((name) => schemaFaults(given, value[name], root, `${at}.${name}`));
  },
};

function hasType(type: string, value: unknown): boolean {
  switch (type) {
    case "object":
      return isObject(value);
    case "array":
      return Array.isArray(value);
    case "integer":
      return Number.isInteger(value);
    case "number":
      return typeof value === "number";
    case "string":
      return typeof value === "string";
    case "boolean":
      return typeof value === "boolean";
    default:
      throw new Error(`Nobody checks the type ${type}`);
  }
}

function isObject(value: unknown): value is Schema {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function record(value: unknown, at: string): Schema {
  if (isObject(value)) return value;
  throw new Error(`There is no schema at ${at}`);
}
