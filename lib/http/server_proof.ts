/**
 * A proof that a server holds a data folder. A client on the same computer reads a secret of that
 * folder, sends a random challenge, and compares the code that the server answers. The code covers the
 * address and the port on which the server listens: another program that passes the challenge on
 * listens elsewhere, so its answer does not fit. Clients send a stored token only after the proof.
 */

import { hmacSha256, isSameSecret } from "../base/hash.ts";
import { parseIp } from "./ip_address.ts";

/** Request header with the challenge: 64 hexadecimal digits that the client has never used. */
export const CHALLENGE_HEADER = "x-elastik-challenge";
/** Response header with the proof: address, port and code, separated by spaces. */
export const PROOF_HEADER = "x-elastik-proof";

/** Where a server listens. */
export interface ListenAddress {
  /** IP address without brackets; `0.0.0.0` or `::` for all. */
  readonly address: string;
  readonly port: number;
}

const CHALLENGE = /^[0-9a-f]{64}$/;

/**
 * Formats the answer to a challenge.
 *
 * @param secret the secret of the data folder, 64 hexadecimal digits
 * @param challenge value of the request header, or null if it was not sent
 * @param at where the server listens
 * @returns the value of the response header, or undefined if the challenge is missing or malformed
 *
 * @example
 * ```ts
 * import { match } from "node:assert/strict";
 * import { answerChallenge } from "./server_proof.ts";
 *
 * const at = { address: "127.0.0.1", port: 3005 };
 * match(answerChallenge("secret", "0".repeat(64), at) ?? "", /^127\.0\.0\.1 3005 [0-9a-f]{64}$/);
 * ```
 */
export function answerChallenge(
  secret: string,
  challenge: string | null,
  at: ListenAddress,
): string | undefined {
  if (challenge === null || !CHALLENGE.test(challenge)) return undefined;
  return `${at.address} ${at.port} ${codeOf(secret, challenge, at)}`;
}

/**
 * Checks an answer.
 *
 * @param secret the secret of the data folder
 * @param challenge the challenge that was sent
 * @param proof value of the response header, or null if it was not sent
 * @param url URL of the server, whose host is a loopback address or `localhost`
 * @returns the loopback address at which the server that holds the folder listens; undefined if the
 * answer is not a proof for this URL
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { answerChallenge, checkProof } from "./server_proof.ts";
 *
 * const challenge = "0".repeat(64);
 * const proof = answerChallenge("secret", challenge, { address: "127.0.0.1", port: 3005 }) ?? null;
 * strictEqual(checkProof("secret", challenge, proof, new URL("http://localhost:3005")), "127.0.0.1");
 * strictEqual(checkProof("secret", challenge, proof, new URL("http://localhost:8000")), undefined);
 * ```
 */
export function checkProof(
  secret: string,
  challenge: string,
  proof: string | null,
  url: URL,
): string | undefined {
  const [, address = "", port = "", code = ""] =
    /^([0-9a-fA-F.:]+) (\d{1,5}) ([0-9a-f]{64})$/.exec(proof ?? "") ?? [];
  const at = { address, port: Number(port) };
  if (parseIp(address) === undefined || !isSameSecret(code, codeOf(secret, challenge, at))) {
    return undefined;
  }
  if (port !== (url.port || (url.protocol === "https:" ? "443" : "80"))) return undefined;
  return connectAddress(address, url.hostname.replace(/^\[|\]$/g, ""));
}

/** The address to connect to. `localhost` can be two addresses, with a server at each. */
function connectAddress(address: string, host: string): string | undefined {
  if (host === "localhost") {
    return address === "0.0.0.0" ? "127.0.0.1" : address === "::" ? "::1" : address;
  }
  const isAll = address === "::" || (address === "0.0.0.0" && !host.includes(":"));
  return address === host || isAll ? host : undefined;
}

function codeOf(secret: string, challenge: string, { address, port }: ListenAddress): string {
  const text = `elastik-proof\n${challenge}\n${address}\n${port}\n`;
  return hmacSha256(secret, text).toHex();
}
