/** The tool `read`: the content of a world, a part of its lines, or an earlier version. */

import { ArgumentFault, type ToolArguments } from "./arguments.ts";
import { MAX_PICTURE_BYTES, MAX_TEXT_CHARS } from "./limits.ts";
import { callServer, type ServerCaller, versionOf } from "./server_call.ts";
import {
  DATA_NOTICE,
  objectSchema,
  PATH,
  READS,
  type Tool,
  type ToolOutput,
  toolOutput,
  worldArgument,
} from "./tool.ts";
import { joinPieces } from "../kit/read_body.ts";
import { urlPath } from "./world_path.ts";

/** Lines of a text, as an argument names them: `10-20`, `10-` or `10`. */
const LINES = /^(\d{1,9})(-(\d{0,9}))?$/;

export const readTool: Tool = {
  name: "read",
  title: "Read a world",
  description: "Returns the content of a world and its version. A long text is cut at " +
    `${MAX_TEXT_CHARS} characters; continue with the lines that the result names. To find something in ` +
    "many worlds, use search instead.",
  inputSchema: objectSchema({
    path: PATH,
    "lines?": {
      type: "string",
      description: 'Which lines, counted from 1: "10-20", "10-" or "10".',
    },
    "version?": {
      type: "integer",
      minimum: 1,
      description: "An earlier version, as history shows it. Without it the current one.",
    },
  }),
  outputSchema: objectSchema({
    path: { type: "string" },
    "version?": { type: "integer" },
    type: { type: "string", description: "Media type" },
    "content?": { type: "string", description: "The text; absent if the content is not text" },
    "lines?": { type: "string", description: "The lines that content has" },
    truncated: { type: "boolean", description: "Whether more lines follow" },
    "next?": { type: "string", description: "Value of lines that continues" },
    "bytes?": { type: "integer", description: "Length of content that is not text" },
  }, false),
  annotations: READS,
  run: runRead,
};

/** A range of lines, counted from 1. */
interface LineRange {
  readonly first: number;
  readonly last: number;
}

async function runRead(args: ToolArguments, caller: ServerCaller): Promise<ToolOutput> {
  const named = worldArgument(args, "path");
  const range = readLines(args.text("lines"));
  const at = args.integer("version");
  const path = `/${named.name}`;
  const url = `${urlPath(named)}?raw${at === undefined ? "" : `&at=${at}`}`;
  const response = await callServer(caller, url, { headers: { accept: "*/*" } });
  const version = at ?? versionOf(response);
  const type = response.headers.get("content-type") ?? "application/octet-stream";
  const start = { path, ...(version !== undefined && { version }), type };
  const title = `${path}${version === undefined ? "" : `, version ${version}`}, ${type}`;
  const read = await readContent(response, range);
  if (read.kind === "bytes") return binaryOutput(start, title, read);
  const { text, last, isCut, isLongLine } = read;
  const lines = last < range.first ? `${range.first}-` : `${range.first}-${last}`;
  const next = `${last + 1}-`;
  const rest = isLongLine
    ? ` Line ${last} was cut. GET ${url} over HTTP has all of it.`
    : isCut
    ? ` The text continues; read it with lines "${next}".`
    : "";
  return toolOutput([`${title}, lines ${lines}.${rest} ${DATA_NOTICE}`, text], {
    ...start,
    content: text,
    lines,
    truncated: isCut,
    ...(isCut && { next }),
  });
}

function readLines(given: string | undefined): LineRange {
  if (given === undefined) return { first: 1, last: Infinity };
  const found = LINES.exec(given);
  const first = Number(found?.[1]);
  const last = found?.[2] === undefined ? first : found[3] === "" ? Infinity : Number(found[3]);
  if (found !== null && first >= 1 && last >= first) return { first, last };
  throw new ArgumentFault(
    `"lines" is ${JSON.stringify(given.slice(0, 40))}; use "10-20", "10-" or "10"`,
  );
}

