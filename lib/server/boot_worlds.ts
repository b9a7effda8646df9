/**
 * Worlds that the server writes about itself at the start, so that T3 can read how it was started.
 * All settings are named; only values without secrets are shown.
 */

import { PUBLIC_SETTINGS, type SettingName, SETTINGS } from "../settings.ts";
import type { Store } from "../world/store.ts";

const encoder = new TextEncoder();

/**
 * Writes `/boot/env` and `/boot/plugins`, each only if its content has changed. The servers of a cluster
 * differ, so that each writes `/boot/<node>/env` and `/boot/<node>/plugins`.
 */
export async function writeBootWorlds(
  store: Store,
  env: (name: string) => string | undefined,
): Promise<void> {
  const { node } = store.coordination;
  const folder = node === undefined ? "boot" : `boot/${node}`;
  await writeIfNew(store, `${folder}/env`, formatBootEnv(env));
  await writeIfNew(store, `${folder}/plugins`, await formatBootPlugins(store));
}

/** Formats one line per setting: its value if it is public, otherwise whether it is set. */
export function formatBootEnv(env: (name: string) => string | undefined): string {
  const publicNames = new Set<string>(PUBLIC_SETTINGS);
  return (Object.keys(SETTINGS) as SettingName[]).map((name) => {
    const value = env(name);
    if (value === undefined) return `# ${name} is not set\n`;
    return publicNames.has(name) ? `${name}=${value}\n` : `# ${name} is set\n`;
  }).join("");
}

/** Formats one line per plugin: name and state. */
async function formatBootPlugins(store: Store): Promise<string> {
  const sources = await store.walk("lib");
  return sources.filter((entry) => entry.layer === "upper")
    .map(({ name, state }) => `${name.slice("lib/".length)} ${state}\n`).join("");
}

async function writeIfNew(store: Store, name: string, text: string): Promise<void> {
  const body = encoder.encode(text);
  const current = await store.read(name);
  if (current !== undefined && new TextDecoder().decode(current.body) === text) return;
  await store.put({ name, body, ext: "txt", meta: [], by: "boot" });
}
