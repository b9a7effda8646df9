/** Chooses the format of a shape by `Accept`, and whether it is streamed. Pure. */

import { acceptableTypes, parseAccept } from "../kit/accept.ts";
import { Problem } from "../kit/problem.ts";
import type { Format } from "./formats/format.ts";
import { FORMATS } from "./formats/formats.ts";

const FORMAT_TYPES = FORMATS.map(({ type }) => type);
const EVENT_STREAM = "text/event-stream";
/** Accept headers whose result is cached, and the longest of them in characters. */
const CACHE_ENTRIES = 256;
const MAX_CACHED_LENGTH = 512;

/** What `Accept` selects. */
export interface FormatChoice {
  readonly format: Format;
  /** True for server-sent events whose text has the format. */
  readonly isStream: boolean;
  /**
   * True if `text/plain` is named and ranked before every other media type, also before those that no
   * shape has, so that the source itself can be sent if there is no shape.
   */
  readonly acceptsSource: boolean;
}

const formatCache = new Map<string, FormatChoice>();

/**
 * Chooses the format. Results are cached, because most clients send one of a few headers.
 *
 * @param accept value of the Accept header, or null
 * @throws {Problem} `not-acceptable` if no format is allowed; `bad-header` for a stream without an
 * inner media type
 */
export function negotiateFormat(accept: string | null): FormatChoice {
  const header = accept ?? "";
  const cached = formatCache.get(header);
  if (cached !== undefined) return cached;
  const choice = chooseFormat(header);
  if (header.length <= MAX_CACHED_LENGTH) {
    if (formatCache.size >= CACHE_ENTRIES) formatCache.clear();
    formatCache.set(header, choice);
  }
  return choice;
}

function chooseFormat(accept: string): FormatChoice {
  const isStream = acceptableTypes(accept, [EVENT_STREAM])[0]?.range === EVENT_STREAM;
  if (isStream && parseAccept(accept).every(({ range }) => range === EVENT_STREAM)) {
    throw new Problem(
      "bad-header",
      `Cannot choose a format: Accept is only ${EVENT_STREAM}; add the media type of the text, as ` +
        `in ${EVENT_STREAM}, text/html`,
    );
  }
  const [choice] = acceptableTypes(accept, FORMAT_TYPES);
  const format = FORMATS.find(({ type }) => type === choice?.type);
  if (choice === undefined || format === undefined) {
    throw new Problem(
      "not-acceptable",
      `Cannot choose a format: Accept allows none of ${FORMAT_TYPES.join(", ")}`,
    );
  }
  const acceptsSource = choice.range === "text/plain" && firstRange(accept) === "text/plain";
  return { format, isStream, acceptsSource };
}

/** Returns the media range that the client ranks first: by weight, specificity and order. */
function firstRange(accept: string): string | undefined {
  const specificity = (range: string): number => range === "*/*" ? 0 : range.endsWith("/*") ? 1 : 2;
  return parseAccept(accept)
    .filter(({ range, q }) => q > 0 && range !== EVENT_STREAM)
    .sort((a, b) => b.q - a.q || specificity(b.range) - specificity(a.range))[0]?.range;
}
