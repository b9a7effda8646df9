import { assertEquals } from "../support/assert.ts";
import { answerChallenge, checkProof } from "../../lib/http/server_proof.ts";

const SECRET = "5".repeat(64);
const CHALLENGE = "a".repeat(64);

function check(address: string, url: string, port = 3005): string | undefined {
  const proof = answerChallenge(SECRET, CHALLENGE, { address, port }) ?? null;
  return checkProof(SECRET, CHALLENGE, proof, new URL(url));
}

Deno.test("checkProof() returns the address at which the holder of the folder listens", () => {
  const rows: [address: string, url: string, connect: string | undefined][] = [
    ["127.0.0.1", "http://localhost:3005", "127.0.0.1"],
    ["::1", "http://localhost:3005", "::1"],
    ["0.0.0.0", "http://localhost:3005", "127.0.0.1"],
    ["::", "http://localhost:3005", "::1"],
    ["127.0.0.1", "http://127.0.0.1:3005", "127.0.0.1"],
    ["::", "http://127.0.0.1:3005", "127.0.0.1"],
    ["0.0.0.0", "http://127.0.0.1:3005", "127.0.0.1"],
    ["127.0.0.1", "http://[::1]:3005", undefined],
    ["0.0.0.0", "http://[::1]:3005", undefined],
    ["::1", "http://127.0.0.1:3005", undefined],
    ["127.0.0.1", "http://localhost:3006", undefined],
    ["127.0.0.1", "http://localhost", undefined],
  ];
  for (const [address, url, connect] of rows) assertEquals(check(address, url), connect, url);
  assertEquals(check("127.0.0.1", "https://localhost", 443), "127.0.0.1");
});

Deno.test("checkProof() refuses another secret, another challenge and a changed address", () => {
  const url = new URL("http://localhost:3005");
  const proof = answerChallenge(SECRET, CHALLENGE, { address: "127.0.0.1", port: 3006 }) ?? "";
  assertEquals(
    checkProof("6".repeat(64), CHALLENGE, proof.replace("3006", "3005"), url),
    undefined,
  );
  assertEquals(checkProof(SECRET, CHALLENGE, proof.replace("3006", "3005"), url), undefined);
  const good = answerChallenge(SECRET, CHALLENGE, { address: "127.0.0.1", port: 3005 }) ?? "";
  assertEquals(checkProof(SECRET, "b".repeat(64), good, url), undefined);
  for (const text of [null, "", "127.0.0.1 3005", `${good} x`]) {
    assertEquals(checkProof(SECRET, CHALLENGE, text, url), undefined);
  }
});

Deno.test("answerChallenge() answers only 64 hexadecimal digits", () => {
  const at = { address: "127.0.0.1", port: 1 };
  for (const challenge of [null, "", "a".repeat(63), "A".repeat(64), `${CHALLENGE}\n`]) {
    assertEquals(answerChallenge(SECRET, challenge, at), undefined);
  }
});
