/**
 * The answers that the page of the shell requests first. They are sent with the page, so that a browser
 * shows the content after one request. Each is exactly what the request answers to the caller of the
 * page: the JSON of a GET, and the `Allow` of OPTIONS. What is too long or not allowed is left out, and
 * the shell requests it itself.
 */

import { encodePath, parseTarget } from "../http/path.ts";
import { MAX_FIRST_ANSWER_BYTES } from "../limits.ts";
import type { RequestContext } from "../request/request_context.ts";
import type { FirstAnswers } from "../response/shell_page.ts";
import { isInNamespace } from "../world/name.ts";

const WHOAMI = "/auth/whoami";
/** `home` is the level of the tree that is open at first. */
const HOME = [
  "/proc/log/?limit=24",
  "/proc/plugins",
  "/mnt/",
  "/proc/status",
  "/home/?limit=51",
  "OPTIONS /home/new",
];

/**
 * Collects the answers.
 *
 * @param context the request of the page
 * @param dispatch answers a request without the gate; may throw
 */
export async function collectFirstAnswers(
  context: RequestContext,
  dispatch: (context: RequestContext) => Response | Promise<Response>,
): Promise<FirstAnswers> {
  const { request, target, caller, client } = context;
  const found = new Map<string, string>();
  if (target.query !== "") return found;
  const { origin } = new URL(request.url);
  const answers = await Promise.all(
    requestsOf(target.path, target.isCollection).map(async (key) => {
      const [path = "", method = "GET"] = key.split(" ").reverse();
      const url = origin + path;
      const headers = { "accept": "application/json", "prefer": "handling=strict" };
      try {
        const response = await dispatch({
          request: new Request(url, { method, headers }),
          target: parseTarget(url),
          caller,
          ...(client === undefined ? {} : { client }),
          depth: 1,
        });
        return [key, await readAnswer(method, response)] as const;
      } catch {
        return [key, undefined] as const;
      }
    }),
  );
  for (const [key, json] of answers) if (json !== undefined) found.set(key, json);
  return found;
}

/** The requests: an encoded path for GET, or a method, a space and an encoded path. */
function requestsOf(path: string, isCollection: boolean): string[] {
  if (path === "/") return [WHOAMI, ...HOME];
  // The page of a route describes its plugin.
  if (!isInNamespace(path.slice(1))) return [WHOAMI, "/proc/plugins"];
  const encoded = encodePath(path);
  // Whether the caller may write below a collection is asked for the path of a child.
  return isCollection
    ? [WHOAMI, `${encoded}/`, `OPTIONS ${encoded}/new`]
    : [WHOAMI, encoded, `OPTIONS ${encoded}`];
}

async function readAnswer(method: string, response: Response): Promise<string | undefined> {
  if (method === "GET") return await readJson(response);
  const allow = response.ok ? response.headers.get("allow") : null;
  await response.body?.cancel();
  return allow === null ? undefined : JSON.stringify(allow);
}

async function readJson(response: Response): Promise<string | undefined> {
  const { status, headers } = response;
  const length = Number(headers.get("content-length") ?? Infinity);
  const isJson = headers.get("content-type")?.startsWith("application/json") === true;
  if (status === 200 && isJson && length <= MAX_FIRST_ANSWER_BYTES) return await response.text();
  await response.body?.cancel();
  return undefined;
}
