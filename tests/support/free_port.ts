/**
 * Returns a port of loopback that is free now. Another process can take it before the test does, so a
 * server that can report its port should use port 0.
 */
export function freePort(): number {
  using listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
  return listener.addr.port;
}
