/**
 * Loads the accounts from `/etc/passwd` and `/etc/shadow` into the authenticator, at the start and
 * after every change of either world.
 */

import { decodeText } from "../base/decode_text.ts";
import { findAccountFaults } from "./accounts.ts";
import type { Authenticator } from "./authenticate.ts";
import { readAgain } from "../world/read_again.ts";
import type { Change, Store, World } from "../world/store.ts";

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
  authenticator: Pick<Authenticator, "setAccounts" | "suspendAccounts">,
  log: (line: string) => void,
): Promise<void> {
  const texts = new Map<string, string>();
  let newest = 0;
  /** Both texts are those of the newest versions. */
  let isLoaded = false;
  let lastFault = "";

  function apply(): void {
    lastFault = "";
    const [passwd = "", shadow = ""] = [texts.get(PASSWD), texts.get(SHADOW)];
    authenticator.setAccounts(passwd, shadow);
    for (const fault of findAccountFaults(passwd, shadow)) log(`accounts: ${fault}`);
  }

  function disable(error: unknown): void {
    // Without readable account files no account is accepted.
    authenticator.setAccounts("", "");
    const fault = error instanceof Error ? error.message : String(error);
    if (fault !== lastFault) log(`accounts are disabled: ${fault}`);
    lastFault = fault;
  }

  async function load(): Promise<void> {
    const current = ++newest;
    isLoaded = false;
    try {
      const worlds = await Promise.all([store.read(PASSWD), store.read(SHADOW)]);
      // An older load must not overwrite a newer one: it could restore an account that was removed.
      if (current !== newest) return;
      for (const [at, name] of [PASSWD, SHADOW].entries()) {
        texts.set(name, toText(name, worlds[at]));
      }
      isLoaded = true;
      apply();
    } catch (error) {
      if (current !== newest) return;
      disable(error);
      readAgain(error, () => void (current === newest && load()));
    }
  }

  /**
   * Runs before the writer gets its response, so that a later request sees the new accounts. If the
   * content is not in memory, no account is accepted until it has been read.
   */
  function change({ kind, name, world }: Change): void {
    if (kind === "update" && world === undefined || !isLoaded) {
      authenticator.suspendAccounts();
      void load();
      return;
    }
    try {
      texts.set(name, toText(name, world));
      apply();
    } catch (error) {
      // The next change reads both files again.
      isLoaded = false;
      disable(error);
    }
  }

  for (const name of [PASSWD, SHADOW]) store.watch(name, change);
  await load();
}

function toText(name: string, world: World | undefined): string {
  if (world === undefined) return "";
  const text = decodeText(world.body);
  if (text !== undefined) return text;
  throw new Error(`/${name} is not text in UTF-8, or in UTF-16 with a byte order mark`);
}
