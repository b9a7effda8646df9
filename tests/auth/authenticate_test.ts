import {
  assert,
  assertEquals,
  assertNotStrictEquals,
  assertStrictEquals,
  assertThrows,
} from "../support/assert.ts";
import { Buffer } from "node:buffer";
import { ANONYMOUS, createAuthenticator, LOCAL, REJECTED } from "../../lib/auth/authenticate.ts";
import type { Caller } from "../../lib/auth/caller.ts";
import { mint, narrow } from "../../lib/auth/capability.ts";
import { sha256Hex } from "../../lib/base/hash.ts";
import { CAPABILITY_CACHE_ENTRIES, MAX_AUTHORIZATION_CHARS } from "../../lib/limits.ts";

const KEY = "signing key";
const TOKEN = "t2-token";
const APPROVE = "t3-token";
const NOW = 1_800_000_000;
const T2: Caller = { tier: "T2", by: "T2", authenticated: true };
const T3: Caller = { tier: "T3", by: "T3", authenticated: true };

function createTestAuthenticator(
  settings: { token?: string; approveToken?: string; now?: () => number } = {},
) {
  return createAuthenticator({
    token: TOKEN,
    approveToken: APPROVE,
    key: KEY,
    now: () => NOW * 1000,
    ...settings,
  });
}

function withoutTokens() {
  return createAuthenticator({ approveToken: APPROVE, key: KEY, now: () => NOW * 1000 });
}

function basic(user: string, password: string): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
}

function cap(prefix = "/home/scratch", mode: "r" | "rw" = "rw", exp = NOW + 60): string {
  return mint({ key: KEY, prefix, mode, exp });
}

Deno.test("authenticate() without a header returns T1, or T2 on loopback without a token", () => {
  assertEquals(ANONYMOUS, { tier: "T1", by: "T1" });
  assertEquals(LOCAL, { tier: "T2", by: "T2:local" });
  assertStrictEquals(createTestAuthenticator().authenticate(null, true), ANONYMOUS);
  assertStrictEquals(createTestAuthenticator().authenticate(null, false), ANONYMOUS);
  assertStrictEquals(withoutTokens().authenticate(null, true), LOCAL);
  assertStrictEquals(withoutTokens().authenticate(null, false), ANONYMOUS);
});

Deno.test("authenticate() requires a token if it is set to the empty string", () => {
  const empty = createTestAuthenticator({ token: "" });
  assertStrictEquals(empty.authenticate(null, true), ANONYMOUS);
  for (const header of ["Bearer ", "Bearer", "Bearer  ", basic("", ""), basic("x", "")]) {
    assertEquals(empty.authenticate(header, true), REJECTED, header);
  }
});

Deno.test("authenticate() accepts the tokens as Bearer", () => {
  for (const loopback of [true, false]) {
    assertEquals(createTestAuthenticator().authenticate(`Bearer ${TOKEN}`, loopback), T2);
    assertEquals(createTestAuthenticator().authenticate(`Bearer ${APPROVE}`, loopback), T3);
    assertEquals(withoutTokens().authenticate(`Bearer ${APPROVE}`, loopback), T3);
  }
});

Deno.test("authenticate() accepts scheme names in any case, followed by any number of spaces", () => {
  for (const scheme of ["Bearer", "bearer", "BEARER", "bEaReR"]) {
    assertEquals(createTestAuthenticator().authenticate(`${scheme} ${TOKEN}`, false), T2);
    assertEquals(createTestAuthenticator().authenticate(`${scheme}   ${TOKEN}`, false), T2);
  }
  const encoded = basic("x", TOKEN).slice(6);
  for (const scheme of ["Basic", "basic", "BASIC"]) {
    assertEquals(createTestAuthenticator().authenticate(`${scheme} ${encoded}`, false), T2);
  }
});

