/**
 * Reads the certificate and the private key for TLS, at the start and at each reload. Any fault stops
 * the start, or keeps the old pair, with a message that never contains part of the key.
 */

import { readRegularFile } from "../base/regular_file.ts";
import { ConfigError } from "../config.ts";

/** Paths of certificate and key in PEM format. */
export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
}

/** Certificate chain and private key as PEM text. */
export interface TlsPair {
  readonly cert: string;
  readonly key: string;
}

/** Size of the largest certificate chain or key file, in bytes. */
const MAX_PEM_BYTES = 1024 * 1024;
/** Mode bits that allow others to read or write a file, or its group to write it. */
const TOO_OPEN = 0o027;

/**
 * Reads both files.
 *
 * @param files paths of certificate and key
 * @param warn called if other users can read the key
 * @throws {ConfigError} if a file cannot be read or does not contain PEM of its kind
 */
export function readTls(files: TlsFiles, warn: (line: string) => void): TlsPair {
  const cert = read(files.cert, "ELASTIK_TLS_CERT");
  const key = read(files.key, "ELASTIK_TLS_KEY");
  if (!/-----BEGIN CERTIFICATE-----/.test(cert)) {
    throw new ConfigError(
      `Cannot use ELASTIK_TLS_CERT=${files.cert}: it contains no PEM certificate`,
    );
  }
  if (/-----BEGIN (?:ENCRYPTED) PRIVATE KEY-----|^Proc-Type: 4,ENCRYPTED/m.test(key)) {
    throw new ConfigError(
      `Cannot use ELASTIK_TLS_KEY=${files.key}: the key is encrypted; a key without a ` +
        "passphrase is needed",
    );
  }
  if (!/-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----/.test(key)) {
    throw new ConfigError(
      `Cannot use ELASTIK_TLS_KEY=${files.key}: it contains no PEM private key`,
    );
  }
  const mode = Deno.build.os === "windows" ? null : Deno.statSync(files.key).mode;
  if (mode !== null && (mode & TOO_OPEN) !== 0) {
    warn(`other users can access the TLS key ${files.key}; run chmod 600 on it`);
  }
  return { cert, key };
}

/**
 * Converts an error of listening to a {@link ConfigError} if it is about the certificate or the
 * key.
 *
 * @returns the converted error, or the error unchanged
 */
export function toTlsError(error: unknown, files: TlsFiles): unknown {
  if (!(error instanceof Error)) return error;
  if (/KeyMismatch|may not be consistent/i.test(error.message)) {
    return new ConfigError(
      `Cannot use ELASTIK_TLS_KEY=${files.key}: it is not the key of the certificate ${files.cert}`,
    );
  }
  const isTlsError = error instanceof Deno.errors.InvalidData ||
    /certificate|key/i.test(error.message);
  if (!isTlsError || error instanceof Deno.errors.AddrInUse) return error;
  return new ConfigError(
    `Cannot use ELASTIK_TLS_CERT=${files.cert} with ELASTIK_TLS_KEY=${files.key}: Deno rejects ` +
      "them; a certificate chain and its unencrypted key in PEM format are needed",
  );
}

/**
 * Refuses a port on which another program listens. A listener that shares its port, so that its
 * certificate can be replaced, would take part of the connections of another server of this user.
 *
 * @throws {Deno.errors.AddrInUse}
 */
export function assertPortIsFree(hostname: string, port: number): void {
  if (port !== 0) Deno.listen({ hostname, port }).close();
}

/**
 * Checks that Deno accepts a certificate and its key.
 *
 * @throws the error of Deno
 */
export function assertValidPair(pair: TlsPair): void {
  Deno.listenTls({ hostname: "127.0.0.1", port: 0, ...pair }).close();
}

function read(path: string, setting: string): string {
  const found = readRegularFile(path, MAX_PEM_BYTES);
  if (found instanceof Uint8Array) return new TextDecoder().decode(found);
  const reason = found === undefined ? "there is no such file" : found.reason;
  throw new ConfigError(`Cannot use ${setting}=${path}: ${reason}; name a PEM file`);
}
