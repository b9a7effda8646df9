import { assertEquals, assertStrictEquals } from "../../support/assert.ts";
import {
  backendProblem,
  connectionFailure,
  refusalProblem,
  retryAfterHeader,
} from "../../../plugins/gpu/backend_error.ts";

const OPENAI = { scheme: "openai", key: "OPENAI_API_KEY" } as const;
const KEY = "sk-openai-0123456789";
const DATE = "Wed, 21 Oct 2026 07:28:00 GMT";

Deno.test("backendProblem() quotes the backend without the key", () => {
  const problem = backendProblem(OPENAI, KEY, "answered 500", `bad ${KEY}\n`);
  assertEquals(
    [problem.status, problem.message],
    [502, "Cannot answer: the openai backend answered 500: bad ***"],
  );
});

Deno.test("refusalProblem() passes a rate limit on with its time", () => {
  const problem = refusalProblem(OPENAI, KEY, { status: 429, text: "wait", retryAfter: "7" });
  assertEquals([problem.status, problem.headers], [429, { "retry-after": "7" }]);
  assertEquals(
    problem.message,
    "Cannot answer: the openai backend refuses further requests for now: wait",
  );
});

Deno.test("refusalProblem() answers 502 for every other status", () => {
  const rows:
    readonly (readonly [status: number, key: string | undefined, text: string, end: string])[] = [
      [400, KEY, "no", "answered 400: no"],
      [503, KEY, "", "answered 503"],
      [302, KEY, "moved", "answered 302; redirects are not followed"],
      [401, KEY, "no", "answered 401: no"],
      [
        401,
        undefined,
        "no",
        "answered 401; OPENAI_API_KEY is not set in the server's environment",
      ],
      [
        404,
        KEY,
        "model 'x' not found",
        "answered 404: model 'x' not found; `model` in /etc/gpu.conf names another model",
      ],
    ];
  for (const [status, key, text, end] of rows) {
    const problem = refusalProblem(OPENAI, key, { status, text, retryAfter: "7" });
    assertEquals(problem.message, `Cannot answer: the openai backend ${end}`);
    assertEquals([problem.status, problem.headers], [502, {}]);
  }
});

Deno.test("retryAfterHeader() accepts seconds and HTTP dates only", () => {
  for (const value of ["7", ` ${DATE} `]) {
    assertEquals(retryAfterHeader(value), { "retry-after": value.trim() });
  }
  for (const value of [null, "", "soon", "-1", "1.5", "2026-10-21"]) {
    assertEquals(retryAfterHeader(value), {}, `${value}`);
  }
});

Deno.test("connectionFailure() describes errors of the runtime without their addresses", () => {
  const rows: readonly (readonly [message: string, found: string])[] = [
    ["Connection refused (os error 111)", "refused the connection; check that it is running"],
    ["dns error: failed to lookup address", "has a host name that cannot be resolved"],
    ["invalid peer certificate: Expired", "has no valid TLS certificate, or does not speak TLS"],
    ["received corrupt message", "has no valid TLS certificate, or does not speak TLS"],
    ["requests to this port are blocked", "uses a port that fetch blocks"],
    ["connection closed before message completed", "closed the connection without a response"],
    ["something else at 10.0.0.1", "cannot be reached"],
  ];
  for (const [message, found] of rows) {
    const error = new TypeError("error sending request", { cause: new Error(message) });
    assertStrictEquals(connectionFailure(error), found, message);
  }
  assertEquals(connectionFailure("x"), "cannot be reached");
  const denied = Object.assign(new Error("Requires net access to x"), { name: "NotCapable" });
  assertEquals(
    connectionFailure(denied),
    "cannot be reached: the plugin has no permission for its host and port",
  );
});
