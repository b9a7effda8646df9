/**
 * Representations written by a model. `/shaped/<path>` reads a world or a mounted file with the
 * authority of the caller, has the model behind `/dev/gpu` rewrite it for the reader, and checks the
 * output. `Accept` determines the media type, the intent only the text. The authority of the caller
 * is checked before the cache is used. Nothing in a source or in the output is executed.
 * `/usr/share/doc/shaped.md` is the manual.
 */

import { Problem, problemResponse } from "../kit/problem.ts";
import { assertSameOrigin, isNavigation, shellResponse } from "./browser.ts";
import { Budget } from "./budget.ts";
import { ShapeCache } from "./cache.ts";
import type { Env } from "./env.ts";
import { parseIntent } from "./intent.ts";
import { ModelLookup } from "./model.ts";
import { negotiateFormat } from "./negotiate_format.ts";
import { PROMPT_REVISION } from "./prompt.ts";
import { serveShape } from "./serve_shape.ts";
import { CONFIG_PATH, parseSettings } from "./settings.ts";
import { VARY } from "./shape.ts";
import type { PluginState } from "./shape_request.ts";
import { parseSourcePath } from "./source.ts";

export const description =
  "a world rewritten by a model for its reader: media type by Accept, words by intent";
export const routes = ["/shaped"];
export const auth = "T2";
/** The path after the route names what is read, and it is read with the rights of the caller. */
export const subject = true;
/** Seconds without a response head. A model on a small computer is slow; `timeout` can be shorter. */
export const patience = 300;
/** The second one decides which model writes, so that a request after its change waits for it. */
export const config = ["/etc/semantic.conf", "/etc/gpu.conf"];
export const grants = {
  "/dev/gpu/": "rw",
  "/var/cache/semantic/": "rw",
  // Its version is part of the key of a shape.
  "/etc/gpu.conf": "r",
} as const;
/** None. A configuration that cannot be parsed is refused here, at activation. */
export const permissions = ({ config }: Pick<Env, "config">): Record<string, never> => {
  parseSettings(config[CONFIG_PATH]);
  return {};
};

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const url = new URL(request.url);
    const query = url.search === "" ? null : url.searchParams.get("accept");
    const accept = query ?? request.headers.get("accept");
    try {
      return await respond(request, env, url, accept);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      return problemResponse(error, accept, request.method === "HEAD", {
        headers: {
          "vary": VARY,
          "x-semantic-cache": "none",
          "x-semantic-render": PROMPT_REVISION,
        },
        textTypes: ["text/event-stream"],
      });
    }
  },
};

const ALLOW = { "allow": "GET, HEAD, OPTIONS" };

async function respond(
  request: Request,
  env: Env,
  url: URL,
  accept: string | null,
): Promise<Response> {
  const { method, headers } = request;
  if (method === "OPTIONS") return new Response(null, { status: 204, headers: ALLOW });
  if (method !== "GET" && method !== "HEAD") {
    throw new Problem(
      "method-not-allowed",
      `Cannot ${method} ${url.pathname}: a shape is read-only; write its source instead`,
      ALLOW,
    );
  }
  if (isNavigation(headers)) return shellResponse();
  assertSameOrigin(headers);
  const path = parseSourcePath(url.pathname);
  return await serveShape({
    ...negotiateFormat(accept),
    path,
    intent: parseIntent({
      header: headers.get("x-semantic-intent"),
      query: url.search === "" ? null : url.searchParams.get("intent"),
      userAgent: headers.get("user-agent"),
    }),
    request,
    env,
    state: stateOf(env),
  });
}

let pluginState: PluginState | undefined;

/** Returns the state of this process, which the first request creates. */
function stateOf({ config }: Env): PluginState {
  if (pluginState === undefined) {
    const settings = parseSettings(config[CONFIG_PATH]);
    pluginState = {
      settings,
      cache: new ShapeCache(settings.cache),
      budget: new Budget(settings.budget),
      models: new ModelLookup(),
      generations: new Map(),
    };
  }
  return pluginState;
}
