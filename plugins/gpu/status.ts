/**
 * `GET /dev/gpu`: which backend is configured, as text or JSON.
 */

import { chooseType } from "../kit/accept.ts";
import { CONFIG_PATH, type Settings } from "./config.ts";
import type { Backend } from "./backend.ts";

type Variables = Readonly<Record<string, string | undefined>>;

/** The response to a GET or HEAD of the device. */
export function statusResponse(
  { method, headers }: Request,
  settings: Settings,
  vars: Variables,
): Response {
  const { backend } = settings;
  const isJson = chooseType(headers.get("accept"), ["text/plain", "application/json"]) ===
    "application/json";
  const body = isJson ? formatStatusJson(backend) : formatStatusText(settings, vars);
  return new Response(method === "HEAD" ? null : `${body}\n`, {
    headers: {
      "content-type": isJson ? "application/json" : "text/plain; charset=utf-8",
      "cache-control": "no-store",
      "vary": "Accept",
      ...(backend === undefined ? {} : backendHeaders(backend, backend.model)),
    },
  });
}

/** The headers that name the backend of a response. */
export function backendHeaders(
  { scheme, isLocal }: Pick<Backend, "scheme" | "isLocal">,
  model: string,
): Record<string, string> {
  return { "x-gpu-backend": scheme, "x-gpu-model": model, "x-gpu-local": String(isLocal) };
}

/** Why the device cannot answer. */
export function unusableDetail({ fault }: Settings): string {
  const [found, hint] = fault === undefined
    ? ["no backend is configured", "with a line such as ollama://localhost:11434"]
    : [fault, "with a corrected line"];
  return `Cannot answer: ${found}; PUT ${CONFIG_PATH} ${hint}, as T3`;
}

function formatStatusJson(backend: Backend | undefined): string {
  return JSON.stringify({
    backend: backend?.scheme ?? null,
    model: backend?.model ?? null,
    local: backend?.isLocal ?? false,
    configured: backend !== undefined,
  });
}

function formatStatusText(settings: Settings, vars: Variables): string {
  const { backend } = settings;
  if (backend === undefined) return unusableDetail(settings);
  const { scheme, model, isLocal, key } = backend;
  const location = isLocal ? "on this computer" : "over the network";
  const isUnset = key !== undefined && (vars[key] ?? "").trim() === "";
  return `${scheme} ${model}, ${location}${isUnset ? `; ${key} is not set` : ""}`;
}
