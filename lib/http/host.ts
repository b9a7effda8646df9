/**
 * The Host header: whether it is one at all, and whether it names this machine. The runtime pastes
 * whatever stands there into the request's URL, so `Host: a/b` would move the path; and a page whose
 * name was rebound to 127.0.0.1 is told from the machine's own only by it. Nothing here resolves names.
 */

/** The two parts of `host[:port]`. */
export interface Authority {
  /** Lower-case name or address; IPv6 with its brackets. */
  readonly host: string;
  /** The port as written, without its colon; `""` when there is none. */
  readonly port: string;
}

const COLON = 0x3a;
const MAX_NAME_LENGTH = 255;

/**
 * The authority a request was sent to: its Host header, or what stands in its place. HTTP/2 has it
 * beside the path (RFC 9113 §8.3.1) and the runtime keeps it in the URL alone. Programs that speak
 * HTTP/1 and send no Host at all get `localhost` from the runtime; no browser is among them, so
 * nothing is rebound by it.
 */
export function readHost({ headers, url }: Pick<Request, "headers" | "url">): string {
  const host = headers.get("host");
  if (host !== null) return host;
  const start = url.indexOf("://") + 3;
  const end = url.slice(start).search(/[/?#]/);
  return end < 0 ? url.slice(start) : url.slice(start, start + end);
}

/**
 * Says why a Host header cannot be one (RFC 9110 §7.2), or `undefined` when it can. To be answered
 * with 400 on every machine. Absence is left to the caller: HTTP/2 sends none.
 */
export function hostFault(header: string | null): string | undefined {
  if (header === null || portStart(header) >= 0) return undefined;
  return "the Host header is not a name or address with an optional port";
}

/**
 * Whether the Host header names an open loopback machine: `localhost`, an address of 127.0.0.0/8 or
 * `[::1]` with any port, or a configured name. What is missing, sent twice or odd is not known.
 *
 * @param allowed lower-case names (any port) or `name:port`
 */
export function isKnownHost(header: string | null, allowed: ReadonlySet<string>): boolean {
  if (header === null) return false;
  const end = portStart(header);
  if (end < 0) return false;
  const host = header.slice(0, end).toLowerCase();
  return host === "localhost" || host === "[::1]" || isLoopbackV4(host) || allowed.has(host) ||
    allowed.has(header.toLowerCase());
}

/** Splits `host[:port]`, or says `undefined` when it is neither. */
export function parseAuthority(authority: string): Authority | undefined {
  const end = portStart(authority);
  if (end < 0) return undefined;
  return { host: authority.slice(0, end).toLowerCase(), port: authority.slice(end + 1) };
}

/** Where the port's colon is or would be; -1 when the text is not `host[:port]`. */
function portStart(text: string): number {
  const end = text.charCodeAt(0) === 0x5b ? addressEnd(text) : nameEnd(text);
  if (end <= 0 || end > MAX_NAME_LENGTH) return -1;
  return end === text.length || isPort(text, end) ? end : -1;
}

function nameEnd(text: string): number {
  let at = 0;
  while (at < text.length && isNameChar(text.charCodeAt(at))) at++;
  return at;
}

function addressEnd(text: string): number {
  let at = 1;
  while (at < text.length && isAddressChar(text.charCodeAt(at))) at++;
  return at > 2 && text.charCodeAt(at) === 0x5d ? at + 1 : -1;
}

function isPort(text: string, colon: number): boolean {
  const digits = text.length - colon - 1;
  if (text.charCodeAt(colon) !== COLON || digits < 1 || digits > 5) return false;
  let port = 0;
  for (let at = colon + 1; at < text.length; at++) {
    const digit = text.charCodeAt(at) - 0x30;
    if (digit < 0 || digit > 9) return false;
    port = port * 10 + digit;
  }
  return port <= 65535;
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39;
}

function isNameChar(code: number): boolean {
  const letter = code | 0x20;
  return (letter >= 0x61 && letter <= 0x7a) || isDigit(code) ||
    code === 0x2d || code === 0x2e || code === 0x5f;
}

function isAddressChar(code: number): boolean {
  const letter = code | 0x20;
  return (letter >= 0x61 && letter <= 0x66) || isDigit(code) || code === COLON || code === 0x2e;
}

/** Four plain decimal numbers, as browsers write them; `127.1` and `0177.0.0.1` have other readings. */
function isLoopbackV4(host: string): boolean {
  if (!host.startsWith("127.")) return false;
  const parts = host.split(".");
  return parts.length === 4 && parts.every((part) => {
    const value = Number(part);
    return String(value) === part && Number.isInteger(value) && value >= 0 && value <= 255;
  });
}
