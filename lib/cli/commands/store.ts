/**
 * The command `store`: creates, upgrades and checks the PostgreSQL database that `ELASTIK_STORE` names.
 * `lib/world/postgres` has the steps. No message contains the password.
 */

import { InvalidSecret } from "../../world/file/data_folder.ts";
import { readRetiredKeys } from "../../world/file/signing_keys.ts";
import { sanitizeText } from "../../base/sanitize_text.ts";
import { type Config, readConfig, readEnvironment } from "../../config.ts";
import {
  type ClusterFacts,
  type Finding,
  formatVersion,
  judgeCluster,
  readClusterFacts,
} from "../../world/postgres/check_store.ts";
import {
  changeStoreKey,
  forgetRetiredKey,
  initStore,
  recordRestore,
  STORE_SCHEMA,
  StoreRefused,
  upgradeStore,
} from "../../world/postgres/manage_store.ts";
import { findPrimaryPatiently, openPatiently, type Primary } from "../../world/postgres/primary.ts";
import { type Session, SessionError } from "../../world/postgres/session.ts";
import { watchStandby } from "../../world/postgres/standby_wait.ts";
import {
  formatHost,
  parseStoreUrl,
  type StoreUrl,
  StoreUrlError,
} from "../../world/postgres/store_url.ts";
import type { CommandContext } from "../command.ts";
import { getTextOption, type OptionValues, UsageError } from "../parse_args.ts";
import { createTerminalProgress } from "../progress_bar.ts";

/** The database and the settings. */
interface StoreTarget {
  readonly store: StoreUrl;
  readonly config: Config;
}

const ACTIONS = ["init", "upgrade", "check", "rekey"] as const;
/** The actions that each option belongs to. */
const OPTION_OF: Readonly<Record<string, (typeof ACTIONS)[number]>> = {
  role: "init",
  managed: "check",
  restored: "check",
  json: "check",
  forget: "rekey",
};
const FAILED = 1;
const UNREACHABLE = 3;

/**
 * Creates, upgrades or checks a store, or changes its key.
 *
 * @param words `init`, `upgrade`, `check` or `rekey`
 * @returns 0 if done, 1 if the database or the check refused, 3 if no primary can be reached
 * @throws {UsageError} if an argument is malformed or a setting is missing
 * @throws {ConfigError} if a setting is invalid
 */
export async function run(
  [action = ""]: readonly string[],
  _context: CommandContext,
  options: OptionValues,
): Promise<number> {
  const name = ACTIONS.find((one) => one === action);
  if (name === undefined) {
    throw new UsageError(
      `Cannot run store ${sanitizeText(action)}: ${ACTIONS.join(", ")} is needed`,
    );
  }
  for (const option of Object.keys(options)) {
    if (OPTION_OF[option] !== name) {
      throw new UsageError(`Cannot run store ${name}: --${option} belongs to ${OPTION_OF[option]}`);
    }
  }
  const target = await readTarget(name);
  try {
    const primary = await findPrimaryPatiently(target.store);
    if (name === "init") return await init(target, primary, getTextOption(options, "role"));
    if (name === "upgrade") return await upgrade(target, primary);
    if (name === "rekey") return await rekey(target, primary, getTextOption(options, "forget"));
    return await check(target, primary, options);
  } catch (error) {
    if (error instanceof StoreRefused || error instanceof InvalidSecret) {
      console.error(sanitizeText(`Cannot run store ${name} on ${target.store}: ${error.message}`));
      return FAILED;
    }
    if (!(error instanceof SessionError)) throw error;
    console.error(sanitizeText(`Cannot run store ${name} on ${target.store}: ${describe(error)}`));
    return error.code === "refused" && error.sqlState === undefined ? UNREACHABLE : FAILED;
  }
}

async function readTarget(action: string): Promise<StoreTarget> {
  const config = readConfig(await readEnvironment());
  if (config.store === undefined) {
    throw new UsageError(
      `Cannot run store ${action}: ELASTIK_STORE is not set; postgres://user@host/name is needed`,
    );
  }
  try {
    return { store: parseStoreUrl(config.store), config };
  } catch (error) {
    if (error instanceof StoreUrlError) throw new UsageError(error.message);
    throw error;
  }
}

function describe(error: SessionError): string {
  if (error.isUnknown) return `${error.message}; what was done is not known, run it again`;
  if (error.code === "42501") {
    return `${error.message}; use a role that owns the database or its schema elastik`;
  }
  return error.message;
}

async function withSession<T>(
  { store }: StoreTarget,
  { host }: Primary,
  use: (session: Session) => Promise<T>,
): Promise<T> {
  const open = () => openPatiently({ store, host }, "store");
  const session = watchStandby(await open(), open);
  try {
    return await use(session);
  } finally {
    session.drop();
  }
}