Deno.test("authenticate() accepts tokens and capabilities as Basic password of any user", () => {
  for (const user of ["", "x", "T3", "ada", "é", "a b"]) {
    assertEquals(createTestAuthenticator().authenticate(basic(user, TOKEN), false), T2, user);
    assertEquals(createTestAuthenticator().authenticate(basic(user, APPROVE), false), T3, user);
    assertEquals(
      createTestAuthenticator().authenticate(basic(user, cap()), false).by,
      "cap:/home/scratch",
      user,
    );
  }
});

Deno.test("authenticate() rejects unknown and malformed credentials, with and without a token", () => {
  const encoded = Buffer.from(`x:${TOKEN}`).toString("base64");
  const headers = [
    "",
    " ",
    "Bearer",
    "Bearer ",
    "Basic",
    "Basic ",
    TOKEN,
    APPROVE,
    `Bearer${TOKEN}`,
    `Bearer\t${TOKEN}`,
    `Bearer: ${TOKEN}`,
    `Bearer ${TOKEN}x`,
    `Bearer x${TOKEN}`,
    `Bearer ${TOKEN.slice(0, -1)}`,
    `Bearer ${TOKEN.toUpperCase()}`,
    `Bearer ${TOKEN} ${TOKEN}`,
    `Bearer ${TOKEN}, Bearer ${APPROVE}`,
    `Bearer "${TOKEN}"`,
    `Bearer token=${TOKEN}`,
    `Bearer ${Buffer.from(TOKEN).toString("base64")}`,
    `Bearer ${encoded}`,
    `Basic ${TOKEN}`,
    `Basic ${Buffer.from(TOKEN).toString("base64")}`,
    `Basic ${Buffer.from(`${TOKEN}:x`).toString("base64")}`,
    `Basic ${Buffer.from(`x:${TOKEN}:`).toString("base64")}`,
    `Basic !${encoded}`,
    `Basic ${encoded.slice(0, 4)} ${encoded.slice(4)}`,
    `Basic ${encoded},`,
    `Basic ${encoded}====`,
    `Basic ${Buffer.from([0xff, 0x3a, 0x61]).toString("base64")}`,
    `Digest username="x", response="${TOKEN}"`,
    `Token ${TOKEN}`,
    `Negotiate ${encoded}`,
    `Bearer ${"a".repeat(9000)}`,
    "Bearer undefined",
    "Bearer null",
    "Bearer __proto__",
    "Bearer \u0000",
    `Bearer ${KEY}`,
    basic("x", ""),
    basic("x", "wrong"),
    basic("", ""),
    basic("undefined", "undefined"),
  ];
  for (const header of headers) {
    for (const loopback of [true, false]) {
      assertEquals(
        createTestAuthenticator().authenticate(header, loopback),
        REJECTED,
        header,
      );
      assertEquals(withoutTokens().authenticate(header, loopback), REJECTED, header);
    }
  }
  assertEquals(REJECTED, { tier: "T1", by: "T1", rejected: true });
});

Deno.test("authenticate() never matches an empty token", () => {
  for (const settings of [{ approveToken: "" }, { token: "", approveToken: "" }]) {
    for (const header of ["Bearer ", "Bearer", "", basic("", ""), basic("x", "")]) {
      assertEquals(
        createTestAuthenticator(settings).authenticate(header, true),
        REJECTED,
        header,
      );
    }
  }
});

Deno.test("authenticate() returns T3 if both tokens are equal", () => {
  const both = createTestAuthenticator({ token: "same", approveToken: "same" });
  assertEquals(both.authenticate("Bearer same", false), T3);
});

Deno.test("authenticate() compares tokens beyond ASCII by their bytes on the wire", () => {
  for (const token of ["voilà", "文", "pässword 🔑"]) {
    const wire = Buffer.from(token).toString("latin1");
    assertEquals(
      createTestAuthenticator({ token }).authenticate(`Bearer ${wire}`, false),
      T2,
      token,
    );
    assertEquals(
      createTestAuthenticator({ token }).authenticate(basic("x", token), false),
      T2,
      token,
    );
    assertStrictEquals(
      createTestAuthenticator({ token }).authenticate(`Bearer ${token}`, false),
      REJECTED,
      token,
    );
  }
});

