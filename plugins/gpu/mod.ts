/**
 * A language model as a device. `POST /dev/gpu` takes text and answers with text; `/dev/gpu/stream`
 * answers with one event per token. `/etc/gpu.conf` names the backend; callers do not need to know
 * the backend. The plugin can reach only that host and read only that host's key. It never stores a
 * prompt or a response, and removes the key from every text of the backend that it passes on.
 * Manual: `/usr/share/doc/gpu.md`.
 */

import { Problem, problemResponse } from "../kit/problem.ts";
import { BackendCall } from "./call.ts";
import { CONFIG_PATH, parseSettings, type Settings } from "./config.ts";
import { readKey, readPrompt, selectModel } from "./prompt.ts";
import { type ModelCall, respondEvents, respondText } from "./respond.ts";
import { backendHeaders, statusResponse, unusableDetail } from "./status.ts";
import { logUsage, type Machine, type UsageRecord } from "./usage_log.ts";

export const description = "a language model as a device: POST text, get text; /stream for events";
export const routes = ["/dev/gpu"];
export const auth = "T2";
export const config = ["/etc/gpu.conf"];
export const grants = { "/var/log/gpu/": "rw" } as const;
/** Seconds; the plugin itself ends a call after 600. */
export const patience = 620;

/** The backend's host, the variable with its key, and why the configuration cannot be used. */
export function permissions({ config }: { config: ConfigTexts }): {
  net?: string[];
  env?: string[];
  fault?: string;
} {
  const { backend, fault } = parseSettings(config[CONFIG_PATH]);
  if (backend === undefined) return fault === undefined ? {} : { fault };
  return { net: [backend.host], env: backend.key === undefined ? [] : [backend.key] };
}

type ConfigTexts = Readonly<Record<string, string | undefined>>;

interface Env {
  readonly caller: { readonly by: string };
  readonly machine: Machine;
  readonly config: ConfigTexts;
  readonly vars: Readonly<Record<string, string | undefined>>;
}

interface Context {
  waitUntil(work: Promise<unknown>): void;
}

export default {
  async fetch(request: Request, env: Env, context: Context): Promise<Response> {
    const settings = parseSettings(env.config[CONFIG_PATH]);
    const headers: Record<string, string> = {};
    try {
      return await respond(request, env, context, settings, headers);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      const accept = request.headers.get("accept");
      return problemResponse(error, accept, request.method === "HEAD", { headers });
    }
  },
};

/** @param headers gets the headers that name the backend, for an error too */
async function respond(
  request: Request,
  env: Env,
  context: Context,
  settings: Settings,
  headers: Record<string, string>,
): Promise<Response> {
  const { pathname, searchParams } = new URL(request.url);
  const path = pathname.replace(/\/$/, "");
  const isStream = path === "/dev/gpu/stream";
  // A capability over /home/x is valid for /dev/gpu/home/x too, so any other path must be refused.
  if (!isStream && path !== "/dev/gpu") {
    const detail = `Cannot find ${pathname}: only /dev/gpu and /dev/gpu/stream exist`;
    throw new Problem("not-found", detail);
  }
  const allow = isStream ? "POST, OPTIONS" : "GET, HEAD, POST, OPTIONS";
  const { method } = request;
  if (method === "OPTIONS") return new Response(null, { status: 204, headers: { allow } });
  if (!isStream && (method === "GET" || method === "HEAD")) {
    return statusResponse(request, settings, env.vars);
  }
  if (method !== "POST") {
    const detail = `Cannot ${method} ${path}: allowed methods are ${allow}`;
    throw new Problem("method-not-allowed", detail, { allow });
  }
  const { backend } = settings;
  if (backend === undefined) {
    // The operator may be writing the configuration now.
    throw new Problem("unavailable", unusableDetail(settings), { "retry-after": "30" });
  }
  const model = selectModel(backend, searchParams.get("model"));
  Object.assign(headers, backendHeaders(backend, model));
  const prompt = await readPrompt(request);
  const call = new BackendCall(backend, readKey(backend, env.vars), request.signal);
  const usage: UsageRecord = {
    route: path,
    backend: backend.scheme,
    model,
    prompt_bytes: new TextEncoder().encode(prompt).length,
    answer_bytes: 0,
    status: 200,
    finish: "incomplete",
  };
  const started = Date.now();
  const onEnd = (): void => {
    const times = { started, firstToken: modelCall.firstToken, ended: Date.now() };
    context.waitUntil(logUsage(env.machine, env.caller.by, usage, times));
  };
  const modelCall: ModelCall = { call, model, prompt, headers, usage, firstToken: 0, onEnd };
  return isStream ? await respondEvents(modelCall) : await respondText(modelCall);
}
