import { assert, assertEquals, assertMatch, assertStrictEquals } from "../support/assert.ts";
import { MAX_URL_BYTES } from "../../lib/limits.ts";
import { canonicalizePath, encodePath, isCanonicalPath, parseTarget } from "../../lib/http/path.ts";
import { Problem, type ProblemType } from "../../lib/http/problem.ts";
import { createRandom } from "../support/random.ts";

const ORIGIN = "http://localhost:3005";

/** The problem that a call throws, or its result. */
function refusal(call: () => unknown): { type: ProblemType | "none"; detail: string } {
  try {
    return { type: "none", detail: JSON.stringify(call()) };
  } catch (error) {
    if (error instanceof Problem) return error;
    throw error;
  }
}

function assertRefused(raws: Iterable<string>, reason: RegExp): void {
  for (const raw of raws) {
    for (const call of [() => canonicalizePath(raw), () => parseTarget(ORIGIN + raw)]) {
      const { type, detail } = refusal(call);
      assertEquals(type, "bad-path", `${JSON.stringify(raw)} gave ${detail}`);
      assertMatch(detail, reason, JSON.stringify(raw));
    }
  }
}

/** Every spelling of a text in which each character is plain or escaped in either case. */
function spellings(text: string): string[] {
  let all = [""];
  for (const char of text) {
    const hex = char.charCodeAt(0).toString(16).padStart(2, "0");
    const forms = new Set([char, `%${hex}`, `%${hex.toUpperCase()}`]);
    all = all.flatMap((before) => [...forms].map((form) => before + form));
  }
  return all;
}

Deno.test("parseTarget() returns path, name, isCollection and query", () => {
  const rows: [string, string, string, boolean, string][] = [
    ["/", "/", "", true, ""],
    ["/home", "/home", "home", false, ""],
    ["/home/", "/home", "home", true, ""],
    ["/home/x", "/home/x", "home/x", false, ""],
    ["/home/x/", "/home/x", "home/x", true, ""],
    ["/home/x?raw", "/home/x", "home/x", false, "raw"],
    ["/home/x/?raw&v=1", "/home/x", "home/x", true, "raw&v=1"],
    ["/?", "/", "", true, ""],
    ["/home/x?", "/home/x", "home/x", false, ""],
    ["/home/x??", "/home/x", "home/x", false, "?"],
    ["/home/x?a=/../b", "/home/x", "home/x", false, "a=/../b"],
    ["/home/x?u=http://h/p", "/home/x", "home/x", false, "u=http://h/p"],
    ["/home/x?q=%2F%zz", "/home/x", "home/x", false, "q=%2F%zz"],
    ["/home/a%20b", "/home/a b", "home/a b", false, ""],
    ["/home/a+b", "/home/a+b", "home/a+b", false, ""],
    ["/home/100%25", "/home/100%", "home/100%", false, ""],
    ["/home/a%3Fb", "/home/a?b", "home/a?b", false, ""],
    ["/home/a%23b", "/home/a#b", "home/a#b", false, ""],
    ["/home/%E5%BC%A0", "/home/张", "home/张", false, ""],
    ["/home/%e5%bc%a0", "/home/张", "home/张", false, ""],
    ["/home/张", "/home/张", "home/张", false, ""],
    ["/home/张/", "/home/张", "home/张", true, ""],
    ["/h%6Fme/x", "/home/x", "home/x", false, ""],
    ["/%65tc/shadow", "/etc/shadow", "etc/shadow", false, ""],
    ["/etc/%73hadow", "/etc/shadow", "etc/shadow", false, ""],
    ["/boot%2fenv?", "refused", "", false, ""],
  ];
  for (const [raw, path, name, isCollection, query] of rows) {
    if (path === "refused") {
      assertEquals(refusal(() => parseTarget(ORIGIN + raw)).type, "bad-path", raw);
      continue;
    }
    assertEquals(parseTarget(ORIGIN + raw), { path, name, isCollection, query }, raw);
  }
});

Deno.test("parseTarget() ignores authority and scheme", () => {
  const path = "/home/x";
  for (
    const origin of [
      "http://[::1]:80",
      "https://box.example",
      "http://u:p@box",
      "HTTP://BOX",
      "http://a, b",
      "http://",
    ]
  ) {
    assertStrictEquals(parseTarget(origin + path).path, path, origin);
  }
  assertEquals(parseTarget("http://box").path, "/");
});

Deno.test("parseTarget() takes no path from a query directly after the authority", () => {
  for (
    const url of ["http://evil?x=/home/x", "http://evil?/etc/shadow", "http://box?", "http://?/x"]
  ) {
    assertEquals(refusal(() => parseTarget(url)).type, "bad-path", url);
  }
});