Deno.test("authenticate() parses headers of 8192 characters and rejects longer ones", () => {
  const secret = "s".repeat(MAX_AUTHORIZATION_CHARS - "Bearer ".length);
  assertEquals(
    createTestAuthenticator({ token: secret }).authenticate(`Bearer ${secret}`, false),
    T2,
  );
  const longer = createTestAuthenticator({ token: secret + "s" });
  assertStrictEquals(longer.authenticate(`Bearer ${secret}s`, false), REJECTED);
});

Deno.test("authenticate() returns T2 with the scope of a capability", () => {
  const auth = createTestAuthenticator();
  const expected: Caller = {
    tier: "T2",
    by: "cap:/home/scratch",
    scope: {
      prefixes: ["/home/scratch"],
      mode: "r",
      exp: NOW + 60,
      root: `/home/scratch|${NOW + 60}|r`,
    },
    authenticated: true,
  };
  const header = `Bearer ${cap("/home/scratch", "r")}`;
  for (let again = 0; again < 3; again++) {
    assertEquals(auth.authenticate(header, again === 1), expected);
  }
});

Deno.test("authenticate() names a narrowed capability after its longest prefix", () => {
  const line = { mode: "rw", exp: NOW + 60 } as const;
  const narrower = narrow(cap(), { ...line, prefix: "/home/scratch/sub" });
  assertEquals(
    createTestAuthenticator().authenticate(`Bearer ${narrower}`, false).by,
    "cap:/home/scratch/sub",
  );
});

Deno.test("authenticate() rejects capabilities with another key, expired or changed ones", () => {
  const foreign = mint({ key: "other", prefix: "/", mode: "rw", exp: NOW + 60 });
  const tampered = cap().replace(/^./, (first) => (first === "A" ? "B" : "A"));
  for (const token of [foreign, tampered, cap("/", "rw", NOW), cap().slice(0, -1), cap() + "A"]) {
    assertStrictEquals(
      createTestAuthenticator().authenticate(`Bearer ${token}`, true),
      REJECTED,
      token,
    );
    assertEquals(withoutTokens().authenticate(basic("x", token), true), REJECTED, token);
  }
});

Deno.test("authenticate() rejects a cached capability after its expiry", () => {
  let seconds = NOW;
  const auth = createTestAuthenticator({ now: () => seconds * 1000 });
  const header = `Bearer ${cap("/home/scratch", "rw", NOW + 60)}`;
  assertEquals(auth.authenticate(header, false).authenticated, true);
  seconds = NOW + 59.9;
  assertEquals(auth.authenticate(header, false).authenticated, true);
  seconds = NOW + 60;
  assertStrictEquals(auth.authenticate(header, false), REJECTED);
  assertStrictEquals(auth.authenticate(header, false), REJECTED);
});

Deno.test("authenticate() limits its cache and still accepts a capability that was evicted", () => {
  const auth = createTestAuthenticator();
  const first = `Bearer ${cap("/home/0")}`;
  assertEquals(auth.authenticate(first, false).by, "cap:/home/0");
  const remembered = auth.authenticate(first, false);
  assertStrictEquals(auth.authenticate(first, false), remembered);
  for (let n = 1; n <= CAPABILITY_CACHE_ENTRIES; n++) {
    assertEquals(auth.authenticate(`Bearer ${cap(`/home/${n}`)}`, false).by, `cap:/home/${n}`);
  }
  const again = auth.authenticate(first, false);
  assertNotStrictEquals(again, remembered);
  assertEquals(again, remembered);
});

