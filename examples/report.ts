/**
 * A report of each night: what changed below /home in the last day, by author, as a Markdown world.
 * `POST /report` (T2) makes it at once.
 */

export const description = "writes /home/reports/<day>.md every night";
export const routes = ["/report"];
export const auth = "T2";
export const cron = ["0 3 * * *"];
export const grants = { "/home/": "r", "/home/reports/": "rw" };

const DAY_MS = 24 * 3600 * 1000;
const MAX_CHANGES = 1000;

interface Env {
  readonly machine: { fetch(path: string, init?: RequestInit): Promise<Response> };
}

interface Change {
  readonly name: string;
  readonly payload: { readonly by?: string };
}

async function readChanges(env: Env, since: number): Promise<Change[]> {
  const from = encodeURIComponent(new Date(since).toISOString());
  const response = await env.machine.fetch(`/proc/log/home/?since=${from}&limit=${MAX_CHANGES}`);
  if (!response.ok) throw new Error(`the log answers ${response.status}`);
  const changes: Change[] = await response.json();
  // The reports themselves are not part of the next one.
  return changes.filter(({ name }) => !name.startsWith("home/reports/"));
}

function format(day: string, changes: readonly Change[]): string {
  const worlds = new Map<string, number>();
  const authors = new Map<string, number>();
  for (const { name, payload: { by = "unknown" } } of changes) {
    worlds.set(name, (worlds.get(name) ?? 0) + 1);
    authors.set(by, (authors.get(by) ?? 0) + 1);
  }
  const list = (counts: Map<string, number>) =>
    [...counts].sort(([, a], [, b]) => b - a).map(([what, count]) => `- \`${what}\`: ${count}`);
  return [
    `# ${day}`,
    "",
    `${changes.length} changes of ${worlds.size} worlds`,
    ...["", "## Authors", "", ...list(authors)],
    ...["", "## Worlds", "", ...list(worlds)],
    "",
  ].join("\n");
}

/** Returns the path of the report. */
async function report(env: Env, now: number): Promise<string> {
  const day = new Date(now).toISOString().slice(0, 10);
  const path = `/home/reports/${day}.md`;
  const body = format(day, await readChanges(env, now - DAY_MS));
  const written = await env.machine.fetch(path, { method: "PUT", body });
  if (!written.ok) throw new Error(`${path} was not written: ${written.status}`);
  return path;
}

export default {
  async scheduled(event: { readonly scheduledTime: number }, env: Env): Promise<void> {
    console.log("wrote", await report(env, event.scheduledTime));
  },
  async fetch(request: Request, env: Env): Promise<Response> {
    if (request.method !== "POST") {
      return new Response("POST makes the report\n", { status: 405, headers: { allow: "POST" } });
    }
    return Response.json({ report: await report(env, Date.now()) }, { status: 201 });
  },
};
