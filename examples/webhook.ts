/**
 * A receiver of webhooks with a signature, as GitHub and others send them: `X-Hub-Signature-256` is
 * `sha256=` and the HMAC-SHA256 of the body with a shared secret, in hexadecimal digits
 * (https://docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries). The secret is the
 * variable WEBHOOK_SECRET of the server. Each delivery becomes one world.
 */

export const description = "stores signed webhooks below /home/webhooks";
export const routes = ["/webhook"];
export const auth = "T1";
export const grants = { "/home/webhooks/": "rw" };
export const permissions = { env: ["WEBHOOK_SECRET"] };

const MAX_BYTES = 1024 * 1024;

interface Env {
  readonly machine: { fetch(path: string, init?: RequestInit): Promise<Response> };
  readonly vars: Readonly<Record<string, string | undefined>>;
}

/** `crypto.subtle.verify` compares in constant time. */
async function isSigned(body: Uint8Array<ArrayBuffer>, header: string, secret: string) {
  const [, hex] = /^sha256=([0-9a-f]{64})$/.exec(header) ?? [];
  if (hex === undefined) return false;
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const bytes = new TextEncoder().encode(secret);
  const key = await crypto.subtle.importKey("raw", bytes, algorithm, false, ["verify"]);
  return await crypto.subtle.verify("HMAC", key, Uint8Array.fromHex(hex), body);
}

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const { WEBHOOK_SECRET: secret = "" } = env.vars;
    if (secret === "") {
      console.error("set WEBHOOK_SECRET for the server");
      return new Response("No secret is set\n", { status: 503 });
    }
    if (request.method !== "POST") {
      return new Response("POST a webhook\n", { status: 405, headers: { allow: "POST" } });
    }
    const id = request.headers.get("x-github-delivery") ?? "";
    if (!/^[\w-]{1,64}$/.test(id)) {
      return new Response("X-GitHub-Delivery must be an id of 1 to 64 letters\n", { status: 400 });
    }
    const body = await request.bytes();
    if (body.length > MAX_BYTES) return new Response("Too large\n", { status: 413 });
    if (!await isSigned(body, request.headers.get("x-hub-signature-256") ?? "", secret)) {
      return new Response("The signature is not valid\n", { status: 403 });
    }
    // A delivery that is sent again, by its sender or by an attacker, is stored once.
    const stored = await env.machine.fetch(`/home/webhooks/${id}.json`, {
      method: "PUT",
      headers: {
        "if-none-match": "*",
        "x-meta-event": request.headers.get("x-github-event") ?? "",
      },
      body,
    });
    if (stored.ok || stored.status === 412) return new Response(null, { status: 204 });
    console.error(`delivery ${id} was not stored: ${stored.status}`);
    return new Response("Not stored; send it again\n", { status: 503 });
  },
};
