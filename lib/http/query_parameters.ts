/**
 * The query parameters that a route takes, and the check of a query against them. A parameter that
 * the server ignores can do harm: `DELETE /home/x?at=1` would delete the current version. A query is
 * therefore refused if it contains an unknown parameter, a parameter twice, a value that is not
 * valid, or two parameters that exclude each other. Pure functions of strings.
 */

import { parseRfc3339 } from "../base/rfc3339.ts";
import { findNearestName } from "../base/nearest_name.ts";

/** One query parameter. */
export interface QueryParameter {
  readonly name: string;
  /** What a value must be, as the end of "send …": `a version number, such as ?at=3`. */
  readonly accepts: string;
  /** Whether the decoded value is valid; `""` for a parameter without a value. */
  readonly isValid: (value: string) => boolean;
  /** Names of parameters that cannot be in the same query. */
  readonly excludes?: readonly string[];
  /** True if the handler refuses it with a better problem; it is not shown as a known parameter. */
  readonly hidden?: true;
}

/** The parameters by method. Those of GET are also those of HEAD. */
export type ParametersByMethod = Readonly<Record<string, readonly QueryParameter[]>>;

/** What one kind of route takes. */
export interface RouteQuery {
  /** A method without an entry takes no parameters. */
  readonly methods: ParametersByMethod;
  /** A similar kind of route, to explain a parameter that only that kind takes. */
  readonly similar?: {
    /** Its paths in the plural: `collections, whose path ends in a slash`. */
    readonly paths: string;
    readonly methods: ParametersByMethod;
  };
}

/** Values of a parameter that needs none. Libraries send `raw=`, `raw=1` or `raw=true`. */
const FLAG_VALUES: ReadonlySet<string> = new Set(["", "1", "true"]);
/** Most insertions, deletions and replacements of a misspelt name. */
const MAX_MISSPELT_CHARS = 2;
/** Longest part of a name or a value that a problem quotes. */
const QUOTED_CHARS = 40;
const NO_PARAMETERS: readonly QueryParameter[] = [];
const HTML_FIRST = /^[ \t]*text\/html[ \t]*(?:[;,]|$)/i;

/**
 * Creates a parameter without a value, such as `?raw`. The values `1` and `true` are allowed, others
 * are not: `?raw=false` must not mean `?raw`.
 *
 * @param name its name
 *
 * @example
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 * import { flagParameter } from "./query_parameters.ts";
 *
 * const raw = flagParameter("raw");
 * deepStrictEqual([raw.isValid(""), raw.isValid("false")], [true, false]);
 * ```
 */
export function flagParameter(name: string): QueryParameter {
  return {
    name,
    accepts: `?${name} without a value, or leave it out`,
    isValid: (value) => FLAG_VALUES.has(value),
  };
}

/**
 * Creates a parameter that is a whole number.
 *
 * @param name its name
 * @param accepts what it must be: `a version number, such as ?at=3`
 * @param min smallest valid value
 * @param max largest valid value
 *
 * @example
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 * import { numberParameter } from "./query_parameters.ts";
 *
 * const limit = numberParameter("limit", "a whole number from 1 to 100", 1, 100);
 * deepStrictEqual([limit.isValid("20"), limit.isValid("0"), limit.isValid("1e1")], [true, false, false]);
 * ```
 */
export function numberParameter(
  name: string,
  accepts: string,
  min = 0,
  max = Number.MAX_SAFE_INTEGER,
): QueryParameter {
  return {
    name,
    accepts,
    isValid: (value) => /^\d{1,15}$/.test(value) && Number(value) >= min && Number(value) <= max,
  };
}

/**
 * Creates a parameter that is a time of RFC 3339.
 *
 * @param name its name
 *
 * @example
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 * import { timeParameter } from "./query_parameters.ts";
 *
 * const since = timeParameter("since");
 * deepStrictEqual([since.isValid("2026-11-28T10:00:00Z"), since.isValid("10:00")], [true, false]);
 * ```
 */
export function timeParameter(name: string): QueryParameter {
  return {
    name,
    accepts: `a time of RFC 3339, such as ?${name}=2026-11-28T10:00:00Z, with %2B for a plus sign`,
    isValid: (value) => parseRfc3339(value) !== undefined,
  };
}

/**
 * Creates a parameter whose value is one of some words.
 *
 * @param name its name
 * @param words the valid values, at least two
 *
 * @example
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 * import { choiceParameter } from "./query_parameters.ts";
 *
 * const sort = choiceParameter("sort", ["name", "time"]);
 * deepStrictEqual([sort.isValid("time"), sort.isValid("size")], [true, false]);
 * ```
 */
export function choiceParameter(name: string, words: readonly string[]): QueryParameter {
  return {
    name,
    accepts: `?${name}= with ${words.slice(0, -1).join(", ")} or ${words.at(-1)}`,
    isValid: (value) => words.includes(value),
  };
}

/**
 * Creates a parameter with any text as its value. The handler of the route validates it.
 *
 * @param name its name
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { textParameter } from "./query_parameters.ts";
 *
 * strictEqual(textParameter("prefix").isValid("/home/x"), true);
 * ```
 */
export function textParameter(name: string): QueryParameter {
  return { name, accepts: "a text", isValid: () => true };
}

