/**
 * Random requests for the fuzzer: every route and method, valid and invalid. Not a test itself. A
 * request depends only on the seed and its number.
 */

import { createRandom } from "../support/random.ts";
import { join } from "../support/wire.ts";
import { createRouteRequest, type FuzzState } from "./fuzz_routes.ts";

/** Credentials by tier, as values of the Authorization header; undefined sends none. */
export type Credentials = Readonly<Record<string, string | undefined>>;

/** A generated request. */
export interface FuzzRequest {
  readonly method: string;
  readonly target: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: Uint8Array<ArrayBuffer> | undefined;
  readonly tier: string;
  /** Name of the route, if the request was made for one. */
  readonly kind?: string;
  /** The request as it is sent. */
  readonly message: Uint8Array<ArrayBuffer>;
  /** The server must send a complete response. */
  readonly isComplete: boolean;
}

/** Plugins that the server has, with a path of each. */
export const PLUGIN_PATHS = [
  "/example",
  "/mnt/disk",
  "/dev/fanout",
  "/dev/db",
  "/shaped",
  "/dev/gpu",
] as const;

const NAMES = [
  "home/a",
  "home/dir/x",
  "home/dir/y/z",
  "home/dir",
  "home/csv",
  "home/%C3%A9",
  "home/e%CC%81",
  "home/a%20b",
  "home/long",
  "home/absent",
  "etc/fuzz",
  "etc/fstab",
  "etc/passwd",
  "etc/shadow",
  "usr/fuzz",
  "usr/share/doc/index.md",
  "var/fuzz",
  "boot/env",
  "boot/fuzz",
  "lib/fuzz",
  "lib/example",
  "home",
  "lib",
  "",
];
/** Worlds that T3 may change: the others configure the server under test. */
const OWN = /^\/(?:bin\/|dav\/)*(?:home|usr|var)(?:\/|%|$)|^\/(?:dav\/)?(?:etc|boot|lib)\/fuzz/;
const BEFORE = [
  "/",
  "/dav/",
  "/stream/",
  "/proc/audit/",
  "/proc/log/",
  "/proc/snapshot/",
  "/shaped/",
  "/dev/db/",
  "/bin/",
  "/bin/stream/",
  "/bin/proc/log/",
  "/bin/dav/",
  "/example/",
  "/mnt/disk/",
];
const FIXED = [
  "/",
  "/proc",
  "/proc/",
  "/proc/status",
  "/proc/uptime",
  "/proc/version",
  "/proc/health",
  "/proc/worlds",
  "/proc/metrics",
  "/proc/nodes",
  "/proc/source",
  "/proc/source/main.ts",
  "/auth/whoami",
  "/auth/mint",
  "/bin",
  "/bin/",
  "/bin/proc/status",
  "/bin/auth/whoami",
  "/dev",
  "/dev/",
  "/mnt",
  "/mnt/",
  "/mnt/disk/file.txt",
  "/mnt/disk/sub/",
  "/mnt/absent/x",
  "/dev/gpu",
  "/dev/fanout",
  "/dev/db",
  "/example",
  "/shaped",
  "/lib/example/state",
  "/lib/fuzz/state",
  "/llms.txt",
  "/robots.txt",
  "/favicon.ico",
  "/nowhere/at/all",
  "/dav",
  "/dav/mnt/disk/",
  "*",
  "http://localhost/home/a",
  "//evil.example/home/a",
];
const METHODS = [
  ...Array<string>(12).fill("GET"),
  "HEAD",
  "HEAD",
  ...Array<string>(6).fill("PUT"),
  "POST",
  "POST",
  "PATCH",
  "DELETE",
  "OPTIONS",
  "PROPFIND",
  "PROPFIND",
  "PROPPATCH",
  "MKCOL",
  "COPY",
  "MOVE",
  "LOCK",
  "UNLOCK",
  "TRACE",
  "CONNECT",
  "REPORT",
  "get",
  "BREW",
  "M".repeat(300),
];
const QUERIES = [
  "raw",
  "at=1",
  "at=99999",
  "v=1",
  "v=x",
  "ext=md",
  "ext=%00",
  "from=1",
  "from=9",
  "limit=1",
  "limit=0",
  "limit=-1",
  "limit=99999999999999999999",
  "before=2",
  "prefix=/home/a",
  "prefix=..",
  "prefix=/home&ttl=60&mode=rw",
  "prefix=/home&ttl=9e9",
  "ttl=x",
  "mode=rwx",
  "brief",
  "contents",
  "deep",
  "sort=size",
  "lines=1-2",
  "diff=1",
  "wait=1&v=9",
  "sql=select%201",
  "sql=select%20*%20from%20data",
  "sql=attach%20%27x%27%20as%20y",
  "q=words",
  "asks",
  "raw&raw",
  "%zz",
  "=&&=",
  "x=".repeat(2000),
];
const XML = [
  '<?xml version="1.0"?><D:propfind xmlns:D="DAV:"><D:allprop/></D:propfind>',
  '<D:propfind xmlns:D="DAV:"><D:prop><D:getetag/><D:quota-used-bytes/><x xmlns="urn:x"/></D:prop></D:propfind>',
  '<D:lockinfo xmlns:D="DAV:"><D:lockscope><D:exclusive/></D:lockscope><D:locktype><D:write/></D:locktype></D:lockinfo>',
  '<D:lockinfo xmlns:D="DAV:"><D:lockscope><D:shared/></D:lockscope><D:locktype><D:write/></D:locktype><D:owner>me</D:owner></D:lockinfo>',
  '<D:propertyupdate xmlns:D="DAV:"><D:set><D:prop><x xmlns="urn:x">1</x></D:prop></D:set></D:propertyupdate>',
  '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]><x>&b;</x>',
  '<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]><x>&f;</x>',
  "<a>".repeat(2000),
  `<a ${"b='c' ".repeat(3000)}/>`,
  `<a xmlns:${"n".repeat(9000)}='x'/>`,
  "<a",
  "<a></b>",
  "<?xml version='1.0' encoding='utf-16'?><a/>",
];
const TEXTS = [
  "",
  "words",
  "<h1>words</h1>",
  "a,b\n1,2\n",
  '{"edits":[{"find":"words","replace":"other"}]}',
  '{"append":"more"}',
  '[{"op":"add","path":"/x","value":1}]',
  '{"x":null}',
  '{"state":"active"}',
  "active",
  "disabled",
  "{",
  "[".repeat(20_000),
  '{"__proto__":{"x":1}}',
  "export const routes = 1;",
  "x".repeat(270_000),
  "\ufeffbom",
  "é".normalize("NFD"),
];
const HEADERS: readonly (readonly [string, readonly string[]])[] = [
  ["accept", [
    "*/*",
    "*",
    "text/html",
    "text/plain",
    "application/json",
    "image/png",
    "text/event-stream",
    "text/event-stream, text/plain",
    "text/html;q=0, */*;q=0.1",
    "a".repeat(5000),
    ";;;,,,",
    "text/plain;q=x",
  ]],
  ["range", [
    "bytes=0-3",
    "bytes=-2",
    "bytes=9999-",
    "bytes=3-1",
    "bytes=0-0,2-2",
    "bytes=".padEnd(4000, "0-0,"),
    "items=1",
  ]],
  ["if-match", ["*", '"1"', '"1.abc"', 'W/"1"', '"', "x".repeat(9000)]],
  ["if-none-match", ["*", '"1"', '"x", "y"', '"']],
  ["if-modified-since", ["Thu, 01 Jan 1970 00:00:00 GMT", "yesterday"]],
  ["if-unmodified-since", ["Thu, 01 Jan 1970 00:00:00 GMT", "Sat, 31 Feb 9999 99:99:99 GMT"]],
  ["if-range", ['"1"', "x"]],
  ["if", ["(<urn:uuid:x>)", "(Not <DAV:no-lock>)", "(", '</home/a> (["1"])', "(".repeat(3000)]],
  ["destination", [
    "/dav/home/copy",
    "/home/moved",
    "http://localhost/dav/home/dir/copy",
    "http://elsewhere/dav/x",
    "/dav/etc/fuzz",
    "/dav/lib/fuzz",
    "/dav/../etc/x",
    "%%%",
    "\u00c3\u00bc",
    "",
  ]],
  ["depth", ["0", "1", "infinity", "2", "-1", "x"]],
  ["overwrite", ["T", "F", "x"]],
  ["timeout", ["Second-3", "Infinite", "Second-99999999999", "x"]],
  ["lock-token", ["<urn:uuid:x>", "<opaquelocktoken:1>", "x"]],
  ["content-type", [
    "text/plain",
    "application/json",
    "application/merge-patch+json",
    "application/json-patch+json",
    "text/x-diff",
    "application/xml",
    "multipart/form-data; boundary=x",
    "/",
    "a".repeat(3000),
  ]],
  ["content-encoding", ["gzip", "identity", "x-gzip, br"]],
  ["content-range", ["bytes 0-3/10", "x"]],
  ["expect", ["100-continue", "x"]],
  ["origin", ["http://evil.example", "null", "http://localhost"]],
  ["sec-fetch-site", ["cross-site", "same-origin", "none"]],
  ["x-meta-author", ["ada", "\u00e9", "x".repeat(2000), ""]],
  ["x-meta-x", ["y"]],
  ["x-forwarded-for", ["192.0.2.1", "x"]],
  ["x-semantic-intent", ["for a child", "\u00ff"]],
  ["last-event-id", ["1", "x", "9".repeat(40)]],
  ["idempotency-key", ["k1", "k2"]],
  ["prefer", ["handling=strict", "return=minimal"]],
  ["accept-encoding", ["gzip", "br", "identity;q=0"]],
  ["cookie", ["a=b"]],
  ["x-long", ["z".repeat(20_000)]],
  ["upgrade", ["h2c", "websocket"]],
];
/** Share of the requests that are made for one route. */
const ROUTE_SHARE = 0.5;
const TIERS = ["none", "none", "T2", "T2", "T3", "cap", "read", "wrong", "basic", "broken"];

