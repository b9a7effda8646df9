/**
 * Loads the accounts from `/etc/passwd` and `/etc/shadow` into the authenticator, at the start and
 * after every change of either world.
 */

import { decodeText } from "../base/decode_text.ts";
import { findAccountFaults } from "./accounts.ts";
import type { Authenticator } from "./authenticate.ts";
import type { Store } from "../world/store.ts";

const PASSWD = "etc/passwd";
const SHADOW = "etc/shadow";

/**
 * Loads the accounts and reloads them after each change.
 *
 * @param store the store that contains both worlds
 * @param authenticator receives the accounts
 * @param log writes one line to the server log if the accounts cannot be read
 */
export async function syncAccounts(
  store: Pick<Store, "read" | "watch">,
  authenticator: Authenticator,
  log: (line: string) => void,
): Promise<void> {
  let newest = 0;

  async function load(): Promise<void> {
    const current = ++newest;
    try {
      const [passwd, shadow] = await Promise.all([
        readText(store, PASSWD),
        readText(store, SHADOW),
      ]);
      // An older load must not overwrite a newer one: it could restore an account that was removed.
      if (current !== newest) return;
      authenticator.setAccounts(passwd, shadow);
      for (const fault of findAccountFaults(passwd, shadow)) log(`accounts: ${fault}`);
    } catch (error) {
      if (current !== newest) return;
      // Without readable account files no account is accepted.
      authenticator.setAccounts("", "");
      log(`accounts are disabled: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  for (const name of [PASSWD, SHADOW]) store.watch(name, () => void load());
  await load();
}

async function readText(store: Pick<Store, "read">, name: string): Promise<string> {
  const world = await store.read(name);
  if (world === undefined) return "";
  const text = decodeText(world.body);
  if (text !== undefined) return text;
  throw new Error(`/${name} is not text in UTF-8, or in UTF-16 with a byte order mark`);
}
