/**
 * The blind broadcast: one write goes to every world that `/etc/fanout.conf` names, each under the
 * caller's own authority, and each is told of by itself. It never writes to a route that could write
 * on, so there is nothing to go round in. `/usr/share/doc/fanout.md` is the manual.
 */

export const description = "writes what it is sent to every world of /etc/fanout.conf";
export const routes = ["/dev/fanout"];
export const auth = "T2";
export const config = ["/etc/fanout.conf"];
/** None; what is wrong with the list is told to T3. */
export const permissions = ({ config }: { config: Env["config"] }): { fault?: string } => {
  const wrong = readList(config[CONF] ?? "").find(({ fault }) => fault !== undefined);
  return wrong === undefined ? {} : { fault: `${CONF} line ${wrong.line}: ${wrong.fault}` };
};

interface Env {
  readonly config: Readonly<Record<string, string | undefined>>;
  readonly caller: {
    readonly tier: string;
    readonly by: string;
    readonly fetch: (path: string, init?: RequestInit) => Promise<Response>;
  };
}

const HERE = "/dev/fanout";
const CONF = "/etc/fanout.conf";
const NAMESPACES = ["home", "etc", "usr", "var", "boot", "lib"];
/** What is something else at the top of the tree: a name that begins so is a slip. */
const NOT_WORLDS = ["auth", "bin", "dav", "dev", "mnt", "proc", "self", "shaped", "stream"];
/** What travels to each world: what it is, what belongs to it, and under which condition. */
const PASSED = /^(?:content-(?:type|encoding|range|language)|x-meta-.*|if-.*)$/;

/** Most targets, and how many are written at a time. */
const MAX_TARGETS = 256;
const AT_ONCE = 8;
/** Longest body in bytes; the worlds' own cap is usually smaller and is theirs to say. */
const MAX_BODY = 16 * 1024 * 1024;
/** Bytes of all bodies held at a time. */
const MAX_HELD = 64 * 1024 * 1024;

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    try {
      return await answer(request, env);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      return refuse(error, request);
    }
  },
};

async function answer(request: Request, env: Env): Promise<Response> {
  const { pathname, searchParams } = new URL(request.url);
  const { method } = request;
  if (pathname !== HERE) {
    throw new Refusal("not-found", `Cannot ${method} here: ${HERE} is all there is`);
  }
  refuseOthers(env.caller);
  const list = readList(env.config[CONF] ?? "");
  if (method === "GET" || method === "HEAD") return listing(list, request);
  if (method !== "POST" && method !== "PUT") {
    throw new Refusal(
      "method-not-allowed",
      `Cannot ${method} ${HERE}: PUT replaces, POST appends`,
      {
        allow: "GET, HEAD, POST, PUT",
      },
    );
  }
  for (const key of searchParams.keys()) {
    if (key === "ext") continue;
    throw new Refusal("bad-query", `Cannot write to the list: there is no ?${key}, only ?ext`);
  }
  if (!list.some(({ fault }) => fault === undefined)) {
    throw new Refusal(
      "unavailable",
      `Cannot write to the list: ${CONF} names no world; T3 writes it, one name a line`,
    );
  }
  return await holding(request, async (body) => {
    const results = await broadcast(request, body, list, searchParams, env.caller.fetch);
    return report(results, request);
  });
}

/** A capability reaches its own prefix; a list that somebody else wrote is not that. */
function refuseOthers({ tier, by }: Env["caller"]): void {
  const capability = by.startsWith("cap:");
  if (!capability && (tier === "T2" || tier === "T3")) return;
  throw new Refusal(
    "forbidden",
    `Cannot use ${HERE}: ${
      capability ? "a capability writes to worlds of its own prefix alone" : `the caller is ${tier}`
    }, T2 is needed`,
  );
}

// The list

interface Entry {
  readonly line: number;
  /** Canonical, with a leading slash; as it was written where it is at fault. */
  readonly target: string;
  readonly fault?: string;
}

/** One name a line; `x` and `home/x` are `/home/x`. A name that is there again counts once. */
function readList(text: string): Entry[] {
  const entries: Entry[] = [];
  const seen = new Set<string>();
  for (const [at, raw] of text.replace(/^\ufeff/, "").split("\n").entries()) {
    const written = raw.trim();
    if (written === "" || written.startsWith("#")) continue;
    const line = at + 1;
    const target = targetOf(written);
    if (seen.has(target)) continue;
    seen.add(target);
    const fault = entries.length >= MAX_TARGETS
      ? `there are ${MAX_TARGETS} targets already, which is the most`
      : faultOf(target);
    entries.push({ line, target, ...(fault && { fault }) });
    if (entries.length > MAX_TARGETS) break;
  }
  return entries;
}

function targetOf(written: string): string {
  const name = written.normalize("NFC");
  if (name.startsWith("/")) return name;
  const [first = "", ...rest] = name.split("/");
  const rooted = rest.length > 0 && (NAMESPACES.includes(first) || NOT_WORLDS.includes(first));
  return rooted ? `/${name}` : `/home/${name}`;
}

