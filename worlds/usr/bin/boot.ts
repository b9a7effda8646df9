/**
 * The self-test: checks over HTTP that a running server keeps its promises, and prints one line for each
 * check. It works in a collection of its own, which it deletes at the end. It imports nothing, so that
 * the server can serve it and any client can run it:
 *
 *     deno run --allow-net --allow-env -r 'http://localhost:3005/usr/bin/boot?raw'
 *
 * The server is the first argument, else the one that served this file, else ELASTIK_URL, else
 * localhost with ELASTIK_PORT of the environment or of `.env` in the working folder, else port 3005.
 * Credentials are ELASTIK_TOKEN and ELASTIK_APPROVE_TOKEN. A check whose credential is missing counts
 * as not checked.
 */

/** Options of a self-test. */
export interface SelfTestOptions {
  /** Origin of the server, such as `http://localhost:3005`. */
  readonly base: string;
  readonly token?: string | undefined;
  readonly approveToken?: string | undefined;
  /** Writes a line. */
  readonly write: (line: string) => void;
  /** True if lines may contain terminal colours. */
  readonly colour: boolean;
  /** Name of the collection below `/home` to work in; no other run may use it. */
  readonly folder: string;
  /** Sends a request; `fetch` by default. A caller can trust other certificates with it. */
  readonly fetch?: (url: string, init: RequestInit) => Promise<Response>;
}

interface Ask {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array<ArrayBuffer>;
  /** Credential to send; by default one that can write, "" for none. */
  readonly as?: string;
}

/** A response with its body. */
interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly text: string;
}

type Send = (method: string, path: string, ask?: Ask) => Promise<Answer>;

/** The arguments of a check. */
interface Bench {
  readonly send: Send;
  /** Path prefix that only this check uses. */
  readonly at: string;
  readonly options: SelfTestOptions;
}

type Check = (bench: Bench) => Promise<string | void>;

/** Most milliseconds that one request or one event may take. */
const PATIENCE_MS = 10_000;
const DOC = "/usr/share/doc/problems/loop-detected.md";
const encoder = new TextEncoder();

/** Thrown by a check that cannot run, for example without a credential. */
class NotChecked extends Error {}

/** Thrown if the server refuses the first write, so that no later check can pass. */
class CannotWrite extends Error {}

