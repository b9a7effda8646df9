/**
 * `eventsource-parser` 4.1.3, MIT licence: parses server-sent events. Used because the WHATWG grammar
 * has cases that hand-written parsers get wrong: CR, LF and CRLF split between two reads, a byte order
 * mark, events without a limit on their size.
 *
 * The server never imports this file. The commands that follow a log do, and `plugins/kit/sse.ts`; because
 * a plugin cannot import at run time, `deno task plugins` links the sources of the package, with their
 * licence, in its place.
 */

export { createParser } from "npm:eventsource-parser@4.1.3";
