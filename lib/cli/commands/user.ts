/**
 * The command `user`: adds, removes and lists the accounts of a running server as T3. Each change names
 * the version of the file that was read, so that a change of another caller in the meantime is not
 * lost: the command reads again.
 */

import { parseAccountName } from "../../auth/accounts.ts";
import {
  hasAccountLine,
  listAccounts,
  removeAccountLine,
  setAccountLine,
} from "../../auth/edit_accounts.ts";
import { sanitizeText } from "../../base/sanitize_text.ts";
import { sha256Hex } from "../../base/hash.ts";
import { readEnvironment } from "../../config.ts";
import { MAX_USER_NAME_CHARS } from "../../limits.ts";
import { readPassword } from "../client/read_password.ts";
import {
  problemText,
  resolveServer,
  type ServerClient,
  UnreachableError,
} from "../client/server_client.ts";
import { selectTokens } from "../client/stored_token.ts";
import type { CommandContext } from "../command.ts";
import { getTextOption, type OptionValues, UsageError } from "../parse_args.ts";

const PASSWD = "/etc/passwd";
const SHADOW = "/etc/shadow";
const TIERS: readonly string[] = ["T1", "T2", "T3"];
const DEFAULT_TIER = "T2";
/** Times that the files are read again because another caller changed one. */
const ATTEMPTS = 10;

/** The server refused a request, or the accounts do not allow the change. For the operator. */
class RefusedError extends Error {
  override readonly name = "RefusedError";
}

/**
 * Changes or lists the accounts.
 *
 * @param words `add`, `remove` or `list`, and for the first two the name
 * @returns 0 if done, 1 if refused, 2 if nothing was tried, 3 if the server is unreachable
 * @throws {UsageError} if an argument or the password is malformed
 * @throws {ConfigError} if a setting is invalid
 */
export async function run(
  [action = "", word]: readonly string[],
  _context: CommandContext,
  options: OptionValues,
): Promise<number> {
  const { tier, isReplacing } = checkArguments(action, word, options);
  const name = word === undefined ? "" : parseAccountName(word);
  if (name === undefined) {
    throw new UsageError(
      `Cannot run user: ${
        JSON.stringify(sanitizeText(word ?? "").slice(0, 80))
      } is not a name; 1 ` +
        `to ${MAX_USER_NAME_CHARS} characters without spaces, colons, control or invisible ` +
        "characters are needed",
    );
  }
  const url = getTextOption(options, "url");
  try {
    const server = await selectTokens(
      resolveServer(await readEnvironment(), url),
      url !== undefined,
    );
    const { client, approveToken } = server;
    if (approveToken === undefined) {
      console.error(
        `Cannot run user: ELASTIK_APPROVE_TOKEN is not set, and the server at ${client.base} ` +
          `stores none in ${server.data}/; set it to the server's T3 token`,
      );
      return 2;
    }
    const files = new AccountFiles(client, approveToken);
    if (action === "list") {
      for (const line of formatAccounts(...await files.read())) console.log(line);
    } else if (action === "remove") {
      await remove(files, name);
      console.log(sanitizeText(`Removed ${name}`));
    } else {
      const [passwd] = await files.read();
      const exists = hasAccountLine(passwd, name);
      if (exists && !isReplacing) throw alreadyExists(name);
      const digest = sha256Hex(await readPassword(name));
      await add(files, name, { tier, digest, isReplacing });
      console.log(sanitizeText(`${exists ? "Replaced" : "Added"} ${name} (${tier})`));
    }
    return 0;
  } catch (error) {
    if (!(error instanceof UnreachableError || error instanceof RefusedError)) throw error;
    console.error(sanitizeText(error.message));
    return error instanceof UnreachableError ? 3 : 1;
  }
}

function checkArguments(
  action: string,
  name: string | undefined,
  options: OptionValues,
): { tier: string; isReplacing: boolean } {
  if (!["add", "remove", "list"].includes(action)) {
    throw new UsageError(`Cannot run user ${sanitizeText(action)}: add, remove or list is needed`);
  }
  if ((name === undefined) !== (action === "list")) {
    throw new UsageError(
      action === "list"
        ? "Cannot run user list: it takes no name"
        : `Cannot run user ${action}: a name is needed`,
    );
  }
  const tier = getTextOption(options, "tier");
  const isReplacing = options.replace === true;
  if (action !== "add" && (tier !== undefined || isReplacing)) {
    throw new UsageError(`Cannot run user ${action}: --tier and --replace are for add`);
  }
  if (tier !== undefined && !TIERS.includes(tier)) {
    throw new UsageError(
      `Cannot run user add: --tier is ${sanitizeText(tier)}; T1, T2 or T3 is needed`,
    );
  }
  return { tier: tier ?? DEFAULT_TIER, isReplacing };
}

