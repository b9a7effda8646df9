/**
 * The reference for `cell_bench.ts`: a server that passes each request to a Worker of its own process
 * with one message each way and without any check. The Worker answers as the example plugin does.
 * Argument: the port.
 */

const WORKER = `
onmessage = async ({ data: { id, method, url, headers, body } }) => {
  const request = new Request(url, { method, headers, body });
  const echo = await request.text();
  const response = Response.json({ hello: "from example plugin", echo });
  postMessage({
    id,
    status: response.status,
    headers: [...response.headers],
    body: new Uint8Array(await response.arrayBuffer()),
  });
};`;

const worker = new Worker(`data:text/javascript,${encodeURIComponent(WORKER)}`, {
  type: "module",
  deno: { permissions: "none" },
});
const waiting = new Map<number, (response: Response) => void>();
let next = 0;

worker.onmessage = ({ data: { id, status, headers, body } }) => {
  waiting.get(id)?.(new Response(body, { status, headers }));
  waiting.delete(id);
};

async function answer(request: Request): Promise<Response> {
  const { method, url } = request;
  const body = request.body === null ? undefined : await request.bytes();
  const { promise, resolve } = Promise.withResolvers<Response>();
  const id = next++;
  waiting.set(id, resolve);
  worker.postMessage({ id, method, url, headers: [...request.headers], body });
  return await promise;
}

Deno.serve({ port: Number(Deno.args[0]), hostname: "127.0.0.1", onListen() {} }, answer);
