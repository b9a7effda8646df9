/**
 * The routes of the core, as data: each path with the line that `/bin` shows for it.
 * `lib/server/app.ts` registers a handler for each; a test compares the two. Plugins cannot claim
 * these paths.
 */

/** Core routes by path, with a short description. */
export const CORE_ROUTES: Readonly<Record<string, string>> = {
  "/auth/mint": "POST: a capability for a prefix (T3)",
  "/auth/whoami": "tier and rights of the caller",
  "/bin": "this list",
  "/boot": "startup configuration (T3)",
  "/dav": "the worlds as a file system (WebDAV class 1 and 2)",
  "/dev": "devices",
  "/etc": "configuration worlds (T3 writes)",
  "/home": "your worlds (T2 writes)",
  "/lib": "plugin sources (T2 writes, T3 activates)",
  "/mnt": "mounts",
  "/proc/audit": "both checks of a world's event chain",
  "/proc/changes": "the changes below a prefix, oldest first, from a cursor",
  "/proc/health": "200 while the server can read and write, else 503",
  "/proc/log": "the events of a world or below a prefix, newest first",
  "/proc/metrics": "counters and gauges for Prometheus",
  "/proc/nodes": "the servers that share the store (T2)",
  "/proc/plugins": "the plugins with state, routes and health; /<name>/log: their lines",
  "/proc/search": "the lines below a prefix that contain ?q=",
  "/proc/snapshot": "a copy of a world's whole file",
  "/proc/source": "the files of the running program (T3)",
  "/proc/status": "pid, uptime, worlds, plugins, version",
  "/proc/trash": "the deleted worlds; DELETE ?id= deletes one for good (T3)",
  "/proc/uptime": "seconds since the start",
  "/proc/usage": "worlds and bytes below a prefix, by child and by caller",
  "/proc/version": "the server's version",
  "/proc/worlds": "every world the caller can read",
  "/stream": "worlds and collections as server-sent events",
  "/usr": "skills, renderers, documents (T3 writes)",
  "/var": "logs and caches (T3 writes)",
};

/**
 * First path segments below which plugins can claim routes: `/dev/<name>`, `/mnt` and
 * `/mnt/<name>`.
 */
const SHARED_SEGMENTS: ReadonlySet<string> = new Set(["dev", "mnt"]);

/** First path segments of all core routes, sorted. */
export const CORE_SEGMENTS: readonly string[] = [
  ...new Set(Object.keys(CORE_ROUTES).map((path) => path.split("/", 2)[1] ?? "")),
].sort();

/** First path segments below which only the core has routes. */
export const RESERVED_SEGMENTS: ReadonlySet<string> = new Set(
  CORE_SEGMENTS.filter((segment) => !SHARED_SEGMENTS.has(segment)),
);