/** Every check by its name, in the order in which they run. */
const CHECKS: Readonly<Record<string, Check>> = {
  "status": async ({ send }) => {
    const { status, text } = await send("GET", "/proc/status");
    expect(status, 200, text);
    const { pid, uptime, worlds, plugins, version } = object(text);
    for (const fact of [pid, uptime, worlds, plugins]) is(typeof fact === "number", text);
    return `elastik ${version}, ${worlds} worlds, up ${uptime} s`;
  },
  "whoami": async ({ send }) => {
    const { status, text } = await send("GET", "/auth/whoami");
    expect(status, 200, "this server does not accept the credential in the environment");
    const { tier } = object(text);
    is(/^T[123]$/.test(String(tier)), text);
    return String(tier);
  },
  "worlds": async ({ send, at }) => {
    const first = await send("PUT", `${at}/x`, { body: "<h1>I am alive</h1>" });
    if (first.status === 401 || first.status === 403) {
      throw new CannotWrite("the caller cannot write; set ELASTIK_TOKEN to the server's T2 token");
    }
    expect(first.status, 201, first.text);
    expect(first.headers.get("location"), `${at}/x`);
    expect(first.text, '{"version":1,"ext":"html"}\n');
    expect((await send("PUT", `${at}/x`, { body: "<h1>again</h1>" })).status, 200);
    const read = object((await send("GET", `${at}/x`)).text);
    expect(read.stage_html, "<h1>again</h1>");
    expect(read.version, 2);
  },
  "bytes": async ({ send, at }) => {
    const body = Uint8Array.from({ length: 1024 }, (_, i) => i % 256);
    expect((await send("PUT", `${at}/x`, { body })).text, '{"version":1,"ext":"bin"}\n');
    is(
      same((await send("GET", `${at}/x?raw`)).bytes, body),
      "the bytes read are not the bytes written",
    );
    const read = object((await send("GET", `${at}/x`)).text);
    is(
      read.binary === true && read.len === 1024 && read.stage_html === "",
      "the JSON of binary content is wrong",
    );
  },
  "names": async ({ send, at }) => {
    for (const name of ["caf\u00e9 \u57cf\u57f4", "100%", "a&b#c+d"]) {
      const path = `${at}/${encodeURIComponent(name)}`;
      expect((await send("PUT", path, { body: name })).status, 201, name);
      expect((await send("GET", `${path}?raw`)).text, name);
    }
    expect((await send("PUT", `${at}/cafe%CC%81`, { body: "nfd" })).status, 201);
    expect((await send("GET", `${at}/caf%C3%A9?raw`)).text, "nfd");
    expect((await send("PUT", `${at}/a%5Cb`, { body: "x" })).status, 400);
    expect((await send("PUT", `${at}/a%2F..%2Fb`, { body: "x" })).status, 400);
  },
  "append": async ({ send, at }) => {
    const letters = [..."abcdefghijklmnop"];
    const all = await Promise.all(letters.map((body) => send("POST", `${at}/x`, { body })));
    is(all.every(({ status }) => status === 200 || status === 201), "an append failed");
    const { text } = await send("GET", `${at}/x?raw`);
    expect([...text].sort().join(""), letters.join(""), "an append was lost");
  },
  "representations": async ({ send, at }) => {
    await send("PUT", `${at}/x?ext=md`, { body: "# hi" });
    const forms: readonly [string, string, string][] = [
      ["*/*", "", "application/json"],
      ["text/plain", "", "text/plain; charset=utf-8"],
      ["text/html,*/*;q=0.8", "", "text/html; charset=utf-8"],
      ["*/*", "?raw", "text/markdown; charset=utf-8"],
    ];
    for (const [accept, query, type] of forms) {
      const { headers } = await send("GET", `${at}/x${query}`, { headers: { accept } });
      expect(headers.get("content-type"), type);
      if (query === "") is(/accept/i.test(headers.get("vary") ?? ""), "no Vary: Accept");
    }
  },
  "head": async ({ send, at }) => {
    await send("PUT", `${at}/x`, { body: "twelve bytes" });
    const get = await send("GET", `${at}/x?raw`);
    const head = await send("HEAD", `${at}/x?raw`);
    expect(head.text, "");
    for (const name of ["etag", "content-type", "content-length", "last-modified"]) {
      expect(head.headers.get(name), get.headers.get(name), name);
    }
  },
  "ranges": async ({ send, at }) => {
    await send("PUT", `${at}/x`, { body: "0123456789" });
    const ranges: readonly [string, number, string][] = [
      ["bytes=2-4", 206, "234"],
      ["bytes=-3", 206, "789"],
      ["bytes=7-", 206, "789"],
    ];
    for (const [range, status, part] of ranges) {
      const answer = await send("GET", `${at}/x?raw`, { headers: { range } });
      expect(answer.status, status, range);
      expect(answer.text, part, range);
    }
    const past = await send("GET", `${at}/x?raw`, { headers: { range: "bytes=10-" } });
    expect(past.status, 416);
    expect(past.headers.get("content-range"), "bytes */10");
  },
  "conditions": async ({ send, at }) => {
    const put = (body: string, headers: Record<string, string>) =>
      send("PUT", `${at}/x`, { body, headers }).then(({ status }) => status);
    expect(await put("one", { "if-none-match": "*" }), 201);
    expect(await put("two", { "if-none-match": "*" }), 412);
    expect(await put("two", { "if-match": '"1"' }), 200);
    expect(await put("lost update", { "if-match": '"1"' }), 412);
    const etag = (await send("GET", `${at}/x`)).headers.get("etag") ?? "";
    const again = await send("GET", `${at}/x`, { headers: { "if-none-match": etag } });
    expect(again.status, 304);
    expect((await send("GET", `${at}/x?v=2`)).status, 304);
    const racers = Array.from({ length: 8 }, (_, i) => put(`racer ${i}`, { "if-match": '"2"' }));
    expect((await Promise.all(racers)).filter((status) => status === 200).length, 1, "winners");
  },
  "metadata": async ({ send, at }) => {
    const headers = { "x-meta-author": "boot", "x-meta-confidence": "0.95", "x-other": "no" };
    await send("PUT", `${at}/x`, { body: "x", headers });
    for (const path of [`${at}/x`, `${at}/x?raw`]) {
      const { headers: back } = await send("HEAD", path);
      expect(back.get("x-meta-author"), "boot");
      expect(back.get("x-meta-confidence"), "0.95");
      expect(back.get("x-other"), null);
    }
    const long = await send("PUT", `${at}/x`, { headers: { "x-meta-a": "x".repeat(1025) } });
    expect(long.status, 400);
    is(long.text.includes("x-meta-a"), "the detail does not name the header");
  },
  "listings": async ({ send, at }) => {
    for (const name of ["a", "b", "b/c"]) await send("PUT", `${at}/${name}`, { body: name });
    expect((await send("GET", `${at}/`)).text, "a\nb\nb/\n");
    const json = await send("GET", `${at}/`, { headers: { accept: "application/json" } });
    expect(array(json.text).length, 2);
    expect((await send("GET", `${at}?raw`)).status, 404, "?raw of a collection has bytes");
  },
  "history": async ({ send, at }) => {
    for (const body of ["one", "two"]) await send("PUT", `${at}/x`, { body });
    const past = await send("GET", `${at}/x?at=1&raw`);
    if (past.status === 410) throw new NotChecked("this server keeps no earlier versions");
    expect(past.text, "one");
    expect((await send("PUT", `${at}/x?from=1`)).status, 200);
    expect((await send("GET", `${at}/x?raw`)).text, "one");
    expect(
      (await send("GET", `${at}/x?at=9`)).status === 200,
      false,
      "a version that does not exist yet was read",
    );
  },
  "events": async ({ send, at }) => {
    await send("PUT", `${at}/x`, { body: "one", headers: { "x-meta-author": "boot" } });
    await send("POST", `${at}/x`, { body: "two" });
    const log = array((await send("GET", `/proc/log${at}/x`)).text).map(asObject);
    expect(log.map(({ type }) => type).join(" "), "stage_appended stage_written");
    const [last, first] = log.map(({ payload }) => asObject(payload));
    expect(last?.body_sha256_after, await sha256("onetwo"));
    expect(JSON.stringify(first?.meta_headers), '[["x-meta-author","boot"]]');
    expect(log[0]?.prev_hmac, log[1]?.hmac);
  },
  "audit": async ({ send, at }) => {
    for (const body of ["one", "two"]) await send("PUT", `${at}/x`, { body });
    const verdict = object((await send("GET", `/proc/audit${at}/x`)).text);
    is(verdict.ok === true && verdict.events === 2, JSON.stringify(verdict));
  },
  "streams": async ({ send, at, options }) => {
    await send("PUT", `${at}/x`, { body: "now" });
    const events = await follow(options, `/stream${at}/x`);
    try {
      is(
        (await events.next()).includes("id: 1"),
        "the stream does not start with the current state",
      );
      await send("PUT", `${at}/x`, { body: "then" });
      const since = performance.now();
      const pushed = await events.next();
      is(pushed.includes("event: update") && pushed.includes('"then"'), pushed);
      return `event ${(performance.now() - since).toFixed(1)} ms after the response`;
    } finally {
      await events.close();
    }
  },
  "tiers": async ({ send, at, options }) => {
    const unknown = await send("PUT", `${at}/x`, { body: "x", as: "not-a-token" });
    expect(unknown.status, 401);
    is(unknown.headers.has("www-authenticate"), "401 without WWW-Authenticate");
    const { tier } = object((await send("GET", "/auth/whoami")).text);
    if (tier === "T2") {
      await send("PUT", `${at}/x`, { body: "x" });
      refused(await send("PUT", `/etc/${options.folder}`, { body: "x" }));
      refused(await send("DELETE", `${at}/x`));
    }
    const open = await send("PUT", `${at}/y`, { body: "x", as: "" });
    if (options.token !== undefined) expect(open.status, 401, "written without a credential");
    refused(await send("GET", "/boot/env", { as: "" }));
  },
  "capabilities": async ({ send, at, options }) => {
    const as = approve(options);
    const query = `prefix=${at}&ttl=60&mode=rw`;
    const minted = object((await send("POST", `/auth/mint?${query}`, { as })).text);
    const token = String(minted.token);
    expect((await send("PUT", `${at}/in`, { as: token, body: "x" })).status, 201);
    expect((await send("PUT", `${at}x`, { as: token, body: "x" })).status, 403);
    expect((await send("PUT", "/etc/boot-test", { as: token, body: "x" })).status, 403);
    const bent = `${token.slice(0, 8)}${token[8] === "A" ? "B" : "A"}${token.slice(9)}`;
    expect((await send("PUT", `${at}/in`, { as: bent, body: "x" })).status, 401, "tampered");
    const less = await narrow(token, `${at}/in|${Math.floor(Date.now() / 1000) + 30}|r`);
    expect(object((await send("GET", "/auth/whoami", { as: less })).text).mode, "r");
    expect((await send("PUT", `${at}/in`, { as: less, body: "x" })).status, 403, "read-only");
    expect((await send("GET", `${at}/in?raw`, { as: less })).text, "x");
  },
  "deletion": async ({ send, at, options }) => {
    const as = approve(options);
    for (const name of ["a", "b/c"]) await send("PUT", `${at}/${name}`, { body: name });
    expect((await send("DELETE", `${at}/a`, { as })).status, 200);
    expect((await send("GET", `${at}/a`)).status, 404);
    const all = object((await send("DELETE", `${at}/`, { as })).text);
    expect(JSON.stringify(all.deleted), JSON.stringify([`${at.slice(1)}/b/c`]));
  },
  "lower layer": async ({ send, options }) => {
    const page = await send("GET", `${DOC}?raw`);
    expect(page.status, 200, "the documents of the lower layer are missing");
    const as = approve(options);
    const rows = array(
      (await send("GET", "/proc/worlds", { as, headers: { accept: "application/json" } })).text,
    );
    const row = rows.map(asObject).find(({ name }) => name === DOC.slice(1));
    if (row?.layer !== "lower") throw new NotChecked("the page is covered by another world");
    const headers = { "if-match": page.headers.get("etag") ?? '""' };
    const cover = await send("PUT", DOC, { as, headers, body: page.bytes });
    expect(cover.status === 200 || cover.status === 201, true, cover.text);
    const etag = cover.headers.get("etag") ?? '""';
    const uncover = await send("DELETE", DOC, { as, headers: { "if-match": etag } });
    expect(uncover.status, 200, uncover.text);
    expect((await send("GET", `${DOC}?raw`)).headers.get("etag"), page.headers.get("etag"));
  },
  "markup": async ({ send, at }) => {
    await send("PUT", `${at}/x?ext=html`, { body: "<script>1</script>" });
    const { headers } = await send("GET", `${at}/x?raw`);
    is(/^sandbox/.test(headers.get("content-security-policy") ?? ""), "HTML is not sandboxed");
    expect(headers.get("x-content-type-options"), "nosniff");
    const foreign = { origin: "https://example.org" };
    expect((await send("PUT", `${at}/x`, { headers: foreign, body: "x" })).status, 403);
  },
  "shell": async ({ send }) => {
    const { text, headers } = await send("GET", "/", { headers: { accept: "text/html" } });
    is(/<html/i.test(text), "a browser gets no HTML at /");
    is(headers.has("content-security-policy"), "the shell has no Content-Security-Policy");
  },
  "proc": async ({ send, at }) => {
    await send("PUT", `${at}/x`, { body: "x" });
    is(Number((await send("GET", "/proc/uptime")).text) > 0, "/proc/uptime is not a number");
    is(
      /^\d+\.\d+\.\d+\S*\n$/.test((await send("GET", "/proc/version")).text),
      "/proc/version is not a version",
    );
    const { text } = await send("GET", `/proc/worlds?prefix=${at}/x`);
    is(namesOf(text).includes(`${at.slice(1)}/x`), "/proc/worlds lacks a world");
  },
  "bin": async ({ send }) => {
    const { text } = await send("GET", "/bin");
    for (const route of ["/home", "/stream", "/proc/status"]) is(text.includes(route), route);
    const version = (await send("GET", "/proc/version")).text;
    expect(
      (await send("GET", "/bin/proc/version")).text,
      version,
      "/bin/proc/version is not an alias of /proc/version",
    );
    for (const folder of ["/dev/", "/mnt/", "/lib/"]) {
      expect((await send("GET", folder)).status, 200, folder);
    }
    return `${text.split("\n").length - 1} routes`;
  },
  "webdav": async ({ send, at }) => {
    const depth = { depth: "1" };
    await send("PUT", `${at}/y`, { body: "so that the collection exists" });
    const { headers } = await send("OPTIONS", `/dav${at}/`);
    is(/\b1\b.*\b2\b/.test(headers.get("dav") ?? ""), "the DAV header lacks 1 or 2");
    expect((await send("PUT", `/dav${at}/x.txt`, { body: "as a file" })).status, 201);
    expect((await send("GET", `${at}/x.txt?raw`)).text, "as a file");
    const found = await send("PROPFIND", `/dav${at}/`, { headers: depth });
    expect(found.status, 207, found.text);
    is(found.text.includes(`/dav${at}/x.txt<`), "PROPFIND does not list the file that was written");
  },
  "plugins": async ({ send, options }) => {
    const as = approve(options);
    const path = `/lib/${options.folder}`;
    const route = `/${options.folder}`;
    const state = (body: string) => send("PUT", `${path}/state`, { as, body });
    const answer = async () => (await send("GET", `${route}/x`)).status;
    const body = `export const description = "self-test"; export const routes = ["${route}"];
      export default { fetch: (request, env) => new Response("as " + env.caller.tier) };`;
    expect((await send("PUT", path, { as, body })).status, 201);
    try {
      expect(await answer(), 404, "the plugin answers without approval");
      const since = performance.now();
      const up = await state("active");
      expect(up.status, 200, up.text);
      const took = (performance.now() - since).toFixed(0);
      is(/^as T[23]$/.test((await send("GET", `${route}/x`)).text), "the plugin does not answer");
      expect((await state("disabled")).status, 200);
      expect(await answer(), 404, "the plugin answers after it was disabled");
      return `active in ${took} ms`;
    } finally {
      await send("DELETE", path, { as });
    }
  },
  "problems": async ({ send, at }) => {
    const missing = await send("GET", `${at}/nothing`);
    expect(missing.status, 404);
    expect(missing.headers.get("content-type"), "application/problem+json");
    const { type, title, status, detail } = object(missing.text);
    is(status === 404 && typeof title === "string" && typeof detail === "string", missing.text);
    expect((await send("GET", String(type))).status, 200, "the page of the problem is missing");
    const locked = await send("PUT", "/proc/version", { body: "x" });
    expect(locked.status, 405);
    is(locked.headers.get("allow")?.includes("GET") === true, "405 without Allow");
    expect((await send("GET", `${at}/${"x".repeat(9000)}`)).status, 414);
  },
};

