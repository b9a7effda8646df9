/**
 * Every limit that a client can reach has a setting, a default and a metric. `lib/limits.ts` and
 * `lib/cell_limits.ts` name them in the comment of each limit; this test compares the comments with
 * the settings, with the manual, and with `/proc/metrics`. A limit in another file needs a reason.
 */
import { assert, assertEquals, assertNotEquals } from "../support/assert.ts";
import { APPROVE, bearer, startTestServer } from "../support/test_server.ts";
import { readOpenMetrics } from "../support/open_metrics.ts";
import { clusterFamilies } from "../../lib/routes/proc/cluster_metrics.ts";
import { readConfig } from "../../lib/config.ts";
import { type SettingName, SETTINGS } from "../../lib/settings.ts";
import { readSources } from "../support/read_sources.ts";

const ROOT = new URL("../../", import.meta.url);
const LIMIT_FILES = [
  "lib/limits.ts",
  "lib/cell_limits.ts",
  "lib/dav_limits.ts",
  "lib/search_limits.ts",
  "lib/log_limits.ts",
  "lib/usage_limits.ts",
  "lib/cluster_limits.ts",
];
const DOC = "worlds/usr/share/doc";

/** Lengths of one text and attempts of one operation: a client holds nothing by them. */
const LOCAL = /_(?:CHARS|LENGTH|ATTEMPTS|RESTARTS)$/;
/** Other constants outside the files of limits that have the name of a limit, each with a reason. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  "lib/auth/accounts.ts MAX_FAULT_LINES": "length of one log line",
  "lib/base/read_env_text.ts MAX_ENV_BYTES": "a file of the operator",
  "lib/cli/read_key_option.ts MAX_KEY_BYTES": "a file of the operator",
  "lib/config.ts MAX_MISSPELLING": "edit distance between names",
  "lib/dav/methods/propfind.ts MAX_CONCURRENT_READS": "of one request; all reads share the store",
  "lib/observe/line_rate.ts MAX_KINDS": "kinds are named by the program",
  "lib/plugin/host/plugin_host.ts MAX_CONCURRENT_STARTS": "of the start; no client waits for it",
  "lib/plugin/host/route_table.ts MAX_FORMER_ROUTES": "a cache; only T3 adds routes",
  "lib/plugin/wire/message_heads.ts MAX_HEADERS": "the protocol between server and cell",
  "lib/plugin/wire/rpc_calls.ts MAX_ID": "the protocol between server and cell",
  "lib/response/shared_listings.ts MAX_LONG_LISTINGS": "a cache",
  "lib/server/tls.ts MAX_PEM_BYTES": "a file of the operator",
  "lib/world/local_coordination.ts MAX_ONCE_KEYS": "keys are chosen by the program",
  "lib/world/file/data_folder.ts MAX_SECRET_FILE_BYTES": "a file of the server",
  "lib/world/file/folder_format.ts MAX_FORMAT_FILE_BYTES": "a file of the server",
  "lib/world/file/piece_table.ts MAX_PIECES": "more are folded; no request is refused",
  "lib/world/file/signing_keys.ts MAX_RETIRED_KEYS": "a file of the server",
  "lib/world/file/signing_keys.ts MAX_RETIRED_KEY_BYTES": "a file of the server",
  "lib/world/store/empty_collections.ts MAX_FILE_BYTES": "a file of the server",
  "lib/world/store/folder_report.ts MAX_LINES": "lines of the log about one start",
};

/** A limit that a client can reach. */
interface ClientLimit {
  readonly name: string;
  readonly settings: readonly string[];
  readonly metrics: readonly string[];
}

/** What a file of limits contains. */
interface LimitFile {
  readonly limits: readonly ClientLimit[];
  readonly faults: readonly string[];
}

