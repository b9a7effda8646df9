import { assertEquals, assertStrictEquals } from "../../support/assert.ts";
import {
  connectionFailure,
  refusalProblem,
  retrySeconds,
  unavailableProblem,
} from "../../../plugins/gpu/backend_error.ts";

const OPENAI = { scheme: "openai", key: "OPENAI_API_KEY" } as const;
const KEY = "sk-openai-0123456789";
const DATE = "Wed, 21 Oct 2026 07:28:00 GMT";

Deno.test("unavailableProblem() quotes the backend without the key", () => {
  const problem = unavailableProblem(OPENAI, KEY, "answered 500", `bad ${KEY}\n`);
  assertEquals(
    [problem.status, problem.message],
    [503, "Cannot answer: the openai backend answered 500: bad ***"],
  );
});

Deno.test("refusalProblem() passes a rate limit on with its time", () => {
  const problem = refusalProblem(OPENAI, KEY, { status: 429, text: "wait", retryAfter: "7" });
  assertEquals([problem.status, problem.headers], [503, { "retry-after": "7" }]);
  assertEquals(
    problem.message,
    "Cannot answer: the openai backend refuses further requests for now: wait",
  );
});

Deno.test("refusalProblem() answers 503 with Retry-After, whatever the status of the backend is", () => {
  const rows: readonly (readonly [
    status: number,
    key: string | undefined,
    text: string,
    end: string,
  ])[] = [
    [400, KEY, "no", "answered 400: no"],
    [413, KEY, "", "answered 413"],
    [302, KEY, "moved", "answered 302; redirects are not followed"],
    [503, KEY, "", "answered 503"],
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
    assertEquals([problem.status, problem.headers], [503, { "retry-after": "7" }]);
  }
});

Deno.test("unavailableProblem() asks for 30 seconds of patience if the backend names no time", () => {
  const problem = unavailableProblem(OPENAI, KEY, "cannot be reached");
  assertEquals([problem.status, problem.headers], [503, { "retry-after": "30" }]);
});

Deno.test("retrySeconds() reads seconds and HTTP dates, from 1 to 3600 seconds", () => {
  const now = Date.parse(DATE);
  for (const [value, seconds] of [["7", 7], ["0", 1], ["999999999", 3600]] as const) {
    assertEquals(retrySeconds(` ${value} `, now), seconds);
  }
  assertEquals(retrySeconds(DATE, now - 7500), 8);
  assertEquals(retrySeconds(DATE, now + 7500), 1);
  assertEquals(retrySeconds(DATE, 0), 3600);
  for (const value of [null, "", "soon", "-1", "1.5", "2026-10-21"]) {
    assertEquals(retrySeconds(value, now), undefined, `${value}`);
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
