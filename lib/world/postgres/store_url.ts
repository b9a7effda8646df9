/**
 * Reads `ELASTIK_STORE`, the address of a PostgreSQL database:
 * `postgres://user:password@host1:5432,host2/name?sslmode=verify-full`. It names every server of the
 * cluster; the node finds the primary among them. Names and the password are percent-encoded.
 *
 * No error and no text form of the address contains the password, also not if the address is malformed.
 */

/** How a session is encrypted. */
export type TlsMode = "disable" | "require" | "verify-ca" | "verify-full";

/** One server. */
export interface StoreHost {
  /** A name, an address without brackets, or the folder of a Unix socket, which begins with `/`. */
  readonly host: string;
  readonly port: number;
}

/** Files for TLS, by their paths. */
export interface StoreTlsFiles {
  /** PEM file with the certificates of trusted authorities, if they are not the ones of the system. */
  readonly rootCertificate?: string;
  /** PEM files of the certificate and the private key with which the client proves its identity. */
  readonly certificate?: string;
  readonly key?: string;
}

/** An address that cannot be used. The message never quotes a part that may be the password. */
export class StoreUrlError extends Error {
  override readonly name = "StoreUrlError";
}

const DEFAULT_PORT = 5432;
/** Parameters, as libpq names them. */
const PARAMETERS = ["sslmode", "sslrootcert", "sslcert", "sslkey", "target_session_attrs"];
const MODES: Readonly<Record<string, TlsMode>> = {
  disable: "disable",
  require: "require",
  "no-verify": "require",
  "verify-ca": "verify-ca",
  "verify-full": "verify-full",
};
const FORM = "postgres://user@host:5432,host2/name is needed";

/** A parsed address. */
export class StoreUrl {
  readonly hosts: readonly StoreHost[];
  readonly user: string;
  readonly database: string;
  readonly tls: TlsMode;
  readonly tlsFiles: StoreTlsFiles;
  /** Private, so that no log or error shows it. */
  readonly #password: string | undefined;

  constructor(parts: {
    readonly hosts: readonly StoreHost[];
    readonly user: string;
    readonly database: string;
    readonly password?: string | undefined;
    readonly tls: TlsMode;
    readonly tlsFiles?: StoreTlsFiles;
  }) {
    this.hosts = parts.hosts;
    this.user = parts.user;
    this.database = parts.database;
    this.#password = parts.password;
    this.tls = parts.tls;
    this.tlsFiles = parts.tlsFiles ?? {};
  }

  /** The password, or undefined if the address has none. For the session only. */
  get password(): string | undefined {
    return this.#password;
  }

  /** The address without the password, for logs. */
  toString(): string {
    const hosts = this.hosts.map((one) =>
      one.host.startsWith("/") ? `${encodeURIComponent(one.host)}:${one.port}` : formatHost(one)
    ).join(",");
    return `postgres://${encodeURIComponent(this.user)}@${hosts}/${
      encodeURIComponent(this.database)
    }`;
  }

  toJSON(): string {
    return this.toString();
  }
}

/** Formats a host for the operator: `db1:5432`, `[::1]:5432`, `/var/run/postgresql:5432`. */
export function formatHost({ host, port }: StoreHost): string {
  const name = host.startsWith("/")
    // The folder of a socket can have any characters; these would break a line.
    ? host.replace(/[\p{Cc}\s]/gu, encodeURIComponent)
    : host.includes(":")
    ? `[${host}]`
    : host;
  return `${name}:${port}`;
}

/**
 * Parses the value of `ELASTIK_STORE`.
 *
 * Without `sslmode`, sessions to other computers use `verify-full`: TLS with a certificate of the host's
 * name. Sessions within this computer are not encrypted.
 *
 * @throws {StoreUrlError} if it is malformed
 */
