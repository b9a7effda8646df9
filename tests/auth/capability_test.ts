import {
  assert,
  assertEquals,
  assertMatch,
  assertStrictEquals,
  assertThrows,
} from "../support/assert.ts";
import { Buffer } from "node:buffer";
import { createHmac } from "node:crypto";
import type { Scope } from "../../lib/auth/caller.ts";
import {
  createCapabilityId,
  isCapabilityMode,
  isCapabilityShaped,
  isInside,
  mint,
  narrow,
  verify,
} from "../../lib/auth/capability.ts";
import { Problem } from "../../lib/http/problem.ts";
import { MAX_CAPABILITY_CHARS, MAX_CAPABILITY_LINES } from "../../lib/limits.ts";

const KEY = "the key of the server";
const NOW = 1_800_000_000;
const LATER = NOW + 3600;
const CAPABILITY = { key: KEY, prefix: "/home/scratch", mode: "rw", exp: LATER } as const;

/** A second implementation of the contract, as oracle and to forge tokens with the key. */
function sign(payload: string, lines: readonly string[] = payload.split("\n")): string {
  let signature: string | Buffer = KEY;
  for (const line of lines) signature = createHmac("sha256", signature).update(line).digest();
  return `${Buffer.from(payload).toString("base64url")}.${
    Buffer.from(signature).toString("base64url")
  }`;
}

function refusal(call: () => unknown): string {
  try {
    return `returned ${call()}`;
  } catch (error) {
    if (error instanceof Problem) return `${error.type}: ${error.detail}`;
    throw error;
  }
}

Deno.test("mint() creates the token that the contract describes", () => {
  assertStrictEquals(mint(CAPABILITY), sign(`/home/scratch|${LATER}|rw`));
});

Deno.test("mint() and verify() agree for every mode and kind of prefix", () => {
  for (const mode of ["r", "rw", "rwd"] as const) {
    for (
      const prefix of ["/", "/home", "/home/a b", "/home/100%", "/home/%2F", "/home/é/张", "/etc"]
    ) {
      const token = mint({ key: KEY, prefix, mode, exp: LATER });
      assertEquals(verify(KEY, token, NOW), {
        prefixes: [prefix],
        mode,
        exp: LATER,
        root: `${prefix}|${LATER}|${mode}`,
      });
      assertMatch(token, /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{43}$/);
    }
  }
});

Deno.test("mint() throws for fields without a canonical spelling", () => {
  const prefixes = [
    "",
    "home",
    "/home/",
    "//",
    "/home//x",
    "/home/../etc",
    "/home/.",
    "/a|b",
    "/a\nb",
  ];
  for (const prefix of [...prefixes, "/home/e\u0301", "/home/\\x", "/home/\0", "/home/\ud800"]) {
    assertMatch(refusal(() => mint({ ...CAPABILITY, prefix })), /^bad-query: /, prefix);
  }
  for (const exp of [0, -1, 1.5, NaN, Infinity, 2 ** 53]) {
    assertMatch(refusal(() => mint({ ...CAPABILITY, exp })), /^bad-query: /, String(exp));
  }
});

Deno.test("mint() throws if the key is empty", () => {
  assertThrows(() => mint({ ...CAPABILITY, key: "" }), {
    name: "TypeError",
    message: /key is empty/,
  });
});

Deno.test("verify() checks the expiry to the second", () => {
  const token = mint({ ...CAPABILITY, exp: NOW });
  assertStrictEquals(verify(KEY, token, NOW - 1)?.exp, NOW);
  assertStrictEquals(verify(KEY, token, NOW - 0.001)?.exp, NOW);
  assertEquals(verify(KEY, token, NOW), undefined);
  assertEquals(verify(KEY, token, NOW + 1), undefined);
});

