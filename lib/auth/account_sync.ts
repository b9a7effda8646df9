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
  /** Texts of the newest versions that were read; undefined for bytes that are not text. */
  const texts = new Map<string, string | undefined>();
  let newest = 0;
  /** Both texts are those of the newest versions. */
  let isLoaded = false;
  /** Why the last attempt to read the files failed, if none succeeded since. */
  let lastFailure = "";

  function apply(): void {
    const bad = [PASSWD, SHADOW].find((name) => texts.has(name) && texts.get(name) === undefined);
    if (bad !== undefined) {
      disable(`/${bad} is not text in UTF-8, or in UTF-16 with a byte order mark`);
      return;
    }
    const [passwd = "", shadow = ""] = [texts.get(PASSWD), texts.get(SHADOW)];
    authenticator.setAccounts(passwd, shadow);
    for (const fault of findAccountFaults(passwd, shadow)) log(`accounts: ${fault}`);
  }

  /** Without readable account files no account is accepted. */
  function disable(fault: string | undefined): void {
    authenticator.setAccounts("", "");
    if (fault !== undefined) log(`accounts are disabled: ${fault}`);
  }

  async function load(): Promise<void> {
    const current = ++newest;
    isLoaded = false;
    try {
      const worlds = await Promise.all([store.read(PASSWD), store.read(SHADOW)]);
      // An older load must not overwrite a newer one: it could restore an account that was removed.
      if (current !== newest) return;
      for (const [at, name] of [PASSWD, SHADOW].entries()) texts.set(name, toText(worlds[at]));
      isLoaded = true;
      lastFailure = "";
      apply();
    } catch (error) {
      if (current !== newest) return;
      const failure = error instanceof Error ? error.message : String(error);
      // A failure that lasts is logged once, not at each attempt.
      disable(failure === lastFailure ? undefined : failure);
      lastFailure = failure;
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
    texts.set(name, toText(world));
    apply();
  }

  for (const name of [PASSWD, SHADOW]) store.watch(name, change);
  await load();
}

/** Text of a file; "" if there is none, undefined if its bytes are not text. */
function toText(world: World | undefined): string | undefined {
  return world === undefined ? "" : decodeText(world.body);
}