async function init(
  target: StoreTarget,
  primary: Primary,
  role: string | undefined,
): Promise<number> {
  const key = requireKey(target, "init");
  const progress = createTerminalProgress("store init", "statements");
  const { machine, isNew } = await withSession(
    target,
    primary,
    (session) =>
      initStore(session, { key, role, onProgress: (done, total) => progress?.update(done, total) }),
  ).finally(() => progress?.end());
  console.log(
    sanitizeText(
      isNew
        ? `Created the store in ${target.store} with schema ${machine.schemaVersion}`
        : `${target.store} has this store since ${machine.createdAt}, with schema ${machine.schemaVersion}`,
    ),
  );
  if (role !== undefined) console.log(sanitizeText(`Role ${role} has the rights of a node`));
  return 0;
}

async function rekey(
  target: StoreTarget,
  primary: Primary,
  forgotten: string | undefined,
): Promise<number> {
  if (forgotten !== undefined) {
    await withSession(target, primary, (session) => forgetRetiredKey(session, forgotten));
    console.log(
      sanitizeText(
        `Nodes start without the retired key ${forgotten} now; events that it signed do not verify there`,
      ),
    );
    return 0;
  }
  const key = requireKey(target, "rekey");
  const { data } = target.config;
  const isNew = await withSession(
    target,
    primary,
    (session) => changeStoreKey(session, key, readRetiredKeys(data)),
  );
  console.log(
    isNew
      ? "ELASTIK_KEY is the key of the store now; its events verify with the retired key"
      : "ELASTIK_KEY is the key of the store already",
  );
  return 0;
}

function requireKey({ config: { key } }: StoreTarget, action: string): string {
  if (key !== undefined) return key;
  throw new UsageError(
    `Cannot run store ${action}: ELASTIK_KEY is not set; every node needs the same key, such as ` +
      "the output of openssl rand -hex 32",
  );
}

async function upgrade(target: StoreTarget, primary: Primary): Promise<number> {
  const isTerminal = Deno.stderr.isTerminal();
  const { from, to } = await withSession(
    target,
    primary,
    (session) =>
      upgradeStore(session, STORE_SCHEMA, (next) => {
        if (isTerminal) console.error(`Upgrading to schema ${next} …`);
      }),
  );
  console.log(from === to ? `The schema is ${to} already` : `Upgraded the schema ${from} to ${to}`);
  return 0;
}

async function check(
  target: StoreTarget,
  primary: Primary,
  options: OptionValues,
): Promise<number> {
  const { store, config } = target;
  const isRestored = options.restored === true;
  if (isRestored) {
    await withSession(target, primary, (session) => recordRestore(session, config.key));
  }
  const facts = await readClusterFacts(store, primary);
  const findings = judgeCluster(facts, {
    store,
    key: config.key,
    retired: readRetiredKeys(config.data),
    isManaged: options.managed === true,
  });
  const ok = findings.every(({ level }) => level !== "refused");
  const lines = options.json === true
    ? [JSON.stringify(toReport(facts, primary, findings, ok))]
    : formatReport(facts, primary, findings, ok);
  for (const line of lines) console.log(sanitizeText(line));
  if (isRestored && options.json !== true) {
    console.log("The changes before the restore are separate from those that follow");
  }
  return ok ? 0 : FAILED;
}

function toReport(
  facts: ClusterFacts,
  primary: Primary,
  findings: readonly Finding[],
  ok: boolean,
) {
  return {
    ok,
    server: formatVersion(facts.version),
    primary: formatHost(primary.host),
    timeline: primary.timeline,
    schema: facts.machine?.schemaVersion ?? null,
    hosts: facts.hosts.map((state) => ({
      host: formatHost(state.host),
      role: state.role,
      ...(state.role === "primary" ? { timeline: state.timeline } : {}),
    })),
    findings,
  };
}

function formatReport(
  facts: ClusterFacts,
  primary: Primary,
  findings: readonly Finding[],
  ok: boolean,
): string[] {
  return [
    `PostgreSQL ${formatVersion(facts.version)}, primary ${formatHost(primary.host)}, timeline ` +
    `${primary.timeline}, synchronous standbys: ${countStandbys(facts)}`,
    ...findings.map(({ level, text }) => `${level === "refused" ? "Refused" : "Warning"}: ${text}`),
    ok
      ? `The store can be used, ${findings.length} ${
        findings.length === 1 ? "warning" : "warnings"
      }`
      : "The store must not be used until what was refused is corrected",
  ];
}

/** A role without `pg_read_all_stats` cannot see the number. A commit that was confirmed shows that there is one. */
function countStandbys(facts: ClusterFacts): string {
  const { synchronousStandbys, synchronousNames, standbyWait } = facts;
  if (synchronousStandbys !== undefined) return String(synchronousStandbys);
  if (synchronousNames === "") return "0";
  return standbyWait === undefined ? "at least 1" : "none that confirms commits";
}