Deno.test("verify() rejects a token that was signed with another key", () => {
  const token = mint(CAPABILITY);
  for (const key of ["", "another key", KEY + " ", KEY.toUpperCase()]) {
    assertEquals(verify(key, token, NOW), undefined, key);
  }
  const unkeyed = sign(`/home/scratch|${LATER}|rw`).split(".")[0] + "." +
    createHmac("sha256", "").update(`/home/scratch|${LATER}|rw`).digest("base64url");
  assertEquals(verify("", unkeyed, NOW), undefined);
});

Deno.test("narrow() needs no key, and verify() applies every added line", () => {
  const once = narrow(mint(CAPABILITY), {
    prefix: "/home/scratch/sub",
    mode: "rw",
    exp: LATER - 60,
  });
  const twice = narrow(once, { prefix: "/home/scratch/sub/x", mode: "r", exp: LATER });
  assertStrictEquals(
    twice,
    sign(
      `/home/scratch|${LATER}|rw\n/home/scratch/sub|${
        LATER - 60
      }|rw\n/home/scratch/sub/x|${LATER}|r`,
    ),
  );
  assertEquals(verify(KEY, twice, NOW), {
    prefixes: ["/home/scratch", "/home/scratch/sub", "/home/scratch/sub/x"],
    mode: "r",
    exp: LATER - 60,
    root: `/home/scratch|${LATER}|rw`,
  });
});

Deno.test("narrow() cannot widen mode or expiry", () => {
  const base = mint({ ...CAPABILITY, mode: "r", exp: NOW + 10 });
  const wider = narrow(base, { prefix: "/home/scratch", mode: "rwd", exp: NOW + 10_000 });
  assertEquals(verify(KEY, wider, NOW), {
    prefixes: ["/home/scratch", "/home/scratch"],
    mode: "r",
    exp: NOW + 10,
    root: `/home/scratch|${NOW + 10}|r`,
  });
  assertEquals(verify(KEY, wider, NOW + 10), undefined);
});

Deno.test("a line whose prefix is not inside the one before makes the whole token invalid", () => {
  const first = `/home/scratch|${LATER}|rw`;
  for (
    const prefix of ["/", "/home", "/home/other", "/home/scratchy", "/home/Scratch", "/etc/scratch"]
  ) {
    assertMatch(
      refusal(() => narrow(mint(CAPABILITY), { prefix, mode: "rw", exp: LATER })),
      /^bad-query: .* is not inside its prefix \/home\/scratch/,
      prefix,
    );
    const line = `${prefix}|${LATER}|rw`;
    assertEquals(verify(KEY, sign(`${first}\n${line}`), NOW), undefined, prefix);
    // A later line inside both does not repair it.
    const third = `/home/scratch/x|${LATER}|rw`;
    assertEquals(verify(KEY, sign(`${first}\n${line}\n${third}`), NOW), undefined, prefix);
  }
});

const ID = "1764293412345-9f3ac04be1d27a55";
const NAMED = { ...CAPABILITY, name: "kestrel", id: ID } as const;

Deno.test("mint() writes name and id into the first line, and verify() returns them", () => {
  assertStrictEquals(mint(NAMED), sign(`/home/scratch|${LATER}|rw|kestrel|${ID}`));
  assertEquals(verify(KEY, mint(NAMED), NOW), {
    prefixes: ["/home/scratch"],
    mode: "rw",
    exp: LATER,
    root: `/home/scratch|${LATER}|rw|kestrel|${ID}`,
    id: ID,
    names: ["kestrel"],
  });
  const unnamed = mint({ ...CAPABILITY, id: ID });
  assertStrictEquals(unnamed, sign(`/home/scratch|${LATER}|rw||${ID}`));
  assertEquals(verify(KEY, unnamed, NOW)?.names, undefined);
  assertEquals(verify(KEY, unnamed, NOW)?.id, ID);
});