/** Why a line is written to by nobody. */
function faultOf(target: string): string | undefined {
  const [, space = "", ...rest] = target.split("/");
  if (target === CONF) return "it is this list itself";
  if (!NAMESPACES.includes(space)) {
    return `only worlds can be targets, and those lie below /${NAMESPACES.join(", /")}`;
  }
  // deno-lint-ignore no-control-regex -- control characters are what is refused
  if (rest.length === 0 || /[\u0000-\u001f\u007f\\:*?"<>|]/.test(target)) {
    return "it is no world's name";
  }
  if (rest.some((segment) => /^\.{0,2}$/.test(segment))) {
    return "it is no world's name: empty, . and .. are no parts of one";
  }
  if (space === "lib" && rest.length > 1) return "what lies below a plugin is no world";
  return undefined;
}

function listing(list: readonly Entry[], request: Request): Response {
  const body = wantsText(request)
    ? list.map(({ target, fault }) => fault === undefined ? `${target}\n` : `${target}\t${fault}\n`)
      .join("")
    : JSON.stringify(list) + "\n";
  return respond(200, body, request);
}

// The broadcast

interface Result {
  readonly target: string;
  readonly status: number;
  readonly version?: number;
  /** Why not, in the machine's words. */
  readonly detail?: string;
}

/** A few at a time; what happens to one is nothing to the others. */
async function broadcast(
  request: Request,
  body: Uint8Array<ArrayBuffer>,
  list: readonly Entry[],
  query: URLSearchParams,
  fetch: Env["caller"]["fetch"],
): Promise<Result[]> {
  const headers = [...request.headers].filter(([name]) => PASSED.test(name));
  const search = query.size === 0 ? "" : `?${query}`;
  const { method } = request;
  const results = new Array<Result>(list.length);
  const turns = list.entries();
  async function work(): Promise<void> {
    for (const [at, { target, line, fault }] of turns) {
      results[at] = fault === undefined
        ? await write(target, search, { method, headers, body }, fetch)
        : { target, status: 400, detail: `${CONF} line ${line}: ${fault}` };
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return results;
}

async function write(
  target: string,
  search: string,
  init: RequestInit,
  fetch: Env["caller"]["fetch"],
): Promise<Result> {
  const path = target.split("/").map(encodeURIComponent).join("/");
  try {
    const response = await fetch(path + search, {
      ...init,
      headers: [...(init.headers as [string, string][]), ["accept", "application/json"]],
    });
    const { status } = response;
    const said = fieldsOf(await response.text());
    if (response.ok) {
      return { target, status, ...(typeof said.version === "number" && { version: said.version }) };
    }
    return {
      target,
      status,
      detail: typeof said.detail === "string" ? said.detail : "it was refused",
    };
  } catch (error) {
    // Whether it was written is not known; the others go on.
    const words = error instanceof Error ? error.message : "no reason was given";
    return { target, status: 502, detail: `Cannot tell whether it was written: ${words}` };
  }
}

function fieldsOf(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null
      ? Object.fromEntries(Object.entries(value))
      : {};
  } catch {
    return {};
  }
}

/** 200 when all was written, the failure's own status when all failed alike, else 207. */
function report(results: readonly Result[], request: Request): Response {
  const written = results.filter(({ status }) => status < 300).length;
  const [first] = results;
  const alike = results.every(({ status }) => status === first?.status);
  const status = written === results.length ? 200 : alike ? first?.status ?? 502 : 207;
  const body = wantsText(request)
    ? results.map(({ target, status, detail }) =>
      `${status}\t${target}${detail === undefined ? "" : `\t${detail}`}\n`
    ).join("")
    : JSON.stringify({ written, failed: results.length - written, results }) + "\n";
  return respond(status, body, request);
}

// Bodies

let held = 0;

/** Reads the body, which every world gets as a whole, and gives its bytes back when `use` is over. */
async function holding(
  request: Request,
  use: (body: Uint8Array<ArrayBuffer>) => Promise<Response>,
): Promise<Response> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  try {
    for await (const piece of request.body ?? []) {
      length += piece.length;
      held += piece.length;
      if (length > MAX_BODY) {
        throw new Refusal(
          "body-too-large",
          `Cannot write to the list: a body has at most ${MAX_BODY} bytes; nothing was written`,
        );
      }
      if (held > MAX_HELD) {
        throw new Refusal(
          "unavailable",
          "Cannot write to the list: too much is being written already; nothing was written",
          { "retry-after": "1" },
        );
      }
      pieces.push(piece);
    }
    const body = new Uint8Array(length);
    let at = 0;
    for (const piece of pieces.splice(0)) {
      body.set(piece, at);
      at += piece.length;
    }
    return await use(body);
  } finally {
    held -= length;
  }
}

// Answers

/** Problem types of the machine that are used here, with status and title. */
const TITLES = {
  "bad-query": [400, "A query parameter does not fit"],
  "forbidden": [403, "The credential does not reach this"],
  "not-found": [404, "Nothing is here"],
  "method-not-allowed": [405, "The method does not apply here"],
  "body-too-large": [413, "The content is too large"],
  "unavailable": [503, "Not available now"],
} as const;

class Refusal extends Error {
  readonly type: keyof typeof TITLES;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    type: keyof typeof TITLES,
    detail: string,
    headers: Readonly<Record<string, string>> = {},
  ) {
    super(detail);
    this.type = type;
    this.headers = headers;
  }
}

/** RFC 9457, or the same words as text for whoever asked for text. */
function refuse({ type, message, headers }: Refusal, request: Request): Response {
  const [status, title] = TITLES[type];
  const text = `${status} ${title}\n${message}\n`;
  const problem = { type: `/usr/share/doc/problems/${type}.md`, title, status, detail: message };
  const response = respond(
    status,
    wantsText(request) ? text : JSON.stringify(problem) + "\n",
    request,
    "application/problem+json",
  );
  for (const [name, value] of Object.entries(headers)) response.headers.set(name, value);
  return response;
}

function respond(
  status: number,
  body: string,
  request: Request,
  json = "application/json",
): Response {
  return new Response(request.method === "HEAD" ? null : body, {
    status,
    headers: {
      "content-type": wantsText(request) ? "text/plain; charset=utf-8" : json,
      "cache-control": "no-store",
      "vary": "Accept",
    },
  });
}

function wantsText(request: Request): boolean {
  return /^\s*text\/plain/i.test(request.headers.get("accept") ?? "");
}
