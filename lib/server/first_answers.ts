/**
 * The answers that the page of the shell requests first. They are sent with the page, so that a browser
 * shows the content after one request. Each is exactly what a GET of its path answers to the caller of
 * the page; what is too long or not allowed is left out, and the shell requests it itself.
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
    pathsOf(target.path, target.isCollection).map(async (path) => {
      const url = origin + path;
      const headers = { "accept": "application/json", "prefer": "handling=strict" };
      try {
        const response = await dispatch({
          request: new Request(url, { headers }),
          target: parseTarget(url),
          caller,
          ...(client === undefined ? {} : { client }),
          depth: 1,
        });
        return [path, await readJson(response)] as const;
      } catch {
        return [path, undefined] as const;
      }
    }),
  );
  for (const [path, json] of answers) if (json !== undefined) found.set(path, json);
  return found;
}

function pathsOf(path: string, isCollection: boolean): string[] {
  if (path === "/") return [WHOAMI, ...HOME];
  // The page of a route describes its plugin.
  if (!isInNamespace(path.slice(1))) return [WHOAMI, "/proc/plugins"];
  return [WHOAMI, encodePath(path) + (isCollection ? "/" : "")];
}

async function readJson(response: Response): Promise<string | undefined> {
  const { status, headers } = response;
  const length = Number(headers.get("content-length") ?? Infinity);
  const isJson = headers.get("content-type")?.startsWith("application/json") === true;
  if (status === 200 && isJson && length <= MAX_FIRST_ANSWER_BYTES) return await response.text();
  await response.body?.cancel();
  return undefined;
}
