/**
 * Random requests for single routes: valid ones, malformed ones and hostile ones, with the
 * parameters, headers and bodies that the route takes. `fuzz_requests.ts` mixes them with requests
 * that combine anything with anything. Not a test itself.
 */

/** A request for one route, before it is framed. */
export interface RouteRequest {
  /** Name of the route in the report. */
  readonly kind: string;
  readonly method: string;
  readonly target: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: string | undefined;
  readonly tier: string;
}

/** What the set-up of a run created, for requests that refer to it. */
export interface FuzzState {
  /** A cursor of `/proc/changes`. */
  readonly cursor: string;
  /** Ids of deleted worlds in the trash. */
  readonly trash: readonly string[];
}

/** Chooses at random. */
interface Choice {
  pick<T>(list: readonly T[]): T;
  chance(share: number): boolean;
}

type Headers = readonly (readonly [string, string])[];
type Route = (choice: Choice, state: FuzzState) => Omit<RouteRequest, "kind" | "tier"> & {
  /** Callers that are chosen; any caller without it. */
  readonly tiers?: readonly string[];
};

/** Callers whose requests may change the worlds of `/home`. */
const WRITERS = ["T2", "T2", "T3", "T3", "rwd", "rwd", "cap", "narrow", "fleeting", "read", "none"];
const READERS = [...WRITERS, "wrong", "basic", "tampered", "widened"];
const WORLDS = [
  "/home/a",
  "/home/doc.json",
  "/home/dir/x",
  "/home/dir/y/z",
  "/home/dir/list.md",
  "/home/dir/doc.json",
  "/home/dir/new",
  "/home/dir/%C3%A9.md",
  "/home/csv",
  "/home/absent",
];
/** Worlds that are written and edited, with a text that the patches fit. */
const TEXTS: Readonly<Record<string, string>> = {
  "/home/dir/x": "words of a world\n",
  "/home/dir/y/z": "words of a world\n",
  "/home/dir/new": "words of a world",
  "/home/dir/list.md": "- [ ] tea\n- [ ] milk\n",
  "/home/dir/doc.json": '{"x":1,"list":["words"]}',
  "/home/doc.json": '{\n  "x": 1,\n  "list": ["words"]\n}\n',
};
const COLLECTIONS = [
  "/",
  "/home/",
  "/home/dir/",
  "/home/dir/y/",
  "/usr/share/doc/",
  "/etc/",
  "/lib/",
];
const PREFIXES = [
  "",
  "home/",
  "home/dir/",
  "usr/share/doc/",
  "etc/",
  "boot/",
  "home/a",
  "home//",
  "%00/",
];
const TIMES = [
  "1970-01-01T00:00:00Z",
  "2026-11-28T10:00:00.123456789+23:59",
  "9999-12-31T23:59:59Z",
  "yesterday",
  "2026-02-31T00:00:00Z",
  "%00",
];
const NUMBERS = [
  "0",
  "1",
  "2",
  "3",
  "7",
  "1000",
  "10000",
  "99999",
  "-1",
  "1e3",
  "0x1",
  "",
  "9".repeat(40),
];
const CURSORS = ["now", "0", "1", "", "x", "-", "1:1", "0.0", "a".repeat(4000), "%00", "..", "1-1"];