Deno.test("createCapabilityId() has the mint time, and two ids of one moment differ", () => {
  const ids = new Set(
    Array.from(
      { length: 100 },
      () => createCapabilityId(NOW * 1000 + 0.5, crypto.getRandomValues(new Uint8Array(8))),
    ),
  );
  assertEquals(ids.size, 100);
  for (const id of ids) assertMatch(id, new RegExp(`^${NOW}000-[0-9a-f]{16}$`));
  assertThrows(() => createCapabilityId(NOW, new Uint8Array(7)), { name: "TypeError" });
});

Deno.test("verify() joins the names of all lines, and puts the id first if the first has none", () => {
  const line = { prefix: "/home/scratch", mode: "rw", exp: LATER } as const;
  const named = mint(NAMED);
  const unnamed = mint({ ...CAPABILITY, id: ID });
  const namesOf = (token: string) => verify(KEY, token, NOW)?.names;
  assertEquals(namesOf(narrow(named, line)), ["kestrel"]);
  assertEquals(namesOf(narrow(narrow(named, line), { ...line, name: "junior" })), [
    "kestrel",
    "junior",
  ]);
  assertEquals(namesOf(narrow(unnamed, line)), undefined);
  assertEquals(namesOf(narrow(unnamed, { ...line, name: "junior" })), [`~${ID}`, "junior"]);
  const twice = narrow(narrow(unnamed, { ...line, name: "a" }), { ...line, name: "b" });
  assertEquals(namesOf(twice), [`~${ID}`, "a", "b"]);
});

Deno.test("verify() gives old tokens of different capabilities different names", () => {
  const line = { prefix: "/home/scratch", mode: "rw", exp: NOW + 5, name: "junior" } as const;
  const names = [mint(CAPABILITY), mint({ ...CAPABILITY, exp: LATER + 1 })].map((token) =>
    verify(KEY, narrow(token, line), NOW)?.names
  );
  for (const found of names) {
    assertMatch(found?.[0] ?? "", /^~[0-9a-f]{16}$/);
    assertEquals(found?.[1], "junior");
  }
  assert(names[0]?.[0] !== names[1]?.[0]);
});

Deno.test("verify() rejects names, ids and numbers of fields that no line has", () => {
  const start = `/home/scratch|${LATER}|rw`;
  const first = `${start}|kestrel|${ID}`;
  const firsts = [
    `${start}|kestrel`,
    `${start}|`,
    `${start}||`,
    `${start}|kestrel|`,
    `${start}|kestrel|${ID}|`,
    `${start}|kestrel|${ID}|x`,
    `${start}|kestrel|x`,
    `${start}|kestrel|0-9f3ac04be1d27a55`,
    `${start}|kestrel|01764293412345-9f3ac04be1d27a55`,
    `${start}|kestrel|9999999999999999-9f3ac04be1d27a55`,
    `${start}|kestrel|1764293412345-9F3AC04BE1D27A55`,
    `${start}|kestrel|1764293412345-9f3ac04be1d27a5`,
    ...[".", "..", "a b", "a/b", "~x", "é", "a#b", "a%", "x".repeat(65), " a", "a\u200b"]
      .map((name) => `${start}|${name}|${ID}`),
  ];
  for (const line of firsts) {
    assertEquals(verify(KEY, sign(line), NOW), undefined, JSON.stringify(line));
  }
  const seconds = [first, `${start}||${ID}`, `${start}|`, `${start}|.`, `${start}|~${ID}`];
  for (const line of [...seconds, `${start}|${"x".repeat(65)}`]) {
    assertEquals(verify(KEY, sign(`${first}\n${line}`), NOW), undefined, JSON.stringify(line));
  }
  for (const name of ["a", "A-1_b.c", "...", "x".repeat(64)]) {
    assert(verify(KEY, sign(`${start}|${name}|${ID}`), NOW), name);
    assert(verify(KEY, sign(`${first}\n${start}|${name}`), NOW), name);
  }
});

