/**
 * Entry point of the store Workers, which do all disk work of the store. It connects the Worker's
 * message port to `serveStore` and must contain nothing else.
 */

import type { StorePort } from "../store/worker_messages.ts";
import { serveStore } from "./worker_server.ts";

const scope: unknown = globalThis;
if (isPort(scope)) serveStore(scope);

function isPort(value: unknown): value is StorePort {
  return typeof value === "object" && value !== null && "postMessage" in value;
}