const PATCHES: Readonly<Record<string, readonly string[]>> = {
  "application/merge-patch+json": [
    '{"x":null}',
    '{"name":"Ada","list":[1,2]}',
    '{"deep":{"a":{"b":{"c":1}}}}',
    '{"__proto__":{"x":1},"constructor":{"prototype":{"y":2}}}',
    '{"x":1,"x":2}',
    '{"x":12345678901234567890.0e-3}',
    '"text"',
    "null",
    "{,}",
    "// comment\n{}",
    '{"a":'.repeat(5_000),
    `{${Array.from({ length: 3_000 }, (_, i) => `"k${i}":null`).join(",")}}`,
    '{"\\ud800":"\\udfff"}',
  ],
  "application/json-patch+json": [
    '[{"op":"add","path":"/x","value":1}]',
    '[{"op":"add","path":"/list","value":[]},{"op":"add","path":"/list/-","value":{"done":false}}]',
    '[{"op":"remove","path":"/x"}]',
    '[{"op":"replace","path":"","value":{"fresh":true}}]',
    '[{"op":"move","from":"/x","path":"/y"}]',
    '[{"op":"move","from":"","path":"/inside"}]',
    '[{"op":"copy","from":"","path":"/copy"},{"op":"copy","from":"","path":"/copy2"}]',
    `[${Array(40).fill('{"op":"copy","from":"","path":"/twice"}').join(",")}]`,
    '[{"op":"test","path":"/x","value":1},{"op":"remove","path":"/x"}]',
    '[{"op":"add","path":"/list/99999999999","value":1}]',
    '[{"op":"add","path":"/~2","value":1}]',
    '[{"op":"add","path":"/__proto__/x","value":1}]',
    '[{"op":"burn","path":"/x"}]',
    '[{"op":"add"}]',
    "[]",
    "{}",
    "[null]",
    `[${Array(5_000).fill('{"op":"test","path":"","value":0}').join(",")}]`,
    `[{"op":"add","path":"${"/a".repeat(10_000)}","value":1}]`,
  ],
  "text/x-diff": [
    "@@ -1 +1 @@\n-words of a world\n+other words\n",
    "--- a\n+++ b\n@@ -1 +1,2 @@\n words of a world\n+one line more\n",
    "@@ -1 +1,2 @@\n other words\n+words\n",
    "@@ -0,0 +1 @@\n+first\n",
    "@@ -1 +0,0 @@\n-words of a world\n\\ No newline at end of file\n",
    "@@ -99999999999999999999 +1 @@\n-x\n+y\n",
    "@@ -1,999999 +1,999999 @@\n x\n",
    "@@ -1 +1 @@\n",
    "no diff at all",
    "@@ -1 +1 @@\n-x\r\n+y\r\n",
    `@@ -1 +1,20000 @@\n words of a world\n${"+x\n".repeat(19_999)}`,
    "@@ -1 +1 @@\n-x\n+y\n".repeat(4_000),
    "diff --git a/home/a b/etc/passwd\n--- a/home/a\n+++ b/etc/passwd\n@@ -1 +1 @@\n-x\n+y\n",
  ],
  "application/json": [
    '{"edits":[{"find":"words","replace":"other"}]}',
    '{"edits":[{"find":"other","replace":"words","all":true}]}',
    '{"edits":[{"find":"o","replace":"oo","all":true}]}',
    '{"edits":[{"find":"","replace":"x","all":true}]}',
    '{"edits":[{"find":"[ ] tea","replace":"[x] tea"},{"find":"[x] tea","replace":"[ ] tea"}]}',
    '{"edits":[]}',
    '{"edits":[{"find":1,"replace":null}]}',
    '{"prepend":"# Title\\n"}',
    '{"append":"- [ ] one more\\n"}',
    '{"line":1,"replace":"- [ ] tea"}',
    '{"line":2,"find":"tea","replace":"- [x] tea"}',
    '{"line":0,"replace":"x"}',
    '{"line":1e309,"replace":"x"}',
    '{"line":99999,"replace":"x"}',
    '{"line":1,"replace":"two\\nlines"}',
    '{"append":"x","prepend":"y"}',
    '{"append":"\\ud800"}',
    '{"append":"\\u0000"}',
    "{}",
    "[]",
    `{"edits":[${Array(3_000).fill('{"find":"words","replace":"words"}').join(",")}]}`,
    `{"edits":[{"find":"${"a".repeat(50_000)}","replace":""}]}`,
  ],
};
const FORMATS = Object.keys(PATCHES);
const DESTINATIONS = [
  "/home/dir/moved",
  "/home/dir/moved.md",
  "/home/dir/x",
  "/home/dir/y/",
  "/home/dir/other/",
  "/home/dir/",
  "/home/a",
  "/home/dir/x/below",
  "http://localhost/home/dir/moved",
  "http://elsewhere.example/home/dir/moved",
  "/home/dir/%2e%2e/a",
  "/home/dir/%C3%A9",
  "home/dir/x",
  "%zz",
  "",
  `/home/dir/${"n".repeat(300)}`,
];
const KEYS = [
  "k1",
  "k2",
  "k3",
  '"k4"',
  "k".repeat(255),
  "k".repeat(3_000),
  "k 1",
  "\u00e9",
  "",
  "k1, k2",
];
const NAMES = [
  "kestrel",
  "a.b_c-d",
  "..",
  "a/b",
  "a|b",
  "a%0Ab",
  "x".repeat(64),
  "x".repeat(65),
  "",
  "%C3%A9",
];
const MODES = ["r", "rw", "rwd", "d", "rwx", "", "R", "r%0Aw"];
const MINT_PREFIXES = [
  "/home/dir",
  "/home/dir/",
  "/home",
  "/",
  "/etc",
  "/home/%2e%2e/etc",
  "/home/a%7Cb",
  "/home/e%CC%81",
  "home",
  "",
  `/home/${"p".repeat(5_000)}`,
];
/** Lines that never apply to the credentials of the run, except to the one that is made for it. */
const REVOKED = [
  "name:fleeting\n",
  "",
  "# nothing\n\n",
  "name:finch\r\nname:egret\n",
  "prefix:/home/finch before:2026-11-28T10:00:00Z\n",
  "\ufeffname:finch\n",
  "prefix:/home/finch before:tomorrow\n",
  "prefix:../.. before:2026-11-28T10:00:00Z\n",
  "name:a/b\n",
  "not an id !\n",
  "\u0000\n",
  "name:finch\n".repeat(11_000),
];
const NEEDLES = [
  "words",
  "WORDS",
  "w",
  "%C3%9F",
  "%C4%B0",
  "%F0%9F%98%80",
  "a%22%20OR%20%22b",
  "%25",
  "_",
  "*",
  "NEAR(a%20b)",
  "%00",
  "%FF",
  "a%0Ab",
  "%20",
  "",
  "q".repeat(256),
  "q".repeat(257),
  "h1dden",
];