/**
 * Runs every check.
 *
 * @returns the number of failed checks
 */
export async function selfTest(options: SelfTestOptions): Promise<number> {
  const { base, write } = options;
  const paint = (code: number, text: string) =>
    options.colour ? `\x1b[${code}m${text}\x1b[0m` : text;
  const home = `/home/${options.folder}`;
  const send = sender(options);
  write(`self-test of ${base}`);
  const counts = { ok: 0, failed: 0, missed: 0 };
  let isRefused = false;
  const begun = performance.now();
  for (const [name, check] of Object.entries(CHECKS)) {
    const since = performance.now();
    let verdict = paint(32, "ok");
    let note = "";
    try {
      note = await check({ send, at: `${home}/${name.replaceAll(" ", "-")}`, options }) ?? "";
      counts.ok += 1;
    } catch (error) {
      note = error instanceof Error ? error.message : String(error);
      verdict = error instanceof NotChecked ? paint(33, "not checked") : paint(31, "failed");
      counts[error instanceof NotChecked ? "missed" : "failed"] += 1;
      isRefused = error instanceof CannotWrite;
    }
    const ms = (performance.now() - since).toFixed(0).padStart(5);
    write(`${name.padEnd(16)} ${ms} ms  ${verdict}${note === "" ? "" : `  ${note}`}`);
    if (name === "status" && counts.failed > 0) break; // the server cannot be reached
    if (isRefused) break;
  }
  if (counts.ok > 0 && !isRefused) await cleanUp(send, home, options);
  const took = (performance.now() - begun).toFixed(0);
  const missed = counts.missed > 0 ? `, ${counts.missed} not checked` : "";
  write(
    paint(counts.failed > 0 ? 31 : 32, `${counts.ok} ok, ${counts.failed} failed${missed}`) +
      ` in ${took} ms`,
  );
  return counts.failed;
}

