/**
 * Keeps the authenticator's accounts those of `/etc/passwd` and `/etc/shadow`, from the start and
 * after every change of either.
 */

import type { Authenticator } from "./authenticate.ts";
import type { Store } from "../world/store.ts";

const PASSWD = "etc/passwd";
const SHADOW = "etc/shadow";

/** Loads the accounts and follows their worlds. */
export async function followAccounts(
  store: Pick<Store, "read" | "watch">,
  authenticator: Authenticator,
  log: (line: string) => void,
): Promise<void> {
  let newest = 0;

  async function load(): Promise<void> {
    const turn = ++newest;
    try {
      const [passwd, shadow] = await Promise.all([textOf(store, PASSWD), textOf(store, SHADOW)]);
      // A load that was overtaken could bring back whom a later change has taken out.
      if (turn === newest) authenticator.setAccounts(passwd, shadow);
    } catch (error) {
      if (turn !== newest) return;
      // Whom nobody can vouch for any more is not let in.
      authenticator.setAccounts("", "");
      log(`accounts are off: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  for (const name of [PASSWD, SHADOW]) store.watch(name, () => void load());
  await load();
}

async function textOf(store: Pick<Store, "read">, name: string): Promise<string> {
  const world = await store.read(name);
  return world === undefined ? "" : new TextDecoder().decode(world.body);
}