const encoder = new TextEncoder();

/** Creates request number `index` of a run. */
export function createRequest(
  seed: number,
  index: number,
  credentials: Credentials,
  state: FuzzState,
): FuzzRequest {
  const random = createRandom(Math.imul(seed, 0x9e3779b1) ^ Math.imul(index + 1, 0x85ebca6b));
  return random() < ROUTE_SHARE
    ? createForRoute(random, credentials, state)
    : createMixed(random, credentials);
}

function createForRoute(
  random: () => number,
  credentials: Credentials,
  state: FuzzState,
): FuzzRequest {
  const { kind, method, target, tier, ...request } = createRouteRequest(random, state);
  const authorization = credentials[tier];
  const headers: (readonly [string, string])[] = [...request.headers];
  if (authorization !== undefined) headers.push(["authorization", authorization]);
  const body = request.body === undefined ? undefined : encoder.encode(request.body);
  const framing = body === undefined ? "none" : "length";
  const message = format(method, target, headers, body, framing);
  return { kind, method, target, headers, body, tier, message, isComplete: true };
}

/** Combines any method, path, query, header and body. */
function createMixed(random: () => number, credentials: Credentials): FuzzRequest {
  const chance = (share: number) => random() < share;
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
  const method = pick(METHODS);
  let target = chance(0.3) ? pick(FIXED) : pick(BEFORE) + pick(NAMES);
  if (chance(0.15)) target += "/";
  if (chance(0.1)) target = misspell(target, random);
  const isOwn = OWN.test(target);
  if (chance(0.35)) target += `?${pick(QUERIES)}`;
  if (chance(0.05)) target += `&${pick(QUERIES)}`;
  let tier = pick(TIERS);
  const changes = !["GET", "HEAD", "OPTIONS", "PROPFIND", "get"].includes(method);
  if (tier === "T3" && changes && !isOwn) tier = "T2";
  const headers: (readonly [string, string])[] = [];
  const authorization = credentials[tier];
  if (authorization !== undefined) headers.push(["authorization", authorization]);
  if (changes && chance(0.5)) headers.push(["destination", pick(HEADERS[8]?.[1] ?? [])]);
  for (let i = Math.floor(random() * 5); i > 0; i--) {
    const [name, values] = pick(HEADERS);
    // As T3 such a header would copy over the worlds that configure the server.
    if (tier === "T3" && name === "destination") continue;
    headers.push([name, pick(values)]);
  }
  const needsBody = changes ? chance(0.85) : chance(0.05);
  const body = needsBody ? createBody(method, random) : undefined;
  const framing = body === undefined ? "none" : chance(0.8) ? "length" : pick([
    "chunked",
    "short",
    "bad-chunk",
    "both",
    "bad-length",
  ]);
  const isComplete = ["none", "length", "chunked"].includes(framing) &&
    !headers.some(([name]) => name === "upgrade" || name === "expect");
  return {
    method,
    target,
    headers,
    body,
    tier,
    message: format(method, target, headers, body, framing),
    isComplete,
  };
}