Deno.test("isCapabilityMode() accepts three modes", () => {
  assertEquals(["r", "rw", "rwd", "d", "w", "", "RW"].filter(isCapabilityMode), ["r", "rw", "rwd"]);
});

Deno.test("narrow() with an expired line gives an expired token", () => {
  const token = narrow(mint(CAPABILITY), { prefix: "/home/scratch", mode: "rw", exp: NOW - 1 });
  assertEquals(verify(KEY, token, NOW), undefined);
});

Deno.test("narrow() throws for malformed tokens and lines without a canonical spelling", () => {
  for (const token of ["", ".", "a.b", "x".repeat(80), mint(CAPABILITY) + "=", "é".repeat(50)]) {
    assertMatch(refusal(() => narrow(token, CAPABILITY)), /^bad-query: .*malformed/, token);
  }
  assertMatch(
    refusal(() => narrow(mint(CAPABILITY), { ...CAPABILITY, prefix: "/a/" })),
    /^bad-query: /,
  );
});

Deno.test("narrow() adds at most 16 lines, and verify() accepts no more", () => {
  assertEquals(MAX_CAPABILITY_LINES, 16);
  let token = mint({ ...CAPABILITY, prefix: "/" });
  for (let lines = 1; lines < MAX_CAPABILITY_LINES; lines++) {
    token = narrow(token, { prefix: "/home", mode: "rw", exp: LATER });
  }
  assertEquals(verify(KEY, token, NOW)?.prefixes.length, 16);
  const more = { prefix: "/home", mode: "rw", exp: LATER } as const;
  assertMatch(refusal(() => narrow(token, more)), /^bad-query: .*16 lines/);
  assert(verify(KEY, sign(Array(16).fill(`/|${LATER}|r`).join("\n")), NOW));
  assertEquals(verify(KEY, sign(Array(17).fill(`/|${LATER}|r`).join("\n")), NOW), undefined);
});

Deno.test("mint() and verify() accept at most 4096 characters", () => {
  assertEquals(MAX_CAPABILITY_CHARS, 4096);
  const prefix = (bytes: number) => "/" + "a".repeat(bytes - 1);
  // 4096 = 4052 of payload, a dot and 43 of signature; 4052 base64url characters are 3039 bytes.
  const rest = `|${LATER}|rw`.length;
  const fits = mint({ ...CAPABILITY, prefix: prefix(3039 - rest) });
  assertEquals(fits.length, 4096);
  assert(verify(KEY, fits, NOW));
  assertMatch(
    refusal(() => mint({ ...CAPABILITY, prefix: prefix(3040 - rest) })),
    /at most 4096 are allowed/,
  );
  assertEquals(verify(KEY, sign(prefix(3040 - rest) + `|${LATER}|rw`), NOW), undefined);
});

Deno.test("verify() rejects a token with one character changed, added or removed", () => {
  const token = narrow(mint(CAPABILITY), { prefix: "/home/scratch/x", mode: "r", exp: LATER });
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ \n";
  for (let at = 0; at <= token.length; at++) {
    const [before, after] = [token.slice(0, at), token.slice(at)];
    assertEquals(verify(KEY, before + after.slice(1) + (after ? "" : "A"), NOW), undefined);
    for (const char of alphabet) {
      assertEquals(verify(KEY, before + char + after, NOW), undefined);
      if (char !== after[0] && after !== "") {
        assertEquals(verify(KEY, before + char + after.slice(1), NOW), undefined);
      }
    }
  }
  for (let at = 0; at < token.length; at++) {
    assertEquals(verify(KEY, token.slice(0, at), NOW), undefined);
  }
});

