/**
 * The certificate and the key by which the machine speaks TLS itself: read once at the start and
 * handed to the listener. Whatever is wrong with them stops the start with a sentence; nothing of the
 * key is ever in one.
 */

import { ConfigError } from "../config.ts";

/** Where certificate and key lie, in PEM. */
export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
}

/** Certificate chain and private key as PEM text. */
export interface TlsPair {
  readonly cert: string;
  readonly key: string;
}

/** Bits of a mode by which others may look at a file or change it, or its group may change it. */
const LOOSE = 0o027;

/**
 * Reads the two files.
 *
 * @param warn told when the key lies open to others
 * @throws {ConfigError} a file cannot be read, or is no PEM of its kind
 */
export function readTls(files: TlsFiles, warn: (line: string) => void): TlsPair {
  const cert = read(files.cert, "ELASTIK_TLS_CERT");
  const key = read(files.key, "ELASTIK_TLS_KEY");
  if (!/-----BEGIN CERTIFICATE-----/.test(cert)) {
    throw new ConfigError(
      `Cannot use ELASTIK_TLS_CERT=${files.cert}: it holds no certificate in PEM`,
    );
  }
  if (/-----BEGIN (?:ENCRYPTED) PRIVATE KEY-----|^Proc-Type: 4,ENCRYPTED/m.test(key)) {
    throw new ConfigError(
      `Cannot use ELASTIK_TLS_KEY=${files.key}: the key is encrypted, and nobody is asked for its ` +
        "passphrase; give one without",
    );
  }
  if (!/-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----/.test(key)) {
    throw new ConfigError(
      `Cannot use ELASTIK_TLS_KEY=${files.key}: it holds no private key in PEM`,
    );
  }
  const mode = Deno.build.os === "windows" ? null : Deno.statSync(files.key).mode;
  if (mode !== null && (mode & LOOSE) !== 0) {
    warn(`the TLS key ${files.key} lies open to others than its owner; chmod 600 closes it`);
  }
  return { cert, key };
}

/**
 * What listening throws, in the settings' words where it is about them.
 *
 * @returns a {@link ConfigError}, or the error as it came
 */
export function toTlsError(error: unknown, files: TlsFiles): unknown {
  if (!(error instanceof Error)) return error;
  if (/KeyMismatch|may not be consistent/i.test(error.message)) {
    return new ConfigError(
      `Cannot use ELASTIK_TLS_KEY=${files.key}: it is not the key of the certificate ${files.cert}`,
    );
  }
  const known = error instanceof Deno.errors.InvalidData || /certificate|key/i.test(error.message);
  if (!known || error instanceof Deno.errors.AddrInUse) return error;
  return new ConfigError(
    `Cannot use ELASTIK_TLS_CERT=${files.cert} with ELASTIK_TLS_KEY=${files.key}: the runtime does ` +
      "not take them; a certificate chain and its unencrypted key in PEM are needed",
  );
}

function read(path: string, setting: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    const why = error instanceof Deno.errors.NotFound
      ? "no such file"
      : error instanceof Deno.errors.PermissionDenied
      ? "this user may not read it"
      : error instanceof Deno.errors.NotCapable
      ? "the program was started without the right to read it; add it to --allow-read"
      : "it cannot be read as a text file";
    throw new ConfigError(`Cannot use ${setting}=${path}: ${why}`);
  }
}
