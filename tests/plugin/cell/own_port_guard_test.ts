import { assertEquals } from "../../support/assert.ts";
import { ownPortFault } from "../../../lib/plugin/cell/own_port_guard.ts";

const PORT = 3005;

function refused(hosts: readonly string[], own = "127.0.0.1"): string[] {
  return hosts.filter((host) => ownPortFault(host, PORT, own) !== undefined);
}

Deno.test("ownPortFault() refuses every spelling of this host with the server's port or without a port", () => {
  const here = [
    "localhost",
    "localhost:3005",
    "a.localhost:3005",
    "127.0.0.1",
    "127.0.0.1:3005",
    "127.9.9.9:3005",
    "0.0.0.0:3005",
    "[::1]",
    "[::1]:3005",
    "[::]:3005",
    "[::ffff:127.0.0.1]:3005",
  ];
  assertEquals(refused(here), here);
});

Deno.test("ownPortFault() accepts other ports of this host and other hosts", () => {
  assertEquals(refused(["localhost:11434", "127.0.0.1:80", "[::1]:8080", "api.example.com"]), []);
  assertEquals(refused(["10.0.0.5:3005", "example.com:3005"]), []);
});

Deno.test("ownPortFault() refuses the address on which the server listens", () => {
  assertEquals(refused(["10.0.0.5", "10.0.0.5:3005", "10.0.0.5:80"], "10.0.0.5"), [
    "10.0.0.5",
    "10.0.0.5:3005",
  ]);
});