Deno.test("verify() rejects lines that were removed, prepended, repeated or reordered", () => {
  const first = `/home/scratch|${LATER}|rw`;
  const second = `/home/scratch/x|${LATER}|r`;
  const honest = sign(`${first}\n${second}`);
  assert(verify(KEY, honest, NOW));
  const signature = honest.slice(honest.indexOf("."));
  for (
    const payload of [
      first,
      second,
      `${second}\n${first}`,
      `${first}\n${second}\n${second}`,
      `/|${LATER}|rw\n${first}\n${second}`,
      `${first}\n/home/scratch/x|${LATER}|rw`,
      `${first}\n${second}\n`,
      `\n${first}\n${second}`,
      `${first}\r\n${second}`,
    ]
  ) {
    const token = Buffer.from(payload).toString("base64url") + signature;
    assertEquals(verify(KEY, token, NOW), undefined, payload);
  }
  // A signature over the joined text is not the signature of the chain.
  assertEquals(verify(KEY, sign(`${first}\n${second}`, [`${first}\n${second}`]), NOW), undefined);
});

Deno.test("verify() rejects a correctly signed line in another than the canonical spelling", () => {
  const lines = [
    "",
    "/home",
    `/home|${LATER}`,
    `/home|${LATER}|`,
    `/home|${LATER}|w`,
    `/home|${LATER}|wr`,
    `/home|${LATER}|RW`,
    `/home|${LATER}|rw `,
    `/home|${LATER}|rw|`,
    `/home|${LATER}|wrd`,
    `/home|${LATER}|rd`,
    `/home|x|${LATER}|rw`,
    `|${LATER}|rw`,
    `home|${LATER}|rw`,
    ` /home|${LATER}|rw`,
    `\ufeff/home|${LATER}|rw`,
    `/home/|${LATER}|rw`,
    `//|${LATER}|rw`,
    `/home//x|${LATER}|rw`,
    `/home/./x|${LATER}|rw`,
    `/home/..|${LATER}|rw`,
    `/home/../etc|${LATER}|rw`,
    `/home/x\\y|${LATER}|rw`,
    `/home/x\0|${LATER}|rw`,
    `/home/e\u0301|${LATER}|rw`,
    `/home/\u212b|${LATER}|rw`,
    `/home||rw`,
    `/home|0|rw`,
    `/home|-${LATER}|rw`,
    `/home|+${LATER}|rw`,
    `/home|0${LATER}|rw`,
    `/home|${LATER}.0|rw`,
    `/home|${LATER}.5|rw`,
    `/home| ${LATER}|rw`,
    `/home|${LATER}\t|rw`,
    `/home|2e9|rw`,
    `/home|0x7fffffff|rw`,
    `/home|9007199254740993|rw`,
    `/home|99999999999999999999|rw`,
    `/home|1e+21|rw`,
    `/home|Infinity|rw`,
    `/home|NaN|rw`,
    `/home|１８００００３６００|rw`,
  ];
  for (const line of lines) {
    assertEquals(verify(KEY, sign(line), NOW), undefined, JSON.stringify(line));
    const second = sign(`/|${LATER}|rw\n${line}`);
    assertEquals(verify(KEY, second, NOW), undefined, `second ${JSON.stringify(line)}`);
  }
});

Deno.test("verify() rejects other spellings of base64url", () => {
  const token = mint({ ...CAPABILITY, prefix: "/home/~~~ÿÿÿ>>>" });
  assert(verify(KEY, token, NOW));
  const [payload = "", signature = ""] = token.split(".");
  const spare = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  const others = [
    `${payload}=.${signature}`,
    `${payload}==.${signature}`,
    `${payload}.${signature}=`,
    ` ${token}`,
    `${token} `,
    `${token}\n`,
    `${payload}..${signature}`,
    `${payload}.${signature}.${signature}`,
    token.replaceAll("-", "+").replaceAll("_", "/"),
    `${payload.slice(0, 4)}\n${payload.slice(4)}.${signature}`,
    `${payload.slice(0, 4)}!${payload.slice(4)}.${signature}`,
    // A byte order mark before the payload, signed without it.
    `${
      Buffer.from("\ufeff" + Buffer.from(payload, "base64url")).toString("base64url")
    }.${signature}`,
    // The last of 43 characters has two bits that are not decoded.
    `${payload}.${signature.slice(0, -1)}${spare[spare.indexOf(signature.at(-1) ?? "") + 1]}`,
  ].filter((other) => other !== token);
  for (const other of others) assertEquals(verify(KEY, other, NOW), undefined, other);
});

