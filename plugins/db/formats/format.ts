/** The formats of a result, and how Accept chooses one. */

import type { SqlResult } from "../../../lib/plugin/realm/sql_types.ts";
import { chooseType } from "../../kit/accept.ts";
import { Problem } from "../../kit/problem.ts";
import { formatCsv } from "./csv.ts";
import { formatJson, formatNdjson } from "./json.ts";
import { formatTable } from "./table.ts";

/** Name of a format. */
export type FormatName = "json" | "csv" | "table" | "ndjson";

/** Content-Type and writer of each format. */
export const FORMATS: Readonly<
  Record<FormatName, { readonly type: string; readonly write: (result: SqlResult) => string }>
> = {
  json: { type: "application/json", write: formatJson },
  csv: { type: "text/csv; charset=utf-8; header=present", write: formatCsv },
  table: { type: "text/plain; charset=utf-8", write: formatTable },
  ndjson: { type: "application/x-ndjson", write: formatNdjson },
};

/** Media types by which a format can be chosen; the first is the default. */
const FORMAT_BY_TYPE: ReadonlyMap<string, FormatName> = new Map([
  ["application/json", "json"],
  ["text/plain", "table"],
  ["text/csv", "csv"],
  ["application/x-ndjson", "ndjson"],
  ["application/ndjson", "ndjson"],
  ["application/jsonl", "ndjson"],
]);

/**
 * Chooses the format of a response.
 *
 * @param accept value of the Accept header, or null
 * @throws {Problem} `not-acceptable`
 */
export function chooseFormat(accept: string | null): FormatName {
  const format = FORMAT_BY_TYPE.get(chooseType(accept, [...FORMAT_BY_TYPE.keys()]) ?? "");
  if (format !== undefined) return format;
  throw new Problem(
    "not-acceptable",
    "Cannot send a format that Accept allows; available: application/json, " +
      "application/x-ndjson, text/csv, text/plain",
  );
}