/** Reads the groups of a file and the comments of its client limits. */
function readLimits(path: string): LimitFile {
  const limits: ClientLimit[] = [];
  const faults: string[] = [];
  let group: "client" | "fixed" | undefined;
  let comment = "";
  for (const line of Deno.readTextFileSync(new URL(path, ROOT)).split("\n")) {
    const [, heading] = /^\/\/ (.*)$/.exec(line) ?? [];
    if (heading !== undefined) {
      group = heading.startsWith("Client limits: ")
        ? "client"
        : /^Fixed: .{10,}/.test(heading)
        ? "fixed"
        : undefined;
      if (group === undefined) {
        faults.push(`${path}: "${heading}" is not "Client limits" or "Fixed"`);
      }
    } else if (/^\s*\/\*\*/.test(line)) comment = line;
    else if (/^\s*\*/.test(line)) comment += line.replace(/^\s*\*/, "");
    const [, name, type] = /^(?:export const| {2}readonly) (\w+)(?:: (\w+Limits) =)?/.exec(line) ??
      [];
    // The fields of an interface are the limits, not the object with their defaults.
    if (name === undefined || type !== undefined) continue;
    if (group === undefined) faults.push(`${path}: ${name} is in no group`);
    if (group !== "client" || comment.includes("Fixed:")) continue;
    limits.push({
      name,
      settings: [...comment.matchAll(/\bELASTIK_[A-Z_]*[A-Z]/g)].map(([found]) => found),
      metrics: [...comment.matchAll(/`(elastik_[a-z_]+)`/g)].map(([, found = ""]) => found),
    });
  }
  return { limits, faults };
}

const files = LIMIT_FILES.map(readLimits);
const limits = files.flatMap((file) => file.limits);
const manual = Deno.readTextFileSync(new URL(`${DOC}/observing.md`, ROOT));

/** The metrics of a server over PostgreSQL only. */
const CLUSTER_METRICS = clusterFamilies({
  engine: "postgres",
  readable: true,
  cluster: { timeline: 1, leaseAgeMs: 0, feedLagMs: 0, sessions: 0 },
}).map(({ name }) => name);

/** The metrics of a server, by name without suffix, with the names of their samples. */
async function readMetrics(): Promise<ReadonlyMap<string, string>> {
  const server = await startTestServer();
  try {
    const headers = { accept: "application/openmetrics-text", ...bearer(APPROVE) };
    const reply = await server.send({ method: "GET", target: "/proc/metrics", headers });
    return new Map([...readOpenMetrics(reply.text)].map(([name, { type }]) => {
      return [name, type === "counter" ? `${name}_total` : type === "info" ? `${name}_info` : name];
    }));
  } finally {
    await server.close();
  }
}

Deno.test("every limit is in a group, which says whether a client can reach it", () => {
  assertEquals(files.flatMap(({ faults }) => faults), []);
  assert(limits.length > 40, `only ${limits.length} limits were found`);
});

Deno.test("every limit that a client can reach names its setting, which readConfig() reads", () => {
  const configuration = Deno.readTextFileSync(new URL(`${DOC}/configuration.md`, ROOT));
  const example = Deno.readTextFileSync(new URL(".env.example", ROOT));
  const defaults = readConfig(() => undefined);
  for (const { name, settings } of limits) {
    const [setting = ""] = settings;
    assert(Object.hasOwn(SETTINGS, setting), `${name} names no setting: "${setting}"`);
    assert(configuration.includes(`\n| \`${setting}\` `), `configuration.md lacks ${setting}`);
    assert(example.includes(`\n# ${setting}=`), `.env.example lacks ${setting}`);
    const changed = readConfig((of) => of === setting as SettingName ? "7" : undefined);
    assertNotEquals(changed, defaults, `${setting} has no effect`);
  }
});

Deno.test("every limit that a client can reach names its metric, which /proc/metrics has", async () => {
  const metrics = await readMetrics();
  for (const { name, metrics: named } of limits) {
    assert(named.length > 0, `${name} names no metric`);
    for (const metric of named) assert(metrics.has(metric), `${name}: there is no ${metric}`);
  }
});

Deno.test("observing.md lists every metric of /proc/metrics, and no other", async () => {
  const rows = [...manual.matchAll(/^\| `(?:elastik|process)_.*$/gm)].map(([row]) => row);
  const listed = rows.flatMap((row) =>
    [...(row.split("|")[1] ?? "").matchAll(/`([a-z_]+)(?:\{[^`]*\})?`/g)].map(([, name]) => name)
  );
  const expected = [...(await readMetrics()).values(), ...CLUSTER_METRICS];
  assertEquals(listed.sort(), expected.sort());
});

Deno.test("a constant with the name of a limit is in a file of limits, or has a reason", async () => {
  const found = [...await readSources("lib/")].flatMap(([path, text]) =>
    LIMIT_FILES.includes(path)
      ? []
      : [...text.matchAll(/^(?:export )?const (MAX_[A-Z_]+)\b/gm)].flatMap(([, name = ""]) =>
        LOCAL.test(name) ? [] : [`${path} ${name}`]
      )
  );
  assertEquals(found.sort(), Object.keys(ELSEWHERE).sort());
});