Deno.test("verify() rejects a correctly signed payload that is not UTF-8", () => {
  for (const bytes of [[0xff], [0xc0, 0xaf], [0xed, 0xa0, 0x80], [0xc3]]) {
    const line = Buffer.concat([
      Buffer.from("/home/"),
      Buffer.from(bytes),
      Buffer.from(`|${LATER}|rw`),
    ]);
    for (const signed of [line, Buffer.from(line.toString())]) {
      const signature = createHmac("sha256", KEY).update(signed).digest("base64url");
      assertEquals(verify(KEY, `${line.toString("base64url")}.${signature}`, NOW), undefined);
    }
  }
});

Deno.test("verify() never throws for untrusted text", () => {
  const dot43 = "." + "A".repeat(43);
  const texts = [
    "",
    ".",
    dot43,
    "A" + dot43,
    "é" + dot43,
    "\ud800" + dot43,
    "\0".repeat(99),
    "=" + dot43,
  ];
  for (const text of [...texts, "a".repeat(1e5), ".".repeat(100), "A".repeat(4052) + dot43]) {
    assertEquals(verify(KEY, text, NOW), undefined);
  }
});

Deno.test("isCapabilityShaped() checks the outer form only", () => {
  assertEquals(isCapabilityShaped(mint(CAPABILITY)), true);
  for (
    const text of [
      "",
      "token",
      "a.b",
      "." + "A".repeat(43),
      "A".repeat(4053) + "." + "A".repeat(43),
    ]
  ) {
    assertEquals(isCapabilityShaped(text), false, text.slice(0, 60));
  }
});

Deno.test("isInside() compares whole segments", () => {
  const rows: [prefix: string, path: string, inside: boolean][] = [
    ["/home/scratch", "/home/scratch", true],
    ["/home/scratch", "/home/scratch/x", true],
    ["/home/scratch", "/home/scratch/x/y", true],
    ["/home/scratch", "/home/scratchy", false],
    ["/home/scratch", "/home/scratch2/x", false],
    ["/home/scratch", "/home/scratch.txt", false],
    ["/home/scratch", "/home/scratch-", false],
    ["/home/scratch", "/home/scratc", false],
    ["/home/scratch", "/home", false],
    ["/home/scratch", "/", false],
    ["/home/scratch", "/home/Scratch", false],
    ["/home/scratch", "/home/x/home/scratch", false],
    ["/home/scratch", "/etc/scratch", false],
    ["/home/é", "/home/é/x", true],
    ["/home/e", "/home/é", false],
    ["/home/%", "/home/%/x", true],
    ["/home/%", "/home/%25", false],
    ["/", "/", true],
    ["/", "/etc/x", true],
    ["/home", "/home", true],
    ["/home", "/homes/x", false],
  ];
  for (const [prefix, path, inside] of rows) {
    const scope: Scope = { prefixes: [prefix], mode: "rw", exp: LATER, root: "" };
    assertStrictEquals(isInside(scope, path), inside, `${path} in ${prefix}`);
  }
});

Deno.test("isInside() requires the path to be inside every prefix", () => {
  const scope: Scope = {
    prefixes: ["/home", "/home/a", "/home/a/b"],
    mode: "rw",
    exp: LATER,
    root: "",
  };
  assertEquals(isInside(scope, "/home/a/b/c"), true);
  for (const path of ["/home", "/home/a", "/home/a/c", "/home/b"]) {
    assertEquals(isInside(scope, path), false, path);
  }
});
