/** Certificates for tests, created by openssl. Tests that need one are skipped without openssl. */

import { assertEquals } from "./assert.ts";

/** A certificate and its key. */
export interface Certificate {
  /** Paths of the PEM files. */
  readonly cert: string;
  readonly key: string;
}

/** Returns whether openssl is installed. */
export function canCertify(): boolean {
  try {
    const { success } = new Deno.Command("openssl", {
      args: ["version"],
      stdout: "null",
      stderr: "null",
    }).outputSync();
    return success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Creates a self-signed certificate for `localhost`, 127.0.0.1 and another host. */
export async function certify(
  folder: string,
  name: string,
  host = "elastik.example",
  extensions: readonly string[] = [],
): Promise<Certificate> {
  const cert = `${folder}/${name}.crt`;
  const key = `${folder}/${name}.key`;
  await openssl([
    "req",
    "-x509",
    "-newkey",
    "ec",
    "-pkeyopt",
    "ec_paramgen_curve:prime256v1",
    "-nodes",
    "-keyout",
    key,
    "-out",
    cert,
    "-days",
    "2",
    "-subj",
    "/CN=localhost",
    "-addext",
    `subjectAltName=DNS:localhost,DNS:${host},IP:127.0.0.1`,
    ...extensions,
  ]);
  await Deno.chmod(key, 0o600);
  return { cert, key };
}

/** The same as a certificate that is not one of an authority: clients of Deno accept no other. */
export function certifyEndEntity(folder: string, name: string): Promise<Certificate> {
  return certify(folder, name, undefined, ["-addext", "basicConstraints=critical,CA:FALSE"]);
}

/** Runs openssl. Fails the test with its error output if it fails. */
export async function openssl(args: readonly string[]): Promise<void> {
  const { code, stderr } = await new Deno.Command("openssl", {
    args: [...args],
    stdout: "null",
    stderr: "piped",
  }).output();
  assertEquals(code, 0, new TextDecoder().decode(stderr));
}