Deno.test("parseTarget() rejects # in the path and in the query", () => {
  for (const raw of ["/home/x#", "/#/etc", "/home/x#?raw", "/home/x?raw#", "/home/x?a#b", "/#"]) {
    const { type, detail } = refusal(() => parseTarget(ORIGIN + raw));
    assertEquals(type, "bad-path", raw);
    assertMatch(detail, /not encoded/, raw);
  }
});

Deno.test("parseTarget() accepts a target of 8192 bytes and throws 414 for a longer one", () => {
  const fits = "/home/" + "a".repeat(MAX_URL_BYTES - 6);
  assertStrictEquals(parseTarget(ORIGIN + fits).path, fits);
  const query = "/home/x?" + "q".repeat(MAX_URL_BYTES - 8);
  assertStrictEquals(parseTarget(ORIGIN + query).query.length, MAX_URL_BYTES - 8);
  for (const raw of [fits + "a", query + "q", "/%" + "0".repeat(MAX_URL_BYTES)]) {
    const { type, detail } = refusal(() => parseTarget(ORIGIN + raw));
    assertEquals(type, "uri-too-long");
    assertMatch(detail, /it has \d+ bytes; at most 8192 are allowed/);
  }
});

Deno.test("parseTarget() rejects every spelling of a dot segment", () => {
  const raws: string[] = [];
  for (const dots of [...spellings("."), ...spellings("..")]) {
    raws.push(`/${dots}`, `/${dots}/`, `/home/${dots}`, `/home/${dots}/etc/shadow`);
    raws.push(`/${dots}/${dots}/etc/passwd`, `/home/%C3%A9/${dots}/x`, `/home/x/${dots}/`);
  }
  assert(raws.length > 80, String(raws.length));
  assertRefused(raws, /dot segment/);
});

Deno.test("parseTarget() rejects every spelling of an encoded slash", () => {
  const raws: string[] = [];
  for (const slash of ["%2f", "%2F"]) {
    raws.push(
      `/${slash}`,
      `/home${slash}x`,
      `/home/x${slash}`,
      `/${slash}home/x`,
      `/home/${slash}`,
    );
    raws.push(`/home/a${slash}..${slash}b`, `/etc${slash}shadow`, `/boot${slash}env`, `/é${slash}`);
    raws.push(`/home/..${slash}..${slash}etc/shadow`, `/a${slash}home/x/`);
  }
  assertRefused(raws, /encoded slash/);
});

Deno.test("parseTarget() rejects backslashes in every spelling", () => {
  assertRefused(
    [
      "/home\\x",
      "/home/a\\..\\b",
      "/\\etc\\shadow",
      "/home/%5c",
      "/home/%5C..%5C..%5Cetc%5Cshadow",
      "/home/..%5cetc",
      "/%5c%5cserver%5cshare",
      "/home/é%5cx",
    ],
    /backslash/,
  );
});

Deno.test("parseTarget() rejects empty segments", () => {
  assertRefused(
    ["//", "///", "//home/x", "/home//x", "/home/x//", "//etc/shadow", "/home///x", "/%C3%A9//"],
    /empty segment/,
  );
});

Deno.test("parseTarget() rejects every control character, encoded or raw", () => {
  const codes = [0x2028, 0x2029];
  for (let code = 0; code < 0x20; code++) codes.push(code);
  for (let code = 0x7f; code < 0xa0; code++) codes.push(code);
  const raws = codes.flatMap((code) => {
    const char = String.fromCharCode(code);
    const encoded = encodeURIComponent(char);
    return [`/home/${encoded}`, `/home/x${encoded}y`, `/etc/shadow${encoded}`, `/home/${char}`];
  });
  assert(raws.length > 260);
  assertRefused(raws, /control character/);
});

Deno.test("parseTarget() rejects broken escapes", () => {
  assertRefused(
    ["%", "%%", "%2", "%zz", "%2z", "%u002e", "%u002f", "%-1", "% 2", "%0x", "%%32%65", "a%", "%e"]
      .map((tail) => `/home/${tail}`),
    /broken percent escape/,
  );
});

Deno.test("parseTarget() rejects bytes that are not UTF-8, including overlong dots and slashes", () => {
  const sequences = [
    "%ff",
    "%fe",
    "%80",
    "%bf",
    "%c0%af",
    "%c0%ae",
    "%c0%ae%c0%ae",
    "%c1%9c",
    "%c0%80",
    "%e0%80%af",
    "%e0%80%ae",
    "%e0%40%ae",
    "%f0%80%80%af",
    "%f0%80%80%ae",
    "%f8%80%80%80%af",
    "%fc%80%80%80%80%af",
    "%ed%a0%80",
    "%ed%bf%bf",
    "%ed%a0%bd%ed%b8%80",
    "%f4%90%80%80",
    "%f5%80%80%80",
    "%e5%bc",
    "%c3",
    "%c3%28",
    "%a0%a1",
    "%e9",
  ];
  assertRefused(
    sequences.flatMap((
      bytes,
    ) => [`/home/${bytes}`, `/home/${bytes.toUpperCase()}/x`, `/${bytes}etc`]),
    /not UTF-8/,
  );
});

