/** Reads the log of a plugin from a running server: the lines that are kept, and later ones as they come. */

import { sanitizeText } from "../../base/sanitize_text.ts";
import { createParser } from "../../deps/eventsource_parser.ts";
import { encodePath } from "../../http/path.ts";
import {
  type ClientResponse,
  readProperty,
  type ServerClient,
  UnreachableError,
} from "./server_client.ts";

/** A line of the log, as the server sends it. */
export interface ReceivedLine {
  readonly id: string;
  /** The line for a terminal: time, level, version of the source, text. */
  readonly text: string;
}

/** A line for a terminal, where each line of a stack has its own row. */
export function unfoldLine({ text }: ReceivedLine): string {
  return text.replaceAll("\\n", "\n");
}

/** Pause before a stream that ended is opened again, in milliseconds. */
const RECONNECT_MS = 500;

/** The log of a plugin on a server. */
export interface LogRequest {
  readonly client: ServerClient;
  /** Name of the plugin, such as `gpu`. */
  readonly name: string;
  readonly credential: string | undefined;
}

/**
 * Reads the last lines.
 *
 * @param limit most lines
 * @returns the lines, or the response that refused them
 * @throws {UnreachableError}
 */
export async function readLogLines(
  { client, name, credential }: LogRequest,
  limit: number,
): Promise<readonly ReceivedLine[] | { readonly refused: ClientResponse }> {
  const response = await client.request("GET", `${pathOf(name)}?limit=${limit}`, {
    credential,
    // Also of a node that has lost the database, for as long as its memory answers.
    headers: { accept: "application/json", "cache-control": "max-stale" },
  });
  const { status, json } = response;
  if (status !== 200 || !Array.isArray(json)) return { refused: response };
  return json.map(parseLine).filter((line) => line !== undefined);
}

/**
 * Follows the log until the signal. A stream that ends, such as at a restart of the server, is opened
 * again and continues after the last line.
 *
 * @param after id of the last line that is known; undefined for all lines that are kept
 * @param onLine receives each line
 * @returns the response that refused the stream, or undefined after the signal
 * @throws {UnreachableError} if the server cannot be reached at the first attempt
 */
export async function followLog(
  { client, name, credential }: LogRequest,
  after: string | undefined,
  signal: AbortSignal,
  onLine: (line: ReceivedLine) => void,
): Promise<{ readonly status: number; readonly text: string; readonly json: unknown } | undefined> {
  let last = after;
  for (let isFirst = true; !signal.aborted; isFirst = false) {
    try {
      const response = await client.open(`/stream${pathOf(name)}`, {
        credential,
        headers: last === undefined ? {} : { "last-event-id": last },
        signal,
      });
      if (response.status !== 200 || response.body === null) {
        const text = await response.text();
        // A server that starts again, or one with too many streams, accepts it later.
        if (response.status < 500 && response.status !== 429) {
          return { status: response.status, text, json: parseJson(text) };
        }
      } else {
        const parser = createParser({
          onEvent({ data }) {
            const line = parseLine(parseJson(data));
            if (line === undefined) return;
            last = line.id;
            onLine(line);
          },
        });
        const decoded = response.body.pipeThrough(new TextDecoderStream());
        for await (const text of decoded) parser.feed(text);
      }
    } catch (error) {
      if (signal.aborted) return undefined;
      if (error instanceof UnreachableError && isFirst) throw error;
      // The connection was lost; the next attempt continues after the last line.
    }
    await pause(RECONNECT_MS, signal);
  }
  return undefined;
}

function pathOf(name: string): string {
  return `/proc/plugins/${encodePath(name)}/log`;
}

/** Validates a line. Its texts come from a plugin, so they are sanitized. */
function parseLine(value: unknown): ReceivedLine | undefined {
  const [id, time, level, version, text] = ["id", "time", "level", "version", "text"].map((name) =>
    readProperty(value, name)
  );
  if (typeof id !== "string" || typeof text !== "string" || !/^[\w-]+$/.test(id)) return undefined;
  return { id, text: sanitizeText(`${time} ${level} v${version} ${text}`) };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // not JSON: the caller uses the text
  }
}

/** Waits, at most until the signal. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener("abort", end);
  });
}
