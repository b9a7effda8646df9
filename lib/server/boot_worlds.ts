/**
 * The worlds the machine writes about itself at its start, so that whoever is T3 can read how it was
 * started. Names of settings are told, values only where they help nobody to break in.
 */

import { PUBLIC_SETTINGS, type SettingName, SETTINGS } from "../config.ts";
import type { Store } from "../world/store.ts";

const encoder = new TextEncoder();

/** Writes `/boot/env` and `/boot/plugins`, each only when it says something new. */
export async function writeBootWorlds(
  store: Store,
  env: (name: string) => string | undefined,
): Promise<void> {
  await writeIfNew(store, "boot/env", formatBootEnv(env));
  await writeIfNew(store, "boot/plugins", await bootPlugins(store));
}

/** One line a setting: its value where that is harmless, else whether it is set. */
export function formatBootEnv(env: (name: string) => string | undefined): string {
  const harmless = new Set<string>(PUBLIC_SETTINGS);
  return (Object.keys(SETTINGS) as SettingName[]).map((name) => {
    const value = env(name);
    if (value === undefined) return `# ${name} is not set\n`;
    return harmless.has(name) ? `${name}=${value}\n` : `# ${name} is set\n`;
  }).join("");
}

/** One line a plugin: its name and state. */
async function bootPlugins(store: Store): Promise<string> {
  const sources = await store.walk("lib");
  return sources.filter((entry) => entry.layer === "upper")
    .map(({ name, state }) => `${name.slice("lib/".length)} ${state}\n`).join("");
}

async function writeIfNew(store: Store, name: string, text: string): Promise<void> {
  const body = encoder.encode(text);
  const known = await store.read(name);
  if (known !== undefined && new TextDecoder().decode(known.body) === text) return;
  await store.put({ name, body, ext: "txt", meta: [], by: "boot" });
}