export function parseStoreUrl(text: string): StoreUrl {
  const [, rest] = /^postgres(?:ql)?:\/\/(.*)$/s.exec(text) ?? [];
  if (rest === undefined) throw invalid(`it does not begin with postgres://; ${FORM}`);
  // deno-lint-ignore no-control-regex -- what they would do in a log or a start-up packet
  if (/[\x00-\x20\x7f]/.test(rest)) throw invalid("it contains a space or a control character");
  const authority = /^[^/?#]*/.exec(rest)?.[0] ?? "";
  const [path = "", query = "", ...more] = rest.slice(authority.length).split("?");
  if (more.length > 0 || rest.includes("#") || /@/.test(path + query)) {
    throw invalid("it has an unencoded character; write / ? # @ in names as %2F %3F %23 %40");
  }
  const at = authority.lastIndexOf("@");
  const [user, password] = readUser(authority.slice(0, Math.max(at, 0)));
  const hosts = authority.slice(at + 1).split(",").map(readHost);
  const database = decode(path.slice(1), "the name of the database");
  if (database === "") throw invalid(`it names no database; ${FORM}`);
  if (database.includes("/")) throw invalid("the name of the database contains a slash");
  if (database.length > 63) throw invalid("the name of the database is longer than 63 characters");
  return new StoreUrl({ hosts, user, database, password, ...readParameters(query, hosts) });
}

function readUser(text: string): [user: string, password: string | undefined] {
  const colon = text.indexOf(":");
  const user = decode(colon < 0 ? text : text.slice(0, colon), "the user");
  if (user === "") throw invalid(`it names no user; ${FORM}`);
  if (colon < 0) return [user, undefined];
  return [user, decode(text.slice(colon + 1), "the password")];
}

function readHost(text: string, at: number): StoreHost {
  const which = `host ${at + 1}`;
  const [, bracketed, name = "", digits] = /^(?:\[([^\]]*)\]|([^:[\]]*))(?::(.*))?$/.exec(text) ??
    [];
  const host = bracketed ?? decode(name, which);
  if (bracketed !== undefined && !/^[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*$/.test(bracketed)) {
    throw invalid(`${which} has brackets that contain no IPv6 address`);
  }
  if (host === "") throw invalid(`${which} has no name; ${FORM}`);
  if (!host.startsWith("/") && !/^[\w.:-]{1,253}$/.test(host)) {
    throw invalid(`${which} is not a name or an address`);
  }
  if (digits === undefined) return { host, port: DEFAULT_PORT };
  const port = /^\d{1,5}$/.test(digits) ? Number(digits) : 0;
  if (port < 1 || port > 65535) {
    throw invalid(`the port of ${which} is not a number from 1 to 65535`);
  }
  return { host, port };
}

function readParameters(
  query: string,
  hosts: readonly StoreHost[],
): { tls: TlsMode; tlsFiles: StoreTlsFiles } {
  const given = new Map<string, string>();
  for (const part of query.split("&").filter((part) => part !== "")) {
    const [name = "", ...value] = part.split("=");
    if (!PARAMETERS.includes(name)) {
      const shown = /^[A-Za-z_]{1,40}$/.test(name) ? name : "one";
      throw invalid(`parameter ${shown} is unknown; allowed: ${PARAMETERS.join(", ")}`);
    }
    if (given.has(name)) throw invalid(`parameter ${name} was given twice`);
    given.set(name, decode(value.join("="), `parameter ${name}`));
  }
  const target = given.get("target_session_attrs") ?? "primary";
  if (target !== "primary" && target !== "read-write") {
    throw invalid("target_session_attrs is neither primary nor read-write; nodes write");
  }
  const isLocal = hosts.every(({ host }) =>
    host.startsWith("/") || host === "localhost" || host === "::1" || /^127(?:\.\d+){3}$/.test(host)
  );
  const files = [given.get("sslrootcert"), given.get("sslcert"), given.get("sslkey")];
  const [rootCertificate, certificate, key] = files;
  const mode = given.get("sslmode") ??
    (isLocal && files.every((file) => file === undefined) ? "disable" : "verify-full");
  const tls = Object.hasOwn(MODES, mode) ? MODES[mode] : undefined;
  if (tls === undefined) {
    throw invalid("sslmode is not disable, require, verify-ca or verify-full");
  }
  if (tls === "disable" && files.some((file) => file !== undefined)) {
    throw invalid("sslmode is disable, but there is a file for TLS");
  }
  if ((certificate === undefined) !== (key === undefined)) {
    throw invalid("sslcert and sslkey are needed together");
  }
  return {
    // As libpq does: a file with authorities is there to be checked.
    tls: tls === "require" && rootCertificate !== undefined ? "verify-ca" : tls,
    tlsFiles: {
      ...(rootCertificate === undefined ? {} : { rootCertificate }),
      ...(certificate === undefined ? {} : { certificate }),
      ...(key === undefined ? {} : { key }),
    },
  };
}

function decode(text: string, what: string): string {
  let decoded;
  try {
    decoded = decodeURIComponent(text);
  } catch {
    throw invalid(`${what} has an invalid percent-encoding`);
  }
  if (decoded.includes("\0")) throw invalid(`${what} contains U+0000`);
  return decoded;
}

function invalid(reason: string): StoreUrlError {
  return new StoreUrlError(`Cannot read ELASTIK_STORE: ${reason}`);
}
