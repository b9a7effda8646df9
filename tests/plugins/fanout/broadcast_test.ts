import { assertEquals } from "../../support/assert.ts";
import { broadcast, statusOf } from "../../../plugins/fanout/broadcast.ts";

const NOTHING = new Uint8Array();
const QUERY = new URLSearchParams();

Deno.test("broadcast() sends the method, the passed headers and the body to every target", async () => {
  const sent: [path: string, headers: string][] = [];
  const headers = new Headers({ "content-type": "text/csv", "x-meta-by": "me", "x-other": "no" });
  const results = await broadcast(
    { method: "PUT", headers },
    new Uint8Array([1]),
    [{ line: 1, path: "/home/a b" }, { line: 2, path: "/home/c" }],
    new URLSearchParams("ext=md"),
    (path, init) => {
      sent.push([path, [...new Headers(init?.headers)].map(([name]) => name).join()]);
      return Promise.resolve(Response.json({ version: 3 }, { status: 201 }));
    },
  );
  const passed = "accept,content-type,x-meta-by";
  assertEquals(sent, [["/home/a%20b?ext=md", passed], ["/home/c?ext=md", passed]]);
  assertEquals(results, [
    { target: "/home/a b", status: 201, version: 3 },
    { target: "/home/c", status: 201, version: 3 },
  ]);
});

Deno.test("broadcast() reports faults, refusals and failed writes in the order of the targets", async () => {
  const results = await broadcast(
    { method: "POST", headers: new Headers() },
    NOTHING,
    [
      { line: 1, path: "/dev/x", fault: "only worlds can be targets" },
      { line: 2, path: "/home/refused" },
      { line: 3, path: "/home/failed" },
    ],
    QUERY,
    (path) =>
      path === "/home/failed"
        ? Promise.reject(new Error("connection closed"))
        : Promise.resolve(Response.json({ detail: "Cannot write it" }, { status: 403 })),
  );
  assertEquals(results, [
    {
      target: "/dev/x",
      status: 400,
      detail: "/etc/fanout.conf line 1: only worlds can be targets",
    },
    { target: "/home/refused", status: 403, detail: "Cannot write it" },
    {
      target: "/home/failed",
      status: 502,
      detail: "Cannot confirm the write: connection closed; it may have happened",
    },
  ]);
});

Deno.test("broadcast() writes at most 8 targets at a time", async () => {
  let running = 0;
  let most = 0;
  await broadcast(
    { method: "PUT", headers: new Headers() },
    NOTHING,
    Array.from({ length: 30 }, (_, line) => ({ line, path: `/home/${line}` })),
    QUERY,
    async () => {
      most = Math.max(most, ++running);
      await Promise.resolve();
      running--;
      return new Response("{}");
    },
  );
  assertEquals(most, 8);
});

Deno.test("statusOf() is 200 for success, the common status of all failures, else 207", () => {
  const status = (...codes: number[]) =>
    statusOf(codes.map((status) => ({ target: "/home/x", status })));
  assertEquals(status(200, 201), 200);
  assertEquals(status(403, 403), 403);
  assertEquals(status(403, 404), 207);
  assertEquals(status(200, 403), 207);
});
