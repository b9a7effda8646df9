/** Requests for shapes, as the unit tests make them. Not a test itself. */

import { Budget } from "../../../plugins/semantic/budget.ts";
import { ShapeCache } from "../../../plugins/semantic/cache.ts";
import { ModelLookup } from "../../../plugins/semantic/model.ts";
import { negotiateFormat } from "../../../plugins/semantic/negotiate_format.ts";
import { parseSettings } from "../../../plugins/semantic/settings.ts";
import type { PluginState, ShapeRequest } from "../../../plugins/semantic/shape_request.ts";
import type { FakeServer } from "./fake_server.ts";

/** The state of a process with this configuration. */
export function stateOf(config = ""): PluginState {
  const settings = parseSettings(config);
  return {
    settings,
    cache: new ShapeCache(settings.cache),
    budget: new Budget(settings.budget),
    models: new ModelLookup(),
    generations: new Map(),
  };
}

/** How a request differs from a GET of /home/x as text/plain. */
export interface RequestOptions {
  readonly accept?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly intent?: string;
  readonly method?: string;
  readonly path?: string;
  readonly signal?: AbortSignal;
  readonly state?: PluginState;
}

/** A request for a shape. */
export function shapeRequest(server: FakeServer, options: RequestOptions = {}): ShapeRequest {
  const { accept = "text/plain", headers = {}, method = "GET", path = "/home/x" } = options;
  const request = new Request(`http://localhost/shaped${path}`, {
    method,
    headers: { ...headers, accept },
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
  return {
    ...negotiateFormat(accept),
    request,
    env: server.env(),
    path,
    intent: options.intent ?? "for me",
    state: options.state ?? stateOf(),
  };
}
