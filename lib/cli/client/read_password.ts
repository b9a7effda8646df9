/**
 * Reads a password: from the terminal without showing it, otherwise from the standard input. A
 * password is never an argument, because other users see the arguments of a process.
 */

import { UsageError } from "../parse_args.ts";

/** Shortest password of a new account in characters, and the longest one in bytes. */
const PASSWORD_CHARS = 8;
const PASSWORD_BYTES = 1024;
const ENTER = [0x0a, 0x0d];
const BACKSPACE = [0x08, 0x7f];
const CONTROL_C = 0x03;
const CONTROL_D = 0x04;

/**
 * Reads a password, on a terminal twice.
 *
 * @param name name of the account
 * @throws {UsageError} if it is too short or too long, is not valid UTF-8, contains a control
 * character, or differs the second time
 */
export async function readPassword(name: string): Promise<string> {
  if (!Deno.stdin.isTerminal()) return checkPassword(withoutLineBreak(await readInput()));
  const first = await readHidden(`Password of ${name}: `);
  const password = checkPassword(first);
  if (await readHidden("Again: ") === password) return password;
  throw new UsageError("Cannot add the account: the two passwords differ");
}

/** @throws {UsageError} if a password cannot be used */
export function checkPassword(password: string): string {
  if ([...password].length < PASSWORD_CHARS) {
    throw new UsageError(
      `Cannot use the password: it has fewer than ${PASSWORD_CHARS} characters; pipe a longer one, such ` +
        "as that of openssl rand -hex 16",
    );
  }
  if (/\p{Cc}/u.test(password)) {
    throw new UsageError("Cannot use the password: it contains a line break or control character");
  }
  return password;
}

async function readInput(): Promise<string> {
  const bytes = new Uint8Array(PASSWORD_BYTES + 2);
  let length = 0;
  while (length < bytes.length) {
    const read = await Deno.stdin.read(bytes.subarray(length));
    if (read === null) return decode(bytes.subarray(0, length));
    length += read;
  }
  throw new UsageError(`Cannot use the password: it is longer than ${PASSWORD_BYTES} bytes`);
}

function withoutLineBreak(text: string): string {
  return text.replace(/\r?\n$/, "");
}

/** Reads one line of the terminal without showing it. */
async function readHidden(question: string): Promise<string> {
  const encoder = new TextEncoder();
  await Deno.stderr.write(encoder.encode(question));
  const typed: number[] = [];
  const buffer = new Uint8Array(1);
  Deno.stdin.setRaw(true);
  try {
    for (;;) {
      const read = await Deno.stdin.read(buffer);
      const [byte = CONTROL_D] = read === null ? [] : buffer;
      if (ENTER.includes(byte)) return decode(Uint8Array.from(typed));
      if (byte === CONTROL_C || byte === CONTROL_D) {
        throw new UsageError("Cannot read the password: it was cancelled");
      }
      if (!BACKSPACE.includes(byte)) typed.push(byte);
      else {
        // The bytes of one character: continuation bytes, then the first one.
        while (((typed.at(-1) ?? 0) & 0xc0) === 0x80) typed.pop();
        typed.pop();
      }
      if (typed.length > PASSWORD_BYTES) {
        throw new UsageError(`Cannot use the password: it is longer than ${PASSWORD_BYTES} bytes`);
      }
    }
  } finally {
    Deno.stdin.setRaw(false);
    await Deno.stderr.write(encoder.encode("\n"));
  }
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new UsageError("Cannot use the password: it is not valid UTF-8");
  }
}