/** Another spelling of a path: escaped, with dot segments, too long, not UTF-8. */
function misspell(target: string, random: () => number): string {
  const at = Math.floor(random() * target.length);
  const inserted = [
    "%2e%2e/",
    "../",
    "./",
    "%2F",
    "%00",
    "%",
    "%zz",
    "%FF",
    "//",
    "\\",
    ":",
    "%7C",
    "\u00ff",
    "%E2%80%AE",
    "a".repeat(300),
    "b/".repeat(200),
    "c".repeat(9000),
  ];
  const text = inserted[Math.floor(random() * inserted.length)] ?? "";
  return target.slice(0, at) + text + target.slice(at);
}

function createBody(method: string, random: () => number): Uint8Array<ArrayBuffer> {
  const pick = (list: readonly string[]) =>
    encoder.encode(list[Math.floor(random() * list.length)]);
  const isDav = /^(?:PROP|LOCK|MKCOL)/.test(method);
  if (random() < (isDav ? 0.9 : 0.05)) return pick(XML);
  if (random() < 0.1) {
    return new Uint8Array(Array.from({ length: 200 }, () => Math.floor(random() * 256)));
  }
  return pick(TEXTS);
}

function format(
  method: string,
  target: string,
  headers: FuzzRequest["headers"],
  body: Uint8Array | undefined,
  framing: string,
): Uint8Array<ArrayBuffer> {
  // Header values are bytes; the table has them as Latin-1.
  const lines = [`${method} ${target} HTTP/1.1`, "host: localhost", "connection: close"];
  for (const [name, value] of headers) lines.push(`${name}: ${value}`);
  const length = body?.length ?? 0;
  if (framing === "length" || framing === "both") lines.push(`content-length: ${length}`);
  if (framing === "short") lines.push(`content-length: ${length + 10}`);
  if (framing === "bad-length") lines.push("content-length: -1");
  if (framing === "chunked" || framing === "bad-chunk" || framing === "both") {
    lines.push("transfer-encoding: chunked");
  }
  const head = latin1(`${lines.join("\r\n")}\r\n\r\n`);
  if (body === undefined) return head;
  if (framing === "bad-chunk") return join([head, latin1("zz\r\n"), body]);
  if (framing !== "chunked" && framing !== "both") return join([head, body]);
  const chunk = length === 0 ? [] : [latin1(`${length.toString(16)}\r\n`), body, latin1("\r\n")];
  return join([head, ...chunk, latin1("0\r\n\r\n")]);
}

function latin1(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(text, (char) => char.charCodeAt(0) & 255);
}
