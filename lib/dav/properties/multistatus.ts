/**
 * Multi-status responses (RFC 4918 §13): one XML document about many resources. A short one is sent
 * as a whole; a long one is streamed while it is written, as fast as the client reads it.
 */

import { UNCACHED_HEADERS } from "../../http/headers.ts";
import { toHref } from "../resource/dav_problem.ts";

const HEADERS = {
  "content-type": "application/xml; charset=utf-8",
  ...UNCACHED_HEADERS,
};
const HEAD = '<?xml version="1.0" encoding="utf-8"?>\n<D:multistatus xmlns:D="DAV:">\n';
const TAIL = "</D:multistatus>\n";

const PHRASES: Readonly<Record<number, string>> = {
  200: "OK",
  403: "Forbidden",
  404: "Not Found",
  409: "Conflict",
  412: "Precondition Failed",
  423: "Locked",
  424: "Failed Dependency",
  500: "Internal Server Error",
  507: "Insufficient Storage",
};

/** Properties with the same status. */
export interface PropStat {
  readonly status: number;
  /** The properties as XML elements. */
  readonly properties: string;
  /** The content of a `DAV:error` element. */
  readonly error?: string;
}

/** Writes a `DAV:status` element. */
export function writeStatus(status: number): string {
  return `<D:status>HTTP/1.1 ${status} ${PHRASES[status] ?? "Error"}</D:status>`;
}

/** Writes the `DAV:response` of a resource with its properties; empty groups are left out. */
export function writePropertiesResponse(href: string, groups: readonly PropStat[]): string {
  let text = `<D:response><D:href>${href}</D:href>`;
  for (const { status, properties, error } of groups) {
    if (properties === "") continue;
    text += `<D:propstat><D:prop>${properties}</D:prop>${writeStatus(status)}`;
    if (error !== undefined) text += `<D:error>${error}</D:error>`;
    text += "</D:propstat>";
  }
  return `${text}</D:response>\n`;
}

/** Writes the `DAV:response` of a resource for which the method failed. */
export function writeStatusResponse(path: string, collection: boolean, status: number): string {
  const error = status === 423 ? "<D:error><D:lock-token-submitted/></D:error>" : "";
  return `<D:response><D:href>${toHref(path, collection)}</D:href>` +
    `${writeStatus(status)}${error}</D:response>\n`;
}

/** Creates a 207 response from complete `DAV:response` elements. */
export function createMultistatus(responses: readonly string[]): Response {
  return new Response(`${HEAD}${responses.join("")}${TAIL}`, { status: 207, headers: HEADERS });
}

/** Writes a 207 response while the client reads it. */
export class StreamedMultistatus {
  readonly response: Response;
  /** Pieces that the client has taken. */
  taken = 0;
  /** Whether a piece waits for the client; not while one is written. */
  hasUnread = true;

  /**
   * After an error the response is aborted; the client detects that, because the XML is incomplete.
   *
   * @param pieces complete `DAV:response` elements
   */
  constructor(pieces: AsyncIterator<string>) {
    const encoder = new TextEncoder();
    const body = new ReadableStream<Uint8Array>({
      pull: async (controller) => {
        this.hasUnread = false;
        const next = await pieces.next();
        this.hasUnread = true;
        const text = `${this.taken++ === 0 ? HEAD : ""}${next.done ? TAIL : next.value}`;
        controller.enqueue(encoder.encode(text));
        if (next.done) controller.close();
      },
      async cancel() {
        await pieces.return?.();
      },
    }, { highWaterMark: 0 });
    this.response = new Response(body, { status: 207, headers: HEADERS });
  }
}