Deno.test("authenticate() accepts the accounts of /etc/passwd and /etc/shadow", () => {
  const auth = createTestAuthenticator();
  assertEquals(auth.authenticate(basic("ada", "a"), false), REJECTED);
  const digests = ["a", "b", "c", "pässwörd"].map(sha256Hex);
  auth.setAccounts(
    "ada:T1\nbob:T2\ncy:T3\nève:T2\n",
    `ada:${digests[0]}\nbob:${digests[1]}\ncy:${digests[2]}\nève:${digests[3]}\n`,
  );
  const rows: [string, string, Caller][] = [
    ["ada", "a", { tier: "T1", by: "user:ada", authenticated: true }],
    ["bob", "b", { tier: "T2", by: "user:bob", authenticated: true }],
    ["cy", "c", { tier: "T3", by: "user:cy", authenticated: true }],
    ["ève", "pässwörd", { tier: "T2", by: "user:ève", authenticated: true }],
    ["e\u0300ve", "pässwörd", { tier: "T2", by: "user:ève", authenticated: true }],
    ["ada", "b", REJECTED],
    ["eve", "a", REJECTED],
    ["ADA", "a", REJECTED],
    ["ada", "", REJECTED],
    ["", "a", REJECTED],
    ["ada", digests[0] ?? "", REJECTED],
  ];
  for (const [user, password, caller] of rows) {
    assertEquals(auth.authenticate(basic(user, password), true), caller, `${user}:${password}`);
  }
  // An account is not accepted as a Bearer token.
  assertStrictEquals(auth.authenticate("Bearer a", false), REJECTED);
  assertStrictEquals(auth.authenticate("Bearer ada:a", false), REJECTED);
  auth.setAccounts("", "");
  assertEquals(auth.authenticate(basic("ada", "a"), false), REJECTED);
});

Deno.test("authenticate() splits Basic credentials at the first colon", () => {
  const auth = createTestAuthenticator({ token: "with:colons:" });
  assertEquals(auth.authenticate(basic("x", "with:colons:"), false), T2);
  auth.setAccounts("ada:T2\n", `ada:${sha256Hex("a:b:c")}\n`);
  assertEquals(auth.authenticate(basic("ada", "a:b:c"), false).by, "user:ada");
});

Deno.test("authenticate() returns callers without a secret", () => {
  const auth = createTestAuthenticator();
  auth.setAccounts("ada:T1\n", `ada:${sha256Hex("password")}\n`);
  const token = cap();
  for (
    const header of [
      `Bearer ${TOKEN}`,
      `Bearer ${APPROVE}`,
      `Bearer ${token}`,
      basic("ada", "password"),
    ]
  ) {
    const caller = JSON.stringify(auth.authenticate(header, false));
    for (
      const secret of [TOKEN, APPROVE, KEY, token.slice(-43), "password", sha256Hex("password")]
    ) {
      assert(!caller.includes(secret), caller);
    }
  }
});

Deno.test("authenticate() returns frozen callers", () => {
  for (const header of [null, "x", `Bearer ${TOKEN}`, `Bearer ${APPROVE}`, `Bearer ${cap()}`]) {
    const caller = createTestAuthenticator().authenticate(header, false);
    assert(Object.isFrozen(caller), String(header));
    assert(caller.scope === undefined || Object.isFrozen(caller.scope));
  }
});

Deno.test("createAuthenticator() throws if the signing key is empty", () => {
  assertThrows(
    () => createAuthenticator({ approveToken: APPROVE, key: "", now: Date.now }),
    { name: "TypeError", message: /ELASTIK_KEY is empty/ },
  );
});

Deno.test("isCurrent() is false once the account has another tier, another password or is removed", () => {
  const auth = createTestAuthenticator();
  const [a, b] = ["a", "b"].map(sha256Hex);
  const changes: [string, string, boolean][] = [
    ["ada:T3\n", `ada:${a}\n`, true],
    ["bob:T2\nada:T3\n", `ada:${a}\nbob:${b}\n`, true],
    ["ada:T2\n", `ada:${a}\n`, false],
    ["ada:T3\n", `ada:${b}\n`, false],
    ["", `ada:${a}\n`, false],
    ["ada:T3\n", "", false],
  ];
  for (const [passwd, shadow, isCurrent] of changes) {
    auth.setAccounts("ada:T3\n", `ada:${a}\n`);
    const caller = auth.authenticate(basic("ada", "a"), false);
    assertEquals(auth.isCurrent(caller), true);
    let changed = 0;
    const stop = auth.onChange(() => changed++);
    auth.setAccounts(passwd, shadow);
    stop();
    assertEquals([auth.isCurrent(caller), changed], [isCurrent, 1], `${passwd}${shadow}`);
  }
  assertEquals(auth.isCurrent(T3), true);
});

