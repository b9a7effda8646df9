/**
 * Ports for servers that cannot report their port. Tests that listen on port 0 do not need them.
 *
 * Such a server listens some time after the test has chosen its port, and again after the test has ended
 * it. In that time the system must not give the port away. So it is outside of the range from which the
 * system takes ports for port 0 and for connections, and all tests of a user count in one file: each port
 * is given once until all have been given.
 */

import { tmpdir } from "node:os";

/** The first port that is given. Documents name ports below it, where nothing must listen. */
const FIRST = 20_000;
/** Fewer ports than this are not enough for all tests that run at the same time. */
const LEAST_PORTS = 2_000;
const MAX_PORT = 65_535;
/** The file with the port that is given next. */
const COUNTER = `${tmpdir()}/.elastik-test-ports-${Deno.uid() ?? ""}`;
/** The range from which Linux takes ports. */
const SYSTEM_RANGE = "/proc/sys/net/ipv4/ip_local_port_range";

/** Returns a port of loopback that is free, and that no other test and no connection gets. */
export function freePort(): number {
  return freePorts(1);
}

/**
 * Returns the first of some ports in a row, all as by {@link freePort}.
 *
 * @param count number of ports
 */
export function freePorts(count: number): number {
  const range = readRange();
  if (range === undefined) return findAnywhere(count);
  for (;;) {
    const first = takeNext(range, count);
    if (areFree(first, count)) return first;
  }
}

/** Ports that the system gives to no program; undefined if there are too few, or it does not tell which. */
function readRange(): { readonly from: number; readonly to: number } | undefined {
  const { low, high } = readSystemRange() ?? {};
  if (low === undefined || high === undefined) return undefined;
  if (low - FIRST >= LEAST_PORTS) return { from: FIRST, to: low - 1 };
  return MAX_PORT - high >= LEAST_PORTS ? { from: high + 1, to: MAX_PORT } : undefined;
}

/**
 * Reads from which range the system takes ports.
 *
 * @returns undefined on other systems than Linux, and in a sandbox that does not show it
 */
export function readSystemRange(): { readonly low: number; readonly high: number } | undefined {
  try {
    const found = /^(\d+)\s+(\d+)$/.exec(Deno.readTextFileSync(SYSTEM_RANGE).trim());
    return found === null ? undefined : { low: Number(found[1]), high: Number(found[2]) };
  } catch {
    return undefined; // there is no such file, or it cannot be read
  }
}

/** Counts on, while no other test does. */
function takeNext({ from, to }: { readonly from: number; readonly to: number }, count: number) {
  using file = Deno.openSync(COUNTER, { read: true, write: true, create: true });
  file.lockSync(true);
  const buffer = new Uint8Array(16);
  const length = file.readSync(buffer) ?? 0;
  const next = Number(new TextDecoder().decode(buffer.subarray(0, length)));
  // Without a number, or at the end of the range, it begins anywhere.
  const isInRange = next >= from && next + count - 1 <= to;
  const first = isInRange ? next : from + Math.floor(Math.random() * (to - from - count));
  file.truncateSync();
  file.seekSync(0, Deno.SeekMode.Start);
  file.writeSync(new TextEncoder().encode(`${first + count}`));
  return first;
}

/** Ports that are free now. The system can give them to another program at any time. */
function findAnywhere(count: number): number {
  for (;;) {
    const listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
    const { port } = listener.addr;
    listener.close();
    if (port + count - 1 <= MAX_PORT && areFree(port, count)) return port;
  }
}

function areFree(first: number, count: number): boolean {
  try {
    for (let port = first; port < first + count; port++) {
      Deno.listen({ port, hostname: "127.0.0.1" }).close();
    }
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.AddrInUse) return false;
    throw error;
  }
}