/**
 * Checks a query against the parameters of a route. Names are compared as they are encoded, so
 * `%72aw` is unknown. An empty part between two `&` is not a parameter.
 *
 * @param query the query without `?`, still encoded
 * @param method method of the request
 * @param route what the route takes
 * @returns why the query is refused, as the end of a sentence; undefined if it is allowed
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { flagParameter, queryFault } from "./query_parameters.ts";
 *
 * const route = { methods: { GET: [flagParameter("raw")] } };
 * strictEqual(queryFault("raw", "GET", route), undefined);
 * strictEqual(queryFault("raw&raw", "GET", route), "?raw was sent twice; send it once");
 * strictEqual(queryFault("rwa", "GET", route), "?rwa is unknown, perhaps ?raw was meant; GET takes ?raw");
 * strictEqual(queryFault("raw", "PUT", route), "?raw is for GET; PUT takes no parameters");
 * ```
 */
export function queryFault(query: string, method: string, route: RouteQuery): string | undefined {
  const known = parametersOf(route.methods, method);
  const found = new Map<string, QueryParameter>();
  for (const pair of query.split("&")) {
    if (pair === "") continue;
    const equals = pair.indexOf("=");
    const name = equals < 0 ? pair : pair.slice(0, equals);
    const parameter = known.find((candidate) => candidate.name === name);
    if (parameter === undefined) return unknownFault(name, method, route);
    if (found.has(name)) return `?${name} was sent twice; send it once`;
    found.set(name, parameter);
    const encoded = equals < 0 ? "" : pair.slice(equals + 1);
    const value = decodeValue(encoded);
    if (value === undefined) {
      return `the percent escapes in ?${name} are malformed; send percent-encoded UTF-8`;
    }
    if (!parameter.isValid(value)) {
      return `?${name}=${encoded.slice(0, QUOTED_CHARS)} is not valid; send ${parameter.accepts}`;
    }
  }
  for (const { name, excludes = [] } of found.values()) {
    const other = excludes.find((excluded) => found.has(excluded));
    if (other !== undefined) return `?${name} and ?${other} exclude each other; send one of them`;
  }
  return undefined;
}

/**
 * Checks whether a request is the navigation of a browser: a GET or HEAD whose Accept header starts
 * with `text/html`. Other sites append parameters of their own to links.
 *
 * @param method method of the request
 * @param accept value of the Accept header, or null if it was not sent
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { isPageRequest } from "./query_parameters.ts";
 *
 * strictEqual(isPageRequest("GET", "text/html,application/xhtml+xml;q=0.9"), true);
 * strictEqual(isPageRequest("GET", "application/json, text/html"), false);
 * strictEqual(isPageRequest("DELETE", "text/html"), false);
 * ```
 */
export function isPageRequest(method: string, accept: string | null): boolean {
  return (method === "GET" || method === "HEAD") && accept !== null && HTML_FIRST.test(accept);
}

function parametersOf(methods: ParametersByMethod, method: string): readonly QueryParameter[] {
  const name = method === "HEAD" ? "GET" : method;
  // A method is a text from outside: `constructor` must not find the prototype.
  return Object.hasOwn(methods, name) ? methods[name] ?? NO_PARAMETERS : NO_PARAMETERS;
}

/** Explains a name that the method does not take, with the names that it takes. */
function unknownFault(sent: string, method: string, { methods, similar }: RouteQuery): string {
  const shown = parametersOf(methods, method).filter(({ hidden }) => hidden !== true)
    .map(({ name }) => name);
  // The same text for HEAD as for GET, so that both have the same length.
  const taken = `${method === "HEAD" ? "GET" : method} takes ${
    shown.length === 0 ? "no parameters" : joinWords(shown.map((name) => `?${name}`))
  }`;
  const name = sent.slice(0, QUOTED_CHARS);
  const elsewhere = methodsWith(methods, sent);
  if (elsewhere.length > 0) return `?${name} is for ${joinWords(elsewhere)}; ${taken}`;
  const ofSimilar = similar === undefined ? [] : methodsWith(similar.methods, sent);
  if (similar !== undefined && ofSimilar.length > 0) {
    return `?${name} is for ${joinWords(ofSimilar)} of ${similar.paths}; ${taken}`;
  }
  if (sent === "") return `a parameter has no name; ${taken}`;
  const nearest = shown.length === 0 ? undefined : findNearestName(name, shown);
  const isMisspelt = nearest !== undefined && nearest.distance <= MAX_MISSPELT_CHARS &&
    nearest.distance < Math.min(name.length, nearest.name.length);
  return `?${name} is unknown${isMisspelt ? `, perhaps ?${nearest.name} was meant` : ""}; ${taken}`;
}

/** The methods that take a parameter. */
function methodsWith(methods: ParametersByMethod, sent: string): string[] {
  return Object.entries(methods).filter(([, parameters]) =>
    parameters.some(({ name, hidden }) => name === sent && hidden !== true)
  ).map(([method]) => method);
}

function joinWords(words: readonly string[]): string {
  return words.length < 2
    ? words.join("")
    : `${words.slice(0, -1).join(", ")} and ${words.at(-1) ?? ""}`;
}

function decodeValue(encoded: string): string | undefined {
  try {
    return decodeURIComponent(encoded.replaceAll("+", " "));
  } catch {
    return undefined;
  }
}
