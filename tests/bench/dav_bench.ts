/**
 * WebDAV compared with the plain routes of worlds on the same server, and with rclone's WebDAV server
 * over a folder of files. rclone does not flush to the disk (no fsync); every PUT of this server does.
 * Needs `wrk` and `rclone` (Debian's packages).
 */

import { load } from "./load.ts";
import { type Server, startServer } from "./process.ts";
import { median, report } from "./report.ts";
import { freePort } from "../support/free_port.ts";

const ROUNDS = 3;
const CHILDREN = 1000;
const SMALL = 200;
/** Number of names for small PUTs: rclone refuses two simultaneous writes to one name. */
const NAMES = 200;
const LARGE = 4_000_000;
const TOKEN = "bench-approve-token";
const AUTHORIZATION = `Bearer ${TOKEN}`;

/** A collection that accepts PUT and GET. */
interface Target {
  readonly name: string;
  /** URL of the collection, with a slash at the end. */
  readonly url: string;
}

/** Lua for wrk: sends a method with a body of this many bytes to this many names in turn. */
function script(method: string, bytes: number, names: number): string {
  return `wrk.method = "${method}"
wrk.headers["Authorization"] = "${AUTHORIZATION}"
wrk.headers["Depth"] = "1"
${bytes > 0 ? `wrk.body = string.rep("A", ${bytes})` : ""}
local n = 0
request = function()
  n = (n + 1) % ${names}
  return wrk.format(nil, wrk.path .. ${names > 1 ? "n" : '""'})
end`;
}

/** Starts rclone's server over a folder. */
async function startRclone(folder: string): Promise<Target & AsyncDisposable> {
  const port = freePort();
  const child = new Deno.Command("rclone", {
    args: ["--config", `${folder}/none`, "serve", "webdav", folder, "--addr", `127.0.0.1:${port}`],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  const url = `http://127.0.0.1:${port}/`;
  for (let tries = 0; tries < 500; tries++) {
    try {
      await (await fetch(url)).body?.cancel();
      break;
    } catch {
      // No server listens yet; the next request tries again.
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
  return {
    name: "rclone",
    url,
    async [Symbol.asyncDispose]() {
      child.kill();
      await child.status;
    },
  };
}

async function send(method: string, url: string, body?: string): Promise<void> {
  const answer = await fetch(url, {
    method,
    headers: { authorization: AUTHORIZATION },
    ...(body === undefined ? {} : { body }),
  });
  await answer.body?.cancel();
  if (!answer.ok && answer.status !== 405) throw new Error(`${method} ${url}: ${answer.status}`);
}

async function prepare({ url }: Target): Promise<void> {
  await send("MKCOL", `${url}many/`).catch((error: Error) => {
    // The plain routes have no MKCOL: a PUT creates the collections above its world.
    if (!/ 405$/.test(error.message)) throw error;
  });
  for (let at = 0; at < CHILDREN; at += 20) {
    await Promise.all(
      Array.from(
        { length: 20 },
        (_, i) => send("PUT", `${url}many/f${at + i}.txt`, "x".repeat(SMALL)),
      ),
    );
  }
  await send("PUT", `${url}small`, "A".repeat(SMALL));
  await send("PUT", `${url}large`, "A".repeat(LARGE));
}

async function measure(
  what: string,
  targets: readonly Target[],
  run: (target: Target) => Promise<number>,
) {
  const found = new Map<string, number[]>(targets.map(({ name }) => [name, []]));
  // In turn, so that other load on the computer affects all of them in the same way.
  for (let round = 0; round < ROUNDS; round++) {
    for (const target of targets) found.get(target.name)?.push(await run(target));
  }
  const dav = median(found.get("dav") ?? []);
  for (const [name, values] of found) {
    if (name === "dav") continue;
    report({
      what: `${what}, compared with ${name}`,
      found: dav,
      unit: "req/s",
      limit: median(values),
    });
  }
}

async function rate(url: string, lua: string, connections: number): Promise<number> {
  const { perSecond, errors } = await load(url, { connections, seconds: 2, script: lua });
  // rclone sometimes fails a write during another write to the same name.
  if (errors > Math.max(4, perSecond / 50)) throw new Error(`${url}: ${errors} answers failed`);
  return perSecond;
}

if (import.meta.main) {
  const data = Deno.makeTempDirSync();
  const files = Deno.makeTempDirSync();
  try {
    await using server: Server = await startServer(data, { ELASTIK_APPROVE_TOKEN: TOKEN });
    await using rclone = await startRclone(files);
    const dav = { name: "dav", url: `${server.url}/dav/home/` };
    const plain = { name: "plain", url: `${server.url}/home/` };
    for (const target of [dav, rclone]) await prepare(target);
    const propfind = (bare: string) => ({ url }: Target) => rate(`${url}many/`, bare, 8);
    await measure(`PROPFIND 1 of ${CHILDREN}`, [dav, rclone], propfind(script("PROPFIND", 0, 1)));
    await measure(`listing of ${CHILDREN} (plain: GET as JSON)`, [dav, plain], (target) =>
      rate(
        `${target.url}many/`,
        target === dav
          ? script("PROPFIND", 0, 1)
          : script("GET", 0, 1) + '\nwrk.headers["Accept"] = "application/json"',
        8,
      ));
    const all = [dav, plain, rclone];
    const raw = ({ name }: Target) => name === "plain" ? "?raw" : "";
    await measure(
      `GET ${SMALL} B`,
      all,
      (target) => rate(`${target.url}small${raw(target)}`, script("GET", 0, 1), 32),
    );
    await measure(
      `GET ${LARGE / 1e6} MB`,
      all,
      (target) => rate(`${target.url}large${raw(target)}`, script("GET", 0, 1), 8),
    );
    await measure(
      `PUT ${SMALL} B`,
      all,
      (target) => rate(`${target.url}put-`, script("PUT", SMALL, NAMES), 32),
    );
    await measure(
      `PUT ${LARGE / 1e6} MB`,
      all,
      (target) => rate(`${target.url}big-`, script("PUT", LARGE, 16), 4),
    );
  } finally {
    await Deno.remove(data, { recursive: true });
    await Deno.remove(files, { recursive: true });
  }
}