/** Lines of a text, or content that is not text. */
type Content = {
  readonly kind: "text";
  readonly text: string;
  /** Number of the last line in `text`. */
  readonly last: number;
  /** Whether lines of the range are missing at the end. */
  readonly isCut: boolean;
  /** Whether the last line itself is incomplete. */
  readonly isLongLine: boolean;
} | {
  readonly kind: "bytes";
  /** Undefined if the content is longer than {@link MAX_PICTURE_BYTES}. */
  readonly bytes?: Uint8Array<ArrayBuffer>;
  readonly length: number;
};

/** Reads the body once, and keeps no more of it than the result can have. */
async function readContent({ body }: Response, range: LineRange): Promise<Content> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  const lines = new LineCollector(range);
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  let length = 0;
  let isText = true;
  let isWhole = true;
  for await (const piece of body ?? []) {
    length += piece.length;
    if (length <= MAX_PICTURE_BYTES) pieces.push(piece);
    else pieces.length = 0;
    isText &&= lines.push(decoder, piece);
    // The rest can only be cut.
    if (isText && lines.isFull && length > MAX_PICTURE_BYTES) {
      isWhole = false;
      break;
    }
  }
  if (isText && (!isWhole || lines.push(decoder))) return lines.end();
  const isKept = length <= MAX_PICTURE_BYTES;
  return { kind: "bytes", length, ...(isKept && { bytes: joinPieces(pieces) }) };
}

/** Collects the lines of a range from text in pieces. A line ends with LF. */
class LineCollector {
  readonly #range: LineRange;
  #text = "";
  /** Number of the line that the next character belongs to. */
  #line = 1;
  /** Whether text of the range was left out. */
  #isCut = false;
  /** Number of the last line of which something was kept, and where it begins in the text. */
  #last = 0;
  #lastStart = 0;

  constructor(range: LineRange) {
    this.#range = range;
  }

  /** Whether no more text is kept. */
  get isFull(): boolean {
    return this.#isCut || this.#line > this.#range.last;
  }

  /** Takes the next bytes, or the end; returns whether they are text so far. */
  push(decoder: TextDecoder, piece?: Uint8Array): boolean {
    let text: string;
    try {
      text = decoder.decode(piece, { stream: piece !== undefined });
    } catch {
      return false; // the caller returns the bytes
    }
    for (let at = 0; at < text.length && !this.isFull;) {
      const end = text.indexOf("\n", at);
      const next = end < 0 ? text.length : end + 1;
      if (this.#line >= this.#range.first) this.#keep(text.slice(at, next));
      if (end >= 0) this.#line++;
      at = next;
    }
    return true;
  }

  /** Returns the lines. */
  end(): Extract<Content, { kind: "text" }> {
    const isLongLine = this.#isCut && this.#lastStart === 0;
    // An incomplete line is left out, unless it is the only one.
    const isPartLeftOut = this.#isCut && !isLongLine;
    return {
      kind: "text",
      text: isPartLeftOut ? this.#text.slice(0, this.#lastStart) : this.#text,
      last: isPartLeftOut ? this.#last - 1 : this.#last,
      isCut: this.#isCut,
      isLongLine,
    };
  }

  #keep(part: string): void {
    if (this.#line !== this.#last) {
      this.#last = this.#line;
      this.#lastStart = this.#text.length;
    }
    const left = MAX_TEXT_CHARS - this.#text.length;
    this.#isCut = part.length > left;
    this.#text += this.#isCut ? part.slice(0, left) : part;
  }
}

function binaryOutput(
  start: { readonly path: string; readonly type: string },
  title: string,
  { bytes, length }: Extract<Content, { kind: "bytes" }>,
): ToolOutput {
  const structured = { ...start, bytes: length, truncated: bytes === undefined };
  const isPicture = /^image\/(?:png|jpeg|gif|webp)$/.test(start.type);
  if (bytes === undefined || !isPicture) {
    const note =
      `${title}: ${length} bytes that are not text. GET ${start.path}?raw over HTTP has them.`;
    return toolOutput([note], structured);
  }
  const picture = { type: "image", data: bytes.toBase64(), mimeType: start.type };
  return {
    content: [{ type: "text", text: `${title}. ${DATA_NOTICE}` }, picture],
    structuredContent: structured,
  };
}
