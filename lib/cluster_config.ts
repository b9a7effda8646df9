/**
 * The settings of a node of a cluster: the database that it shares with others, and how it follows them.
 * They are read with the others, by `config.ts`, and have no effect without `ELASTIK_STORE`.
 */

import type { SettingName } from "./settings.ts";

/** The settings of a node. */
export interface ClusterConfig {
  /** `ELASTIK_STORE`, with its password; `lib/world/postgres/store_url.ts` parses it. */
  readonly store: string | undefined;
  /** `ELASTIK_NODE`, the name of the node, unique in the cluster. */
  readonly node: string | undefined;
  /** Whether every read sees what other nodes acknowledged before it. */
  readonly reads: "memory" | "linearizable";
  /** How long memory may answer while the database cannot be reached, in milliseconds. */
  readonly staleMs: number;
  /** How a node learns of changes: by notifications of the database, or by polls only. */
  readonly feed: "notify" | "poll";
  /** How long a change waits until its outcome is known, in milliseconds. */
  readonly patienceMs: number;
}

type Read = (name: SettingName) => string | undefined;

/** Longest `ELASTIK_STALE` and `ELASTIK_PATIENCE`, in seconds. */
const LONGEST_SECONDS = 3_600;
/** Default of `ELASTIK_PATIENCE`, in seconds. */
const PATIENCE_SECONDS = 10;
const NODE_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
/** Each node has the folder `/boot/<node>`; this one contains the properties of worlds below `/boot`. */
const RESERVED_NAME = "dav";

/**
 * Reads the settings.
 *
 * @param read returns the text of a setting; undefined if it is not set
 * @param number parses a whole number up to a maximum
 * @param choice parses one of some words; the first is the default
 */
export function readClusterConfig(
  read: Read,
  number: (read: Read, name: SettingName, byDefault: number, max: number) => number,
  choice: <const T extends string>(
    read: Read,
    name: SettingName,
    words: readonly [T, ...T[]],
  ) => T,
): ClusterConfig {
  const seconds = (name: SettingName, byDefault: number) =>
    number(read, name, byDefault, LONGEST_SECONDS) * 1000;
  return {
    store: read("ELASTIK_STORE"),
    node: read("ELASTIK_NODE"),
    reads: choice(read, "ELASTIK_READS", ["memory", "linearizable"]),
    staleMs: seconds("ELASTIK_STALE", 0),
    feed: choice(read, "ELASTIK_FEED", ["notify", "poll"]),
    patienceMs: Math.max(1_000, seconds("ELASTIK_PATIENCE", PATIENCE_SECONDS)),
  };
}

/** What a node needs besides the address of the database. */
export interface NodeSecrets {
  readonly key?: string;
  readonly token?: string;
  readonly approveToken?: string;
}

/**
 * Explains why a server with these settings cannot be a node: what all nodes must share is never made up.
 *
 * @returns one sentence; undefined if it can
 */
export function explainNodeSettings(
  { node, key, token, approveToken }: Pick<ClusterConfig, "node"> & NodeSecrets,
): string | undefined {
  const missing = [
    ...(key === undefined ? ["ELASTIK_KEY"] : []),
    ...(token === undefined ? ["ELASTIK_TOKEN"] : []),
    ...(approveToken === undefined ? ["ELASTIK_APPROVE_TOKEN"] : []),
  ];
  if (missing.length > 0) {
    const are = missing.length === 1 ? "is" : "are";
    return `Cannot start with ELASTIK_STORE: ${
      missing.join(" and ")
    } ${are} not set; all nodes need the ` +
      "same values";
  }
  if (node === undefined) {
    return "Cannot start with ELASTIK_STORE: ELASTIK_NODE is not set; give each node a name of its own";
  }
  if (node.toLowerCase() === RESERVED_NAME) {
    return `Cannot use ELASTIK_NODE=${node}: the server uses /boot/${RESERVED_NAME} otherwise`;
  }
  if (NODE_NAME.test(node)) return undefined;
  return "Cannot use ELASTIK_NODE: at most 64 letters, digits, dots, dashes and underscores are allowed, " +
    "and a letter or digit comes first";
}
