/**
 * The routes of the core, as data: path and the line that `/bin` shows for it. `lib/server/app.ts`
 * registers a handler for each; a test compares the two. Plugins may not claim these paths.
 */

/** Path of each core route, and what it answers. */
export const CORE_ROUTES: Readonly<Record<string, string>> = {
  "/auth/mint": "POST: a capability for a prefix (T3)",
  "/auth/whoami": "what the caller is",
  "/bin": "this list",
  "/boot": "startup configuration (T3)",
  "/dav": "the worlds as a file system (WebDAV class 1 and 2)",
  "/dev": "devices",
  "/etc": "configuration worlds (T3 writes)",
  "/home": "your worlds (T2 writes)",
  "/lib": "plugin sources (T2 writes, T3 activates)",
  "/mnt": "mounts",
  "/proc/audit": "both checks of a world's event chain",
  "/proc/log": "a world's events, newest first",
  "/proc/metrics": "counters and gauges for Prometheus",
  "/proc/snapshot": "a world's whole file as a copy",
  "/proc/source": "the files of the running program (T3)",
  "/proc/status": "pid, uptime, worlds, plugins, version",
  "/proc/uptime": "seconds since the start",
  "/proc/version": "the server's version",
  "/proc/worlds": "every world the caller may read",
  "/stream": "worlds and collections as server-sent events",
  "/usr": "skills, renderers, documents (T3 writes)",
  "/var": "logs and caches (T3 writes)",
};

/** First segments of which a plugin may claim a part: `/dev/<name>`, `/mnt` and `/mnt/<name>`. */
const SHARED_SEGMENTS: ReadonlySet<string> = new Set(["dev", "mnt"]);

/** First segments of all core routes, sorted. */
export const CORE_SEGMENTS: readonly string[] = [
  ...new Set(Object.keys(CORE_ROUTES).map((path) => path.split("/", 2)[1] ?? "")),
].sort();

/** First segments that belong to the core with everything below them. */
export const RESERVED_SEGMENTS: ReadonlySet<string> = new Set(
  CORE_SEGMENTS.filter((segment) => !SHARED_SEGMENTS.has(segment)),
);