/** Names of the rows of a listing. */
function namesOf(listing: string): string[] {
  return array(listing).map(asObject).map(({ name }) => String(name));
}

/** Deletes the worlds of the test. Without a token that can delete, empties them and reports that. */
async function cleanUp(send: Send, home: string, options: SelfTestOptions): Promise<void> {
  if (options.approveToken !== undefined) {
    const { status } = await send("DELETE", `${home}/`, { as: options.approveToken });
    if (status === 200 || status === 404) return;
  }
  const names = namesOf((await send("GET", "/proc/worlds")).text);
  const left = names.filter((name) => name.startsWith(`${home.slice(1)}/`));
  for (const name of left) {
    await send("PUT", `/${name.split("/").map(encodeURIComponent).join("/")}`, { body: "" });
  }
  options.write(
    `left ${left.length} empty worlds below ${home}/: deleting needs ELASTIK_APPROVE_TOKEN`,
  );
}

function sender({ base, token, approveToken, fetch = globalThis.fetch }: SelfTestOptions): Send {
  return async function send(method, path, { headers, body, as } = {}) {
    const credential = as ?? token ?? approveToken ?? "";
    const what = `${method} ${path.slice(0, 100)}`;
    const response = await inTime(
      what,
      fetch(`${base}${path}`, {
        method,
        headers: {
          accept: "*/*",
          ...(credential === "" ? {} : { authorization: `Bearer ${credential}` }),
          ...headers,
        },
        ...(body === undefined
          ? {}
          : { body: typeof body === "string" ? encoder.encode(body) : body }),
        redirect: "manual",
        signal: AbortSignal.timeout(PATIENCE_MS),
      }),
    );
    const bytes = new Uint8Array(await inTime(what, response.arrayBuffer()));
    const { status } = response;
    return { status, headers: response.headers, bytes, text: new TextDecoder().decode(bytes) };
  };
}