Deno.test("isCurrent() is false for a capability from its expiry second on", () => {
  let now = NOW * 1000;
  const auth = createTestAuthenticator({ now: () => now });
  const caller = auth.authenticate(`Bearer ${cap()}`, false);
  assertEquals(auth.isCurrent(caller), true);
  now = (caller.scope?.exp ?? 0) * 1000;
  assertEquals(auth.isCurrent(caller), false);
});

Deno.test("setTokens() ends a replaced token and what it opened at once without a grace time", () => {
  const authenticator = createTestAuthenticator();
  const [t2, t3] = [TOKEN, APPROVE].map((token) =>
    authenticator.authenticate(`Bearer ${token}`, true)
  );
  let changes = 0;
  authenticator.onChange(() => changes++);
  const tokens = { token: "next", approveToken: APPROVE };
  assertEquals(authenticator.setTokens(tokens, 0), ["T2"]);
  assertEquals(changes, 1);
  assertStrictEquals(authenticator.authenticate(`Bearer ${TOKEN}`, true), REJECTED);
  assertEquals(authenticator.authenticate("Bearer next", true), T2);
  assert(t2 !== undefined && !authenticator.isCurrent(t2));
  assert(t3 !== undefined && authenticator.isCurrent(t3), "the token of T3 is the same");
  assertEquals(authenticator.setTokens(tokens, 0), []);
  assertEquals(changes, 1);
});

Deno.test("setTokens() keeps only the token before the current one, until its grace time ends", () => {
  let now = NOW * 1000;
  const authenticator = createTestAuthenticator({ now: () => now });
  const old = authenticator.authenticate(`Bearer ${TOKEN}`, true);
  const set = (token: string) => authenticator.setTokens({ token, approveToken: APPROVE }, 1000);
  const tierOf = (token: string) => authenticator.authenticate(`Bearer ${token}`, true).tier;
  set("second");
  now += 999;
  assertEquals([tierOf(TOKEN), tierOf("second")], ["T2", "T2"]);
  assert(authenticator.isCurrent(old));
  now += 1;
  assertEquals([tierOf(TOKEN), tierOf("second")], ["T1", "T2"]);
  assert(!authenticator.isCurrent(old));
  set("third");
  set("fourth");
  assertEquals(["second", "third", "fourth"].map(tierOf), ["T1", "T2", "T2"]);
  // The token of T3 that is reloaded unchanged does not prolong the grace time.
  now += 600;
  assertEquals(set("fourth"), []);
  now += 400;
  assertEquals(["third", "fourth"].map(tierOf), ["T1", "T2"]);
});

Deno.test("setTokens() gives a token that moves to another tier the rights of that tier only", () => {
  const authenticator = createTestAuthenticator();
  const t3 = authenticator.authenticate(`Bearer ${APPROVE}`, true);
  authenticator.setTokens({ token: APPROVE, approveToken: "next" }, 60_000);
  assertEquals(authenticator.authenticate(`Bearer ${APPROVE}`, true), T2);
  assert(!authenticator.isCurrent(t3));
  assertEquals(authenticator.authenticate("Bearer next", true), T3);
  assertEquals(authenticator.authenticate(`Bearer ${TOKEN}`, true), T2, "in its grace time");
});