/** Formats a list of accounts, one a line: name, tier and, if it has no password, a note. */
export function formatAccounts(passwd: string, shadow: string): string[] {
  return listAccounts(passwd, shadow).map(({ name, tier, hasPassword }) =>
    `${sanitizeText(name)}\t${tier}${hasPassword ? "" : "\tno password"}`
  );
}

/** Writes the password first: an account without one cannot sign in. */
async function add(
  files: AccountFiles,
  name: string,
  { tier, digest, isReplacing }: { tier: string; digest: string; isReplacing: boolean },
): Promise<void> {
  let isPasswordWritten = false;
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const [passwd, shadow] = await files.read();
    // Another caller adds the same name at this moment: the password would be of one, the tier of the other.
    const isOther = attempt > 0 && !isPasswordWritten && hasAccountLine(shadow, name);
    if (!isReplacing && (hasAccountLine(passwd, name) || isOther)) throw alreadyExists(name);
    const withPassword = setAccountLine(shadow, name, digest);
    if (withPassword !== shadow && !await files.write(SHADOW, withPassword)) continue;
    isPasswordWritten = true;
    if (await files.write(PASSWD, setAccountLine(passwd, name, tier))) return;
  }
  throw tooManyChanges();
}

/** Removes the tier first, which ends the account. */
async function remove(files: AccountFiles, name: string): Promise<void> {
  let isFound = false;
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const [passwd, shadow] = await files.read();
    const [inPasswd, inShadow] = [passwd, shadow].map((text) => hasAccountLine(text, name));
    if (!isFound && !inPasswd && !inShadow) {
      throw new RefusedError(`Cannot remove ${name}: there is no such account`);
    }
    isFound = true;
    if (inPasswd && !await files.write(PASSWD, removeAccountLine(passwd, name))) continue;
    if (!inShadow || await files.write(SHADOW, removeAccountLine(shadow, name))) return;
  }
  throw tooManyChanges();
}

function alreadyExists(name: string): RefusedError {
  return new RefusedError(
    `Cannot add ${name}: the account exists; use --replace to give it another password and tier`,
  );
}

function tooManyChanges(): RefusedError {
  return new RefusedError(
    "Cannot change the accounts: other callers changed them again and again; run the command again",
  );
}

/** The two files of a server, and the versions that were read. */
class AccountFiles {
  readonly #client: ServerClient;
  readonly #credential: string;
  readonly #tags = new Map<string, string | undefined>();

  constructor(client: ServerClient, credential: string) {
    this.#client = client;
    this.#credential = credential;
  }

  /** Reads `/etc/passwd` and `/etc/shadow`; `""` for a missing one. */
  async read(): Promise<[passwd: string, shadow: string]> {
    return [await this.#read(PASSWD), await this.#read(SHADOW)];
  }

  async #read(path: string): Promise<string> {
    const response = await this.#client.request("GET", `${path}?raw`, {
      credential: this.#credential,
    });
    const { status, text, headers } = response;
    if (status === 404) {
      this.#tags.set(path, undefined);
      return "";
    }
    if (status !== 200) throw new RefusedError(problemText(response));
    if (/[\0\ufffd]/.test(text)) {
      throw new RefusedError(`Cannot edit ${path}: it is not text in UTF-8; convert it first`);
    }
    const tag = headers.get("etag");
    if (tag === null) throw new RefusedError(`Cannot edit ${path}: the server sent no ETag`);
    this.#tags.set(path, tag);
    return text;
  }

  /**
   * Writes a file that was read.
   *
   * @returns false if another caller has changed it since
   */
  async write(path: string, body: string): Promise<boolean> {
    const tag = this.#tags.get(path);
    const response = await this.#client.request("PUT", path, {
      credential: this.#credential,
      headers: {
        "content-type": "text/plain; charset=utf-8",
        ...(tag === undefined ? { "if-none-match": "*" } : { "if-match": tag }),
      },
      body,
    });
    if (response.status === 412) return false;
    if (response.status === 200 || response.status === 201) return true;
    throw new RefusedError(problemText(response));
  }
}
