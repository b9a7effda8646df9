/**
 * Entry of the Workers the store does its disk work in. It joins the Worker's own port to
 * `serveStore` and holds nothing else.
 */

import { serveStore, type StorePort } from "./worker_server.ts";

const scope: unknown = globalThis;
if (isPort(scope)) serveStore(scope);

function isPort(value: unknown): value is StorePort {
  return typeof value === "object" && value !== null && "postMessage" in value;
}