Deno.test("setTokens() lets a token return in its grace time", () => {
  let now = NOW * 1000;
  const authenticator = createTestAuthenticator({ now: () => now });
  const first = authenticator.authenticate(`Bearer ${TOKEN}`, true);
  authenticator.setTokens({ token: "wrong", approveToken: APPROVE }, 1000);
  assertEquals(authenticator.setTokens({ token: TOKEN, approveToken: APPROVE }, 1000), ["T2"]);
  now += 1000;
  authenticator.endGrace();
  assert(authenticator.isCurrent(first));
  assertStrictEquals(authenticator.authenticate("Bearer wrong", true), REJECTED);
});

Deno.test("isFromStore() is true for a caller that accounts or revoked capabilities decide, also if refused", () => {
  const authenticator = createTestAuthenticator();
  authenticator.setAccounts("ada:T2", `ada:${sha256Hex("right")}`);
  const revoked = cap("/home/revoked");
  authenticator.setRevoked({
    ids: new Set(),
    names: new Set(),
    prefixes: new Map([["/home/revoked", Infinity]]),
  });
  const foreign = mint({ key: "other", prefix: "/", mode: "rw", exp: NOW + 60 });
  for (
    const [header, expected] of [
      [null, false],
      [`Bearer ${TOKEN}`, false],
      [`Bearer ${APPROVE}`, false],
      ["Bearer wrong", false],
      // No store makes the signature of another key valid.
      [`Bearer ${foreign}`, false],
      [basic("x", TOKEN), false],
      [`Bearer ${cap()}`, true],
      [`Bearer ${revoked}`, true],
      [basic("x", cap()), true],
      [basic("ada", "right"), true],
      [basic("ada", "wrong"), true],
      [basic("eve", "right"), true],
    ] as const
  ) {
    const caller = authenticator.authenticate(header, true);
    assertStrictEquals(authenticator.isFromStore(caller), expected, String(header));
  }
  authenticator.suspendCapabilities();
  const suspended = authenticator.authenticate(`Bearer ${cap()}`, true);
  assertEquals(suspended, REJECTED);
  assert(authenticator.isFromStore(suspended));
});

Deno.test("accountMark() lets another server with the key see whether an account is as it was", () => {
  const shadow = (password: string) => `ada:${sha256Hex(password)}\neve:${sha256Hex(password)}`;
  const granting = createTestAuthenticator();
  granting.setAccounts("ada:T2\neve:T2", shadow("right"));
  const caller = granting.authenticate(basic("ada", "right"), true);
  const mark = granting.accountMark(caller);
  assert(mark !== undefined && !mark.includes("ada"));
  assertStrictEquals(
    granting.accountMark(granting.authenticate(`Bearer ${TOKEN}`, true)),
    undefined,
  );
  const recorded = { tier: caller.tier, by: caller.by, account: mark };
  const other = createTestAuthenticator();
  for (
    const [passwd, password, expected] of [
      ["", "right", false],
      ["ada:T2", "right", true],
      ["ada:T2\nbob:T3", "right", true],
      ["ada:T3", "right", false],
      ["ada:T2", "other", false],
      ["eve:T2", "right", false],
    ] as const
  ) {
    other.setAccounts(passwd, shadow(password));
    assertStrictEquals(other.isCurrent(recorded), expected, `${passwd} ${password}`);
  }
  other.setAccounts("ada:T2\neve:T2", shadow("right"));
  assertStrictEquals(other.isCurrent({ ...recorded, by: "user:eve" }), false);
});

Deno.test("pending settles when both the accounts and the revoked capabilities are known", async () => {
  const authenticator = createTestAuthenticator();
  assertEquals([authenticator.pending], [undefined]);
  authenticator.suspendAccounts();
  authenticator.suspendCapabilities();
  let isSettled = false;
  const waiting = authenticator.pending?.then(() => isSettled = true);
  authenticator.setAccounts("", "");
  await Promise.resolve();
  assert(!isSettled, "the revoked capabilities are not known");
  authenticator.setRevoked({ ids: new Set(), names: new Set(), prefixes: new Map() });
  assertStrictEquals(authenticator.pending, undefined);
  await waiting;
  assert(isSettled);
});