const ROUTES: Readonly<Record<string, Route>> = {
  PATCH: ({ pick, chance }) => {
    const format = pick(FORMATS);
    const isKnown = chance(0.95);
    const type = isKnown
      ? format + pick(["", "", "", "", "; charset=utf-8", "; charset=utf-8", "; charset=utf-16"])
      : "text/plain";
    return {
      method: "PATCH",
      target: pick(WORLDS),
      headers: [
        ["content-type", type],
        ...some(chance, pick, 0.1, "if-match", ['"1"', "*", '"999"']),
        ...some(chance, pick, 0.2, "x-meta-author", ["ada", "ada", "", "\u00e9"]),
        ...some(chance, pick, 0.2, "idempotency-key", KEYS),
      ],
      body: pick(PATCHES[chance(0.95) ? format : pick(FORMATS)] ?? []),
      tiers: WRITERS,
    };
  },
  PUT: ({ pick, chance }) => {
    const target = pick(chance(0.8) ? Object.keys(TEXTS) : WORLDS);
    return {
      method: chance(0.8) ? "PUT" : "POST",
      target,
      headers: [
        ...some(chance, pick, 0.3, "idempotency-key", KEYS),
        ...some(chance, pick, 0.1, "content-encoding", ["gzip", "identity"]),
        ...some(chance, pick, 0.1, "if-none-match", ["*", '"1"']),
      ],
      body: chance(0.8) ? TEXTS[target] ?? "words" : pick(['{"x":1}', "words\n".repeat(9_000), ""]),
      tiers: WRITERS,
    };
  },
  DELETE: ({ pick, chance }) => ({
    method: "DELETE",
    target: chance(0.05)
      ? "/home/dir/"
      : pick(["/home/dir/new", "/home/dir/moved", "/home/dir/y/"]),
    headers: some(chance, pick, 0.3, "idempotency-key", KEYS),
    body: undefined,
    tiers: ["T3", "rwd", "rwd", ...WRITERS],
  }),
  MOVE: ({ pick, chance }) => ({
    method: "MOVE",
    target: chance(0.7)
      ? pick([
        "/home/dir/x",
        "/home/dir/new",
        "/home/dir/moved",
        "/home/dir/y/",
        "/home/dir/other/",
      ])
      : pick([...WORLDS, "/home/dir/", "/lib/fuzz"]),
    headers: [
      ...some(
        chance,
        pick,
        0.97,
        "destination",
        DESTINATIONS.slice(0, chance(0.7) ? 5 : undefined),
      ),
      ...some(chance, pick, 0.2, "overwrite", ["T", "F", "x"]),
      ...some(chance, pick, 0.1, "if-match", ['"1"', "*"]),
      ...some(chance, pick, 0.1, "depth", ["0", "infinity"]),
    ],
    body: undefined,
    tiers: ["T3", "T3", "rwd", "rwd", "rwd", ...WRITERS],
  }),
  read: ({ pick, chance }) => ({
    method: pick(["GET", "GET", "HEAD"]),
    target: withQuery(choose(chance, pick), pick(WORLDS), [
      ["raw", [undefined]],
      ["at", NUMBERS],
      ["v", NUMBERS],
      ["diff", ["1", "1..2", "2..1", "1..", "..", "0", "1..99999", "x", "9".repeat(40), "1..1..1"]],
      ["lines", [
        "1-2",
        "1-1",
        "2-1",
        "0-1",
        "1-",
        "-1",
        "99999-100000",
        "x",
        `1-${"9".repeat(40)}`,
      ]],
      ["wait", ["0", "0", "0", "1", "61", "-1", "x"]],
    ]),
    headers: some(chance, pick, 0.5, "accept", ["text/plain", "application/json", "text/html"]),
    body: undefined,
    tiers: READERS,
  }),
  list: ({ pick, chance }, { cursor }) => ({
    method: pick(["GET", "GET", "HEAD"]),
    target: withQuery(choose(chance, pick), pick(COLLECTIONS), [
      ["deep", [undefined]],
      ["contents", [undefined]],
      ["sort", ["name", "time", "size", "x"]],
      ["since", TIMES],
      ["limit", NUMBERS],
      ["after", ["a", "dir/x", "120,x", "2026-11-28T10:00:00.000Z,x", "%00", ",", cursor]],
    ]),
    headers: some(chance, pick, 0.5, "accept", ["text/plain", "application/json"]),
    body: undefined,
    tiers: READERS,
  }),
  restore: ({ pick, chance }, { trash }) => ({
    method: "PUT",
    target: withQuery(choose(chance, pick), pick(WORLDS), [
      ["from", NUMBERS],
      ["trash", [...trash, ...trash, "x", "..", "%2Fetc", "%00", "9".repeat(300)]],
      ["ext", ["md", "%00"]],
    ]),
    headers: some(chance, pick, 0.4, "x-meta-author", ["ada", "\u00e9"]),
    body: chance(0.1) ? "a body" : undefined,
    tiers: WRITERS,
  }),
  search: ({ pick, chance }) => ({
    method: pick(["GET", "GET", "GET", "HEAD", "POST"]),
    target: withQuery(
      choose(chance, pick),
      `/proc/search/${pick(PREFIXES)}`,
      [["limit", NUMBERS], ["after", ["/home/a:1", "/home/dir/x:99999999", "x", "%00", ":"]]],
      chance(0.95) ? [`q=${pick(NEEDLES)}`] : [],
    ),
    headers: some(chance, pick, 0.5, "accept", ["text/plain", "application/json"]),
    body: undefined,
    tiers: READERS,
  }),
  log: ({ pick, chance }, { cursor }) => ({
    method: pick(["GET", "GET", "HEAD"]),
    target: withQuery(choose(chance, pick), `/proc/log/${pick(PREFIXES)}`, [
      ["limit", NUMBERS],
      ["before", [cursor, ...CURSORS]],
      ["since", TIMES],
      ["by", [
        "T2",
        "T3",
        "cap:/home/dir%23kestrel",
        "cap:/home/dir%23kestrel/*",
        "/*",
        "*",
        "%00",
      ]],
    ]),
    headers: some(chance, pick, 0.5, "accept", ["text/plain", "application/json"]),
    body: undefined,
    tiers: READERS,
  }),
  changes: ({ pick, chance }, { cursor }) => ({
    method: pick(["GET", "GET", "HEAD", "PUT"]),
    target: withQuery(choose(chance, pick), `/proc/changes/${pick(PREFIXES)}`, [
      ["after", [cursor, cursor, ...CURSORS]],
      ["limit", NUMBERS],
      ["wait", ["0", "1", "61", "-1", "x"]],
    ]),
    headers: some(chance, pick, 0.3, "accept", ["text/plain", "application/json"]),
    body: undefined,
    tiers: READERS,
  }),
  stream: ({ pick, chance }, { cursor }) => ({
    method: "GET",
    target: withQuery(choose(chance, pick), `/stream${pick(COLLECTIONS)}`, [
      ["contents", [undefined]],
      ["brief", [undefined]],
    ]),
    headers: some(chance, pick, 0.6, "last-event-id", [cursor, cursor, ...CURSORS]),
    body: undefined,
    tiers: READERS,
  }),
  trash: ({ pick, chance }, { trash }) => ({
    method: pick(["GET", "GET", "HEAD", "DELETE"]),
    target: withQuery(choose(chance, pick), `/proc/trash/${pick(PREFIXES)}`, [
      ["id", [...trash.slice(0, 1), "x", "..", "%2e%2e%2fhome", "%00", "n".repeat(3_000)]],
      ["limit", NUMBERS],
      ["after", ["x", ...CURSORS]],
    ]),
    headers: some(chance, pick, 0.5, "accept", ["text/plain", "application/json"]),
    body: undefined,
    tiers: READERS,
  }),
  health: ({ pick, chance }) => ({
    method: pick(["GET", "GET", "HEAD", "POST"]),
    target: `/proc/health${chance(0.1) ? "?x" : ""}`,
    headers: some(chance, pick, 0.5, "accept", ["text/plain", "application/json", "text/html"]),
    body: undefined,
    tiers: READERS,
  }),
  mint: ({ pick, chance }) => ({
    method: "POST",
    target: withQuery(choose(chance, pick), "/auth/mint", [
      ["ttl", [...NUMBERS, "60", "31536001"]],
      ["mode", MODES],
      ["name", NAMES],
    ], chance(0.95) ? [`prefix=${pick(MINT_PREFIXES)}`] : []),
    headers: [],
    body: undefined,
    tiers: ["T3", "T3", "T3", "T2", "rwd", "none"],
  }),
  whoami: () => ({
    method: "GET",
    target: "/auth/whoami",
    headers: [],
    body: undefined,
    tiers: READERS,
  }),
  revoked: ({ pick }) => ({
    method: pick(["PUT", "PUT", "GET", "POST", "PATCH", "DELETE"]),
    target: "/etc/revoked",
    headers: [["content-type", pick(["text/plain", "text/x-diff"])]],
    body: pick(REVOKED),
    tiers: ["T3", "T3", "T3", "T2", "rwd", "none"],
  }),
  OPTIONS: ({ pick }) => ({
    method: "OPTIONS",
    target: pick([
      ...WORLDS,
      ...COLLECTIONS,
      "*",
      "/proc/changes/",
      "/proc/trash/",
      "/etc/revoked",
    ]),
    headers: [],
    body: undefined,
    tiers: READERS,
  }),
};
const KINDS = Object.keys(ROUTES);

