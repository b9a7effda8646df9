/**
 * A form whose entries become lines of a CSV world. Any page can send it, also one of another server:
 * `<form method="post" action="https://<host>/form">` with the fields below. A program sends the same fields:
 * `curl <host>/form -d name=Ada -d message=Hello`.
 */

export const description = "appends the fields of a form to /home/form.csv";
export const routes = ["/form"];
export const auth = "T1";
export const grants = { "/home/form.csv": "rw" };

const TABLE = "/home/form.csv";
const FIELDS = ["name", "email", "message"];
const MAX_BYTES = 16 * 1024;

interface Env {
  readonly machine: { fetch(path: string, init?: RequestInit): Promise<Response> };
}

/** A field of RFC 4180. A spreadsheet would run a text that begins like a formula. */
function cell(text: string): string {
  const plain = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(plain) ? `"${plain.replaceAll('"', '""')}"` : plain;
}

async function readFields(request: Request): Promise<string[] | undefined> {
  const bytes = await request.bytes();
  if (bytes.length > MAX_BYTES) return undefined;
  try {
    const form = await new Response(bytes, { headers: request.headers }).formData();
    return FIELDS.map((name) => String(form.get(name) ?? "").trim());
  } catch {
    return undefined; // not a form
  }
}

async function append(env: Env, row: readonly string[]): Promise<boolean> {
  const heading = `time,${FIELDS.join(",")}\r\n`;
  // Only the first entry writes the heading: later ones get 412.
  const first = await env.machine.fetch(TABLE, {
    method: "PUT",
    headers: { "if-none-match": "*", "content-type": "text/csv" },
    body: heading,
  });
  if (!first.ok && first.status !== 412) return false;
  const line = [new Date().toISOString(), ...row].map(cell).join(",");
  return (await env.machine.fetch(TABLE, { method: "POST", body: `${line}\r\n` })).ok;
}

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    if (request.method !== "POST") {
      return new Response("POST the form\n", { status: 405, headers: { allow: "POST" } });
    }
    if (Number(request.headers.get("content-length") ?? 0) > MAX_BYTES) {
      return new Response(`A form has at most ${MAX_BYTES} bytes\n`, { status: 413 });
    }
    const row = await readFields(request);
    if (row === undefined || row.every((field) => field === "")) {
      return new Response(`Send a form with ${FIELDS.join(", ")}\n`, { status: 422 });
    }
    if (await append(env, row)) return new Response("Thank you\n", { status: 201 });
    console.error("the entry was not stored");
    return new Response("The entry was not stored; send it again later\n", { status: 503 });
  },
};
