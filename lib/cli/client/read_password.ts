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

/** Signals that end the program while it asks, with the exit code by shell convention. */
const EXIT_CODES = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;

/** The terminal that a password is typed at. */
export interface Terminal {
  /** @param isRaw whether the terminal passes each key on at once and shows none */
  setRaw(isRaw: boolean): void;
  read(buffer: Uint8Array): Promise<number | null>;
  write(text: string): Promise<unknown>;
}

/**
 * Reads a password, on a terminal twice.
 *
 * @param name name of the account
 * @throws {UsageError} if it is too short or too long, is not valid UTF-8, contains a control
 * character, or differs the second time
 */
export async function readPassword(name: string): Promise<string> {
  if (!Deno.stdin.isTerminal()) return checkPassword(withoutLineBreak(await readInput()));
  const encoder = new TextEncoder();
  const terminal: Terminal = {
    setRaw: (isRaw) => Deno.stdin.setRaw(isRaw),
    read: (buffer) => Deno.stdin.read(buffer),
    write: (text) => Deno.stderr.write(encoder.encode(text)),
  };
  return await restoringOnSignals(terminal, () => askTwice(terminal, name));
}

/**
 * Asks for a password twice. The terminal is raw from before the first question until after the last
 * answer: a terminal that is not raw shows what is typed before the program reads it.
 *
 * @throws {UsageError} as {@link readPassword}
 */
export async function askTwice(terminal: Terminal, name: string): Promise<string> {
  terminal.setRaw(true);
  try {
    const password = checkPassword(await readHidden(terminal, `Password of ${name}: `));
    if (await readHidden(terminal, "Again: ") === password) return password;
    throw new UsageError("Cannot add the account: the two passwords differ");
  } finally {
    terminal.setRaw(false);
  }
}

/** Runs work that makes a terminal raw; a signal that ends the program then restores the terminal. */
async function restoringOnSignals<T>(terminal: Terminal, work: () => Promise<T>): Promise<T> {
  const listeners = Object.entries(EXIT_CODES)
    // On Windows there is no SIGTERM.
    .filter(([signal]) => Deno.build.os !== "windows" || signal !== "SIGTERM")
    .map(([signal, code]) => ({
      signal: signal as keyof typeof EXIT_CODES, // Object.entries() widens the keys
      stop: () => {
        terminal.setRaw(false);
        Deno.exit(code);
      },
    }));
  for (const { signal, stop } of listeners) Deno.addSignalListener(signal, stop);
  try {
    return await work();
  } finally {
    for (const { signal, stop } of listeners) Deno.removeSignalListener(signal, stop);
  }
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

/** Reads one line of a raw terminal. */
async function readHidden(terminal: Terminal, question: string): Promise<string> {
  await terminal.write(question);
  const typed: number[] = [];
  const buffer = new Uint8Array(1);
  try {
    for (;;) {
      const read = await terminal.read(buffer);
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
    await terminal.write("\n");
  }
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new UsageError("Cannot use the password: it is not valid UTF-8");
  }
}