/**
 * Waits for a promise until the deadline. An abort is not sufficient: it does not always end a read
 * of a response (Deno 2.9.6).
 */
async function inTime<T>(what: string, waiting: Promise<T>): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const late = new Error(`${what}: no response within ${PATIENCE_MS / 1000} s`);
  const timer = setTimeout(() => reject(late), PATIENCE_MS);
  try {
    return await Promise.race([waiting, promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** Opens an event stream and reads one event at a time. */
async function follow(
  { base, token, approveToken, fetch = globalThis.fetch }: SelfTestOptions,
  path: string,
) {
  const credential = token ?? approveToken;
  const what = `GET ${path}`;
  const response = await inTime(
    what,
    fetch(`${base}${path}`, {
      headers: credential === undefined ? {} : { authorization: `Bearer ${credential}` },
    }),
  );
  expect(response.status, 200, what);
  const reader = (response.body ?? new ReadableStream()).getReader();
  const decoder = new TextDecoder();
  let text = "";
  const read = async (): Promise<string> => {
    for (;;) {
      const end = text.indexOf("\n\n");
      if (end >= 0) {
        const event = text.slice(0, end);
        text = text.slice(end + 2);
        if (event.includes("data:")) return event;
        continue;
      }
      const { done, value } = await reader.read();
      if (done) throw new Error("the stream ended");
      text += decoder.decode(value, { stream: true });
    }
  };
  return {
    next: () => inTime(what, read()),
    close: () => inTime(what, reader.cancel()),
  };
}

/** Derives a narrower capability without the server. */
async function narrow(token: string, line: string): Promise<string> {
  const [lines = "", signature = ""] = token.split(".");
  const options = { alphabet: "base64url" } as const;
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const secret = Uint8Array.fromBase64(signature, options);
  const key = await crypto.subtle.importKey("raw", secret, algorithm, false, ["sign"]);
  const signed = new Uint8Array(await crypto.subtle.sign("HMAC", key, encoder.encode(line)));
  const text = `${new TextDecoder().decode(Uint8Array.fromBase64(lines, options))}\n${line}`;
  const encode = (bytes: Uint8Array) => bytes.toBase64({ ...options, omitPadding: true });
  return `${encode(encoder.encode(text))}.${encode(signed)}`;
}

function approve({ approveToken }: SelfTestOptions): string {
  if (approveToken === undefined) throw new NotChecked("ELASTIK_APPROVE_TOKEN is needed");
  return approveToken;
}

async function sha256(text: string): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", encoder.encode(text))).toHex();
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

function expect(found: unknown, wanted: unknown, about = ""): void {
  if (found === wanted) return;
  const shown = `found ${JSON.stringify(found)}, expected ${JSON.stringify(wanted)}`;
  throw new Error(`${shown}${about === "" ? "" : `: ${about.trim().slice(0, 300)}`}`);
}

function is(holds: boolean, otherwise: string): void {
  if (!holds) throw new Error(otherwise.trim().slice(0, 300));
}

/** Expects 401 (no credential) or 403 (a credential that is not sufficient). */
function refused({ status, text }: Answer): void {
  is(status === 401 || status === 403, `found ${status}, expected 401 or 403: ${text}`);
}

function asObject(value: unknown): Record<string, unknown> {
  is(typeof value === "object" && value !== null, `not a JSON object: ${JSON.stringify(value)}`);
  return { ...value as object };
}

function object(text: string): Record<string, unknown> {
  return asObject(JSON.parse(text));
}

function array(text: string): unknown[] {
  const value: unknown = JSON.parse(text);
  if (!Array.isArray(value)) throw new Error(`not a JSON array: ${text.slice(0, 100)}`);
  return value;
}

/** Returns an environment variable if it is set, not empty and may be read. */
function variable(name: string): string | undefined {
  const { state } = Deno.permissions.querySync({ name: "env", variable: name });
  return state === "granted" ? Deno.env.get(name) || undefined : undefined;
}

/** Returns the address of the server if neither an argument nor the URL of this file names it. */
function addressInSettings(): string {
  const url = variable("ELASTIK_URL");
  if (url !== undefined) return url;
  const { state } = Deno.permissions.querySync({ name: "env", variable: "ELASTIK_PORT" });
  // A variable that is set but empty takes precedence over the file, as it does for the server.
  const set = state === "granted" ? Deno.env.get("ELASTIK_PORT") : undefined;
  return `http://localhost:${(set ?? portInEnvFile()) || "3005"}`;
}

/** Returns ELASTIK_PORT of `.env` in the working folder; the last line that sets it counts. */
function portInEnvFile(): string | undefined {
  if (Deno.permissions.querySync({ name: "read", path: ".env" }).state !== "granted") return;
  let bytes: Uint8Array;
  try {
    bytes = Deno.readFileSync(".env");
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    throw error;
  }
  // As the server does: UTF-8, or UTF-16 with a byte order mark, which the decoder removes.
  const [first, second] = bytes;
  const label = first === 0xff && second === 0xfe
    ? "utf-16le"
    : first === 0xfe && second === 0xff
    ? "utf-16be"
    : "utf-8";
  const text = new TextDecoder(label).decode(bytes);
  const line =
    /^[ \t]*(?:export[ \t]+)?ELASTIK_PORT[ \t]*=[ \t]*["'`]?(\d{0,5})["'`]?[ \t]*(?:#.*)?\r?$/gm;
  return [...text.matchAll(line)].at(-1)?.[1];
}

if (import.meta.main) {
  const own = /^https?:/.test(import.meta.url) ? new URL(import.meta.url).origin : undefined;
  const failed = await selfTest({
    base: (Deno.args[0] ?? own ?? addressInSettings()).replace(/\/+$/, ""),
    token: variable("ELASTIK_TOKEN"),
    approveToken: variable("ELASTIK_APPROVE_TOKEN"),
    write: (line) => console.log(line),
    colour: Deno.stdout.isTerminal() && !variable("NO_COLOR"),
    folder: `boot-${crypto.randomUUID().slice(0, 8)}`,
  });
  Deno.exit(failed === 0 ? 0 : 1);
}
