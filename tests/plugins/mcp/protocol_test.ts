import { assertEquals, assertStrictEquals, assertThrows } from "../../support/assert.ts";
import { parseMessage } from "../../../plugins/mcp/json_rpc.ts";
import { MAX_CLIENT_CHARS } from "../../../plugins/mcp/limits.ts";
import { clientName, isSessionVersion, readVersion } from "../../../plugins/mcp/protocol.ts";

const VERSION = "io.modelcontextprotocol/protocolVersion";
const CAPABILITIES = "io.modelcontextprotocol/clientCapabilities";
const STATELESS = "2026-07-28";

function read(
  method: string,
  params: Record<string, unknown>,
  headers: Record<string, string>,
): ReturnType<typeof readVersion> {
  const message = parseMessage(JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }));
  if (message.kind === "response") throw new Error("the message is a response");
  return readVersion(message, new Headers(headers));
}

/** `_meta` of a request of the stateless version. */
function meta(more: Record<string, unknown> = {}): Record<string, unknown> {
  return { [VERSION]: STATELESS, [CAPABILITIES]: {}, ...more };
}

Deno.test("readVersion() takes the version of the header for requests without _meta", () => {
  const rows: [headers: Record<string, string>, version: string][] = [
    [{}, "2025-06-18"],
    [{ "mcp-protocol-version": "2025-06-18" }, "2025-06-18"],
    [{ "mcp-protocol-version": "2025-11-25" }, "2025-11-25"],
  ];
  for (const [headers, version] of rows) {
    const found = read("tools/list", {}, headers);
    assertEquals([found.version, found.isStateless], [version, false]);
  }
  assertStrictEquals(read("initialize", {}, { "mcp-protocol-version": "x" }).isStateless, false);
});

Deno.test("readVersion() serves a request statelessly if header and _meta name that version", () => {
  const headers = { "mcp-protocol-version": STATELESS, "mcp-method": "tools/list" };
  const info = { "io.modelcontextprotocol/clientInfo": { name: "probe" } };
  assertEquals(read("tools/list", { _meta: meta(info) }, headers), {
    version: STATELESS,
    isStateless: true,
    client: "probe",
  });
  const encoded = `=?base64?${btoa("elastik:///home/x")}?=`;
  for (const name of ["elastik:///home/x", encoded]) {
    const all = { ...headers, "mcp-method": "resources/read", "mcp-name": name };
    const params = { uri: "elastik:///home/x", _meta: meta() };
    assertStrictEquals(read("resources/read", params, all).isStateless, true, name);
  }
});

Deno.test("readVersion() refuses headers and _meta that do not match", () => {
  const good = { "mcp-protocol-version": STATELESS, "mcp-method": "tools/list" };
  const call = { ...good, "mcp-method": "tools/call" };
  const rows: [
    method: string,
    params: Record<string, unknown>,
    headers: Record<string, string>,
    code: number,
  ][] = [
    ["tools/list", { _meta: meta() }, {}, -32020],
    ["tools/list", { _meta: meta() }, { ...good, "mcp-protocol-version": "2025-11-25" }, -32020],
    ["tools/list", { _meta: meta({ [VERSION]: "2025-11-25" }) }, good, -32020],
    ["tools/list", { _meta: meta() }, { "mcp-protocol-version": STATELESS }, -32020],
    ["tools/list", { _meta: meta() }, { ...good, "mcp-method": "tools/call" }, -32020],
    ["tools/call", { name: "read", _meta: meta() }, call, -32020],
    ["tools/call", { name: "read", _meta: meta() }, { ...call, "mcp-name": "write" }, -32020],
    ["tools/call", { name: "read", _meta: meta() }, { ...call, "mcp-name": "Read" }, -32020],
    ["tools/call", { name: "a", _meta: meta() }, { ...call, "mcp-name": "=?base64?!?=" }, -32020],
    [
      "tools/call",
      { name: "a", _meta: meta() },
      { ...call, "mcp-name": "=?base64?/w==?=" },
      -32020,
    ],
    ["tools/call", { _meta: meta() }, { ...call, "mcp-name": "undefined" }, -32020],
    ["tools/list", {}, good, -32602],
    ["tools/list", { _meta: "x" }, good, -32602],
    ["tools/list", { _meta: meta({ [VERSION]: 7 }) }, good, -32602],
    ["tools/list", { _meta: meta({ [CAPABILITIES]: undefined }) }, good, -32602],
    ["tools/list", { _meta: meta({ [CAPABILITIES]: [] }) }, good, -32602],
    ["tools/list", {}, { "mcp-protocol-version": "1900-01-01" }, -32022],
  ];
  for (const [method, params, headers, code] of rows) {
    assertThrows(() => read(method, params, headers), { code, status: 400 });
  }
});

Deno.test("readVersion() lists the supported versions if it does not know the requested one", () => {
  const headers = { "mcp-protocol-version": "2030-01-01", "mcp-method": "tools/list" };
  const params = { _meta: meta({ [VERSION]: "2030-01-01" }) };
  assertThrows(() => read("tools/list", params, headers), {
    code: -32022,
    status: 400,
    data: {
      supported: [STATELESS, "2025-11-25", "2025-06-18"],
      requested: "2030-01-01",
    },
  });
});

Deno.test("isSessionVersion() is true without a version and for versions with sessions", () => {
  const found = [null, "2025-06-18", "2025-11-25", STATELESS, "x"].map((version) =>
    isSessionVersion(new Headers(version === null ? {} : { "mcp-protocol-version": version }))
  );
  assertEquals(found, [true, true, true, false, false]);
});

Deno.test("clientName() returns a name that a header can contain", () => {
  const rows: [info: unknown, name: string][] = [
    [{ name: "claude-code" }, "claude-code"],
    [{ name: " Visual Studio Code " }, "Visual Studio Code"],
    [{ name: "a\r\nX-Meta-By: b" }, "a??X-Meta-By: b"],
    [{ name: "naïve 😀" }, "na?ve ??"],
    [{ name: "x".repeat(MAX_CLIENT_CHARS + 1) }, "x".repeat(MAX_CLIENT_CHARS)],
    [{ name: 7 }, ""],
    [{}, ""],
    [null, ""],
    ["x", ""],
  ];
  for (const [info, name] of rows) assertStrictEquals(clientName(info), name);
});
