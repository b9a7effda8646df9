/**
 * Validates values against the JSON Schemas (draft 2020-12) of an OpenAPI document, with `ajv` in its
 * strict mode: an unknown keyword or format is an error of the schema.
 */
import { Ajv2020, type ValidateFunction } from "./ajv.ts";

/** A timestamp with milliseconds in UTC, the only form that the server sends. */
const DATE_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

const compiled = new WeakMap<object, ValidateFunction>();

/**
 * Lists what is wrong with a value.
 *
 * @param schema a schema, whose references begin with `#/components/`
 * @param root the document with the member `components`
 * @returns one line per fault with its place in the value; empty if the value is valid
 */
export function schemaFaults(schema: unknown, value: unknown, root: unknown): string[] {
  const own = schema as Record<string, unknown>;
  let validate = compiled.get(own);
  if (validate === undefined) {
    const ajv = new Ajv2020({ allErrors: true, strict: true, strictRequired: false });
    ajv.addVocabulary(["components"]);
    ajv.addFormat("date-time", DATE_TIME);
    ajv.addFormat("binary", true);
    validate = ajv.compile({ ...own, components: record(root, "the document").components });
    compiled.set(own, validate);
  }
  if (validate(value)) return [];
  return (validate.errors ?? []).map(({ instancePath, message, params }) =>
    `$${instancePath} ${message} ${JSON.stringify(params)}`
  );
}

/**
 * Follows a reference.
 *
 * @param ref JSON pointer in a fragment, such as `#/components/schemas/World`
 * @throws {Error} if the document has no such member
 */
export function resolve(ref: string, root: unknown): unknown {
  let found: unknown = root;
  for (const part of ref.replace(/^#\//, "").split("/")) {
    const name = part.replaceAll("~1", "/").replaceAll("~0", "~");
    const here = record(found, ref);
    if (!Object.hasOwn(here, name)) throw new Error(`Cannot follow ${ref}: there is no ${name}`);
    found = here[name];
  }
  return found;
}

function record(value: unknown, what: string): Record<string, unknown> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return { ...value };
  throw new TypeError(`Cannot read ${what}: it is not an object`);
}