Deno.test("parseTarget() rejects an unpaired surrogate", () => {
  assertRefused(["/home/\ud800", "/home/\udc00x", "/home/\udc00\ud800"], /surrogate/);
});

Deno.test("canonicalizePath() rejects a path that does not start with a slash", () => {
  for (
    const raw of ["", "home/x", "home", "%2Fhome", "?", "*", ".", "..", "http:", "é", " /home"]
  ) {
    assertEquals(refusal(() => canonicalizePath(raw)).type, "bad-path", raw);
  }
});

Deno.test("canonicalizePath() rejects an unencoded ? or #", () => {
  for (const raw of ["/home/a?b", "/home/a#b", "/?", "/home/%C3%A9?"]) {
    assertEquals(refusal(() => canonicalizePath(raw)).type, "bad-path", raw);
  }
});

Deno.test("canonicalizePath() keeps a trailing slash", () => {
  assertEquals(canonicalizePath("/"), "/");
  assertEquals(canonicalizePath("/home/"), "/home/");
  assertEquals(canonicalizePath("/home/%C3%A9/"), "/home/é/");
});

Deno.test("canonicalizePath() decodes exactly once", () => {
  const rows: [string, string][] = [
    ["/home/%252e%252e/x", "/home/%2e%2e/x"],
    ["/home/%252F", "/home/%2F"],
    ["/home/%255c", "/home/%5c"],
    ["/home/%2500", "/home/%00"],
    ["/home/%25252e", "/home/%252e"],
    ["/home/%25", "/home/%"],
    ["/etc%252Fshadow", "/etc%2Fshadow"],
  ];
  for (const [raw, path] of rows) assertStrictEquals(canonicalizePath(raw), path, raw);
});

Deno.test("canonicalizePath() returns one path for every spelling of a name", () => {
  const groups: [string, string[]][] = [
    ["/home/é", ["/home/é", "/home/%C3%A9", "/home/%c3%a9", "/home/e%CC%81", "/home/e\u0301"]],
    ["/home/å", ["/home/%C3%A5", "/home/%c3%a5", "/home/a%CC%8A"]],
    ["/home/Å", ["/home/%E2%84%AB", "/home/A%CC%8A", "/home/%C3%85"]],
    ["/home/K", ["/home/%E2%84%AA", "/home/K", "/home/%4B"]],
    ["/home/가", ["/home/%E1%84%80%E1%85%A1", "/home/%EA%B0%80"]],
    ["/home/;", ["/home/%CD%BE", "/home/;", "/home/%3B"]],
    ["/etc/shadow", ["/etc/shadow", "/%65%74%63/%73%68%61%64%6F%77", "/etc/%73hadow"]],
    ["/home/a b", ["/home/a%20b"]],
    ["/home/ab", spellings("ab").map((s) => `/home/${s}`)],
  ];
  for (const [path, raws] of groups) {
    for (const raw of raws) assertStrictEquals(canonicalizePath(raw), path, raw);
  }
});

Deno.test("canonicalizePath() keeps characters that resemble slash, dot and letters", () => {
  const names = [
    "/home/\uff0e\uff0e/x",
    "/home\uff0fx",
    "/home\u2215x",
    "/home\u2044x",
    "/home/\u2024\u2024/x",
    "/home\uff3cx",
    "/etc/\u017fhadow",
    "/еtc/shadow",
    "/etc\u200b/shadow",
    "/etc/shadow\u202e",
    "/home/..;/x",
    "/home/...",
    "/home/.. /x",
    "/home/..a",
    "/home/a..",
    "/home/.a",
    "/home/x;y=z",
  ];
  for (const path of names) {
    assertStrictEquals(canonicalizePath(encodePath(path)), path);
    assertEquals(isCanonicalPath(path), true, path);
  }
});

