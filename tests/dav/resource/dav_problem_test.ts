import { davErrorResponse, DavProblem, toHref } from "../../../lib/dav/resource/dav_problem.ts";
import { assertEquals } from "../../support/assert.ts";

Deno.test("toHref() encodes a path below /dav, with a slash after a collection", () => {
  assertEquals(toHref("/", true), "/dav/");
  assertEquals(toHref("/home/a.txt", false), "/dav/home/a.txt");
  assertEquals(toHref("/home/a", true), "/dav/home/a/");
  assertEquals(toHref("/home/a b&é", false), "/dav/home/a%20b%26%C3%A9");
});

Deno.test("davErrorResponse() sends the condition, its resources and the detail as DAV:error", async () => {
  const problem = new DavProblem(
    "locked",
    "lock-token-submitted",
    "Cannot write /home/a<b: locked",
    [
      "/home/a<b",
    ],
  );
  const response = davErrorResponse(problem);
  assertEquals(response.status, 423);
  assertEquals(response.headers.get("content-type"), "application/xml; charset=utf-8");
  assertEquals(response.headers.get("cache-control"), "no-store");
  assertEquals(
    await response.text(),
    '<?xml version="1.0" encoding="utf-8"?>\n<D:error xmlns:D="DAV:"><D:lock-token-submitted>' +
      "<D:href>/dav/home/a%3Cb</D:href></D:lock-token-submitted>" +
      "<D:responsedescription>Cannot write /home/a&lt;b: locked</D:responsedescription></D:error>\n",
  );
});
