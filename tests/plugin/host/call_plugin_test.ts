import { equal } from "node:assert/strict";
import { pluginCaller } from "../../../lib/plugin/host/plugin_subrequest.ts";
import { canonicalRequest, subjectOf } from "../../../lib/plugin/host/call_plugin.ts";
import type { Exchange } from "../../../lib/request/request_context.ts";
import { parseTarget } from "../../../lib/http/path.ts";

const CALLER = pluginCaller("p", {});

function exchange(request: Request, target = request.url): Exchange {
  return { request, target: parseTarget(target), caller: CALLER };
}

Deno.test("subjectOf() is the world or mount that a route's rest names, and the path itself otherwise", () => {
  equal(subjectOf("/shaped/home/x", "/shaped"), "/home/x");
  equal(subjectOf("/shaped/home", "/shaped"), "/home");
  equal(subjectOf("/shaped/mnt/work/x", "/shaped"), "/mnt/work/x");
  equal(subjectOf("/dev/gpu/etc/x", "/dev/gpu"), "/etc/x");
  for (
    const path of ["/shaped", "/shaped/homer", "/shaped/mntx", "/shaped/proc/x", "/shaped/lib2/x"]
  ) {
    equal(subjectOf(path, "/shaped"), path);
  }
  equal(subjectOf("/nothing/home/x", ""), "/nothing/home/x");
});

Deno.test("canonicalRequest() leaves a request alone that is spelt as it was matched", () => {
  const request = new Request("http://localhost:1/p/a%20b/?x=%2f");
  equal(canonicalRequest(exchange(request)), request);
});

Deno.test("canonicalRequest() respells what was matched by another spelling, with all it carried", async () => {
  const rows: [given: string, matched: string, becomes: string][] = [
    ["http://localhost:1/bin/p/x?y", "http://localhost:1/p/x?y", "http://localhost:1/p/x?y"],
    ["http://localhost:1/p/%78", "http://localhost:1/p/%78", "http://localhost:1/p/x"],
    ["http://localhost:1/p/e%CC%81", "http://localhost:1/p/e%CC%81", "http://localhost:1/p/%C3%A9"],
  ];
  for (const [given, matched, becomes] of rows) {
    const request = new Request(given, { method: "PUT", body: "sent", headers: { "x-a": "1" } });
    const found = canonicalRequest(exchange(request, matched));
    equal(found.url, becomes);
    equal(found.method, "PUT");
    equal(found.headers.get("x-a"), "1");
    equal(await found.text(), "sent");
  }
});

Deno.test("canonicalRequest() stands in for a Host that makes no URL, whatever came before it", () => {
  const named = (url: string): Request =>
    Object.defineProperty(new Request("http://localhost:1/"), "url", { value: url });
  for (let turn = 0; turn < 2; turn++) {
    const good = named("http://localhost:1/p/x");
    equal(canonicalRequest(exchange(good)), good);
    for (const host of ["1.2.3.4.5", "localhost:1:2", "local host", "[::"]) {
      const bad = named(`http://${host}/p/x?y`);
      equal(canonicalRequest(exchange(bad)).url, "http://machine/p/x?y");
    }
  }
});