Deno.test("isCanonicalPath() accepts exactly one spelling of a decoded path", () => {
  for (
    const path of ["/", "/home", "/home/x", "/home/100%", "/home/%2F", "/home/a?b#c", "/home/é"]
  ) {
    assertEquals(isCanonicalPath(path), true, path);
  }
  const others = [
    "",
    "home",
    "/home/",
    "//",
    "//home",
    "/home//x",
    "/.",
    "/..",
    "/home/./x",
    "/home/../etc",
    "/home/..",
    "/é/..",
    "/home/\\",
    "/home/\0",
    "/home/\n",
    "/home/e\u0301",
    "/home/\u212b",
    "/home/\ud800",
    "*",
    " /home",
    "\ufeff/home",
  ];
  for (const path of others) assertEquals(isCanonicalPath(path), false, JSON.stringify(path));
});

Deno.test("encodePath() writes what canonicalizePath() decodes", () => {
  const paths = [
    "/",
    "/home/x",
    "/home/100%",
    "/home/a b",
    "/home/a?b#c",
    "/home/é/张",
    "/home/%2F",
  ];
  for (const path of paths) assertStrictEquals(canonicalizePath(encodePath(path)), path, path);
  assertEquals(encodePath("/home/a b/é?"), "/home/a%20b/%C3%A9%3F");
});

Deno.test("parseTarget() throws or returns a canonical path for ten thousand hostile targets", () => {
  const seed = (Math.random() * 2 ** 32) >>> 0;
  const next = createRandom(seed);
  const pieces = [
    ...[
      "/",
      "/",
      "/",
      "/",
      "/",
      ".",
      "..",
      "%2e",
      "%2E",
      "%2f",
      "%2F",
      "%5c",
      "\\",
      "//",
      ";",
      ":",
    ],
    ...[
      "home",
      "home/",
      "etc",
      "shadow",
      "etc/shadow",
      "boot",
      "x",
      "%41",
      "~",
      "+",
      "&",
      "@",
      "|",
    ],
    ...["é", "%C3%A9", "e%CC%81", "\u202e", "%E2%80%A8", "\ud800", "%25", "%", "%00", "%0a", "%20"],
    ...["%c0%af", "%ff", "%u002f", "..;", "?", "#", "%3f", "%23"],
  ];
  let accepted = 0;
  for (let round = 0; round < 10_000; round++) {
    let raw = "/";
    for (let left = next() * 8; left > 0; left--) raw += pieces[Math.floor(next() * pieces.length)];
    const context = `seed ${seed}, ${JSON.stringify(raw)}`;
    let target;
    try {
      target = parseTarget(ORIGIN + raw);
    } catch (error) {
      assert(error instanceof Problem && error.status === 400, context);
      continue;
    }
    accepted++;
    const { path, name, isCollection: collection } = target;
    assert(isCanonicalPath(path), context);
    assertEquals(path, `/${name}`, context);
    const again = parseTarget(ORIGIN + encodePath(path) + (collection && path !== "/" ? "/" : ""));
    assertEquals(again, { ...target, query: "" }, context);
    assert(!name.split("/").some((part) => part === "." || part === ".."), context);
    // A browser's parser must not find another path in the same URL.
    const browser = decodeURIComponent(new URL(ORIGIN + raw).pathname).normalize("NFC");
    assertStrictEquals(browser.length > 1 ? browser.replace(/\/$/, "") : browser, path, context);
  }
  assert(accepted > 500, `seed ${seed}: only ${accepted} accepted`);
});

Deno.test("parseTarget() rejects ambiguous targets as Deno receives them from the wire", async () => {
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    (request) => {
      const { type, detail } = refusal(() => parseTarget(request.url));
      return new Response(type === "none" ? parseTarget(request.url).path : `${type} ${detail}`);
    },
  );
  const rows: [string, RegExp][] = [
    ["/home/x", /^\/home\/x$/],
    ["/home/../etc/shadow", /^bad-path .*dot segment/],
    ["/home/%2e%2e/etc/shadow", /^bad-path .*dot segment/],
    ["/home/%2E./etc/shadow", /^bad-path .*dot segment/],
    ["/home%2fx", /^bad-path .*encoded slash/],
    ["//etc/shadow", /^bad-path .*empty segment/],
    ["/home\\..\\etc", /^bad-path .*backslash/],
    ["/home/x#/../etc", /^bad-path .*not encoded/],
    ["/home/x%00", /^bad-path .*control character/],
    ["http://evil?x=/etc/shadow", /^bad-path .*start with a slash/],
    ["http://evil/home/x", /^\/home\/x$/],
    ["/home/%e5%bc%a0", /^\/home\/张$/],
  ];
  for (const [target, expected] of rows) {
    using connection = await Deno.connect({ hostname: "127.0.0.1", port: server.addr.port });
    const request = `GET ${target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`;
    await connection.write(new TextEncoder().encode(request));
    const answer = await new Response(connection.readable).text();
    assertMatch(answer.slice(answer.indexOf("\r\n\r\n") + 4), expected, target);
  }
});
