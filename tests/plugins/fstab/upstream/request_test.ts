import { assertEquals, assertRejects, assertStrictEquals } from "../../../support/assert.ts";
import { fetchBelow, isBelow, upstreamUrl } from "../../../../plugins/fstab/upstream/request.ts";

const BASE = new URL("https://h.example/v1");

Deno.test("upstreamUrl() appends the encoded segments and the query", () => {
  const rows: readonly (readonly [segments: string[], search: string, url: string])[] = [
    [[], "", "https://h.example/v1"],
    [["a b", "ü%"], "", "https://h.example/v1/a%20b/%C3%BC%25"],
    [["u@x:y+z,=$&"], "", "https://h.example/v1/u@x:y+z,=$&"],
    [["%2e%2e", "x"], "", "https://h.example/v1/%252e%252e/x"],
    [["a?b#c"], "", "https://h.example/v1/a%3Fb%23c"],
    [["x"], "?a=%2F&raw&b=c%20d", "https://h.example/v1/x?a=%2F&b=c%20d"],
    [["x"], "?raw", "https://h.example/v1/x"],
  ];
  for (const [segments, search, url] of rows) {
    assertStrictEquals(upstreamUrl(BASE, segments, false, search).href, url);
  }
  assertEquals(upstreamUrl(BASE, ["a"], true, "").href, "https://h.example/v1/a/");
  assertEquals(upstreamUrl(new URL("https://h.example"), [], false, "").href, "https://h.example/");
});

Deno.test("isBelow() is true only at or below the mounted URL, however the path is read", () => {
  const rows: readonly (readonly [location: string, below: boolean])[] = [
    ["/v1", true],
    ["/v1/x?y", true],
    ["/v1x", false],
    ["/v2/x", false],
    ["/v1/../v2", false],
    ["/v1/%2e%2e/v2", false],
    ["/v1/..%2fv2", false],
    ["/v1/..%5cv2", false],
    ["/v1/..;/v2", false],
    ["http://h.example/v1/x", false],
    ["https://h.example:444/v1/x", false],
    ["https://other.example/v1/x", false],
    ["https://u:p@h.example/v1/x", false],
    ["file:///v1/x", false],
  ];
  for (const [location, below] of rows) {
    assertStrictEquals(isBelow(new URL(location, BASE), BASE), below, location);
  }
  assertEquals(isBelow(new URL("https://h.example/a%2fb"), new URL("https://h.example/")), true);
});

/** Follows redirects of a server that answers with these locations in turn. */
async function follow(
  ...locations: (string | null)[]
): Promise<{ response: Response; urls: string[] }> {
  const urls: string[] = [];
  const original = globalThis.fetch;
  globalThis.fetch = (input) => {
    urls.push(String(input));
    const location = locations.shift();
    if (location === undefined) return Promise.resolve(new Response("end"));
    const headers: HeadersInit = location === null ? {} : { location };
    return Promise.resolve(new Response(null, { status: 302, headers }));
  };
  try {
    const init = { headers: new Headers(), signal: new AbortController().signal };
    const response = await fetchBelow(new URL("/v1/start", BASE), BASE, init, "/mnt/api/start");
    return { response, urls };
  } finally {
    globalThis.fetch = original;
  }
}

Deno.test("fetchBelow() follows redirects inside the mount", async () => {
  const { response, urls } = await follow("next", "/v1/end");
  assertEquals(await response.text(), "end");
  assertEquals(
    urls,
    ["/v1/start", "/v1/next", "/v1/end"].map((path) => new URL(path, BASE).href),
  );
});

Deno.test("fetchBelow() throws bad-gateway for any other redirect", async () => {
  const rows: readonly (readonly [locations: (string | null)[], found: string])[] = [
    [["/v2"], "outside the mounted URL"],
    [[null], "without a valid Location"],
    [["http://"], "without a valid Location"],
    [Array.from({ length: 6 }, () => "/v1/start"), "more than 5 times"],
  ];
  for (const [locations, found] of rows) {
    const message = `Cannot read /mnt/api/start: its server redirects ${found}`;
    await assertRejects(follow(...locations), { status: 502, message });
  }
});