/** Creates a request for a random route. */
export function createRouteRequest(random: () => number, state: FuzzState): RouteRequest {
  const choice: Choice = {
    pick: (list) => list[Math.floor(random() * list.length)] as (typeof list)[number],
    chance: (share) => random() < share,
  };
  const kind = choice.pick(KINDS);
  const { tiers = READERS, ...request } = (ROUTES[kind] as Route)(choice, state);
  return { ...request, kind, tier: choice.pick(tiers) };
}

/** Returns a header with the probability `share`. */
function some(
  chance: Choice["chance"],
  pick: Choice["pick"],
  share: number,
  name: string,
  values: readonly string[],
): Headers {
  return chance(share) ? [[name, pick(values)]] : [];
}

type Parameters = readonly (readonly [string, readonly (string | undefined)[]])[];

/** Returns a function that selects about a third of the parameters, each with one of its values. */
function choose(chance: Choice["chance"], pick: Choice["pick"]) {
  return (parameters: Parameters): string[] => {
    const chosen = parameters.filter(() => chance(0.35)).map(([name, values]) => {
      const value = pick(values);
      return value === undefined ? name : `${name}=${value}`;
    });
    if (chance(0.03)) chosen.push("unknown=1");
    if (chance(0.03) && chosen[0] !== undefined) chosen.push(chosen[0]);
    return chosen;
  };
}

function withQuery(
  select: (parameters: Parameters) => string[],
  path: string,
  parameters: Parameters,
  fixed: readonly string[] = [],
): string {
  const all = [...fixed, ...select(parameters)];
  return all.length === 0 ? path : `${path}?${all.join("&")}`;
}
