import { assertEquals, assertRejects } from "../../support/assert.ts";
import { InboundCall } from "../../../lib/plugin/wire/rpc_calls.ts";
import { answerSqlRequest, type SqlRequest } from "../../../lib/plugin/cell/sql_request.ts";

function served(headers: string[]): InboundCall {
  return new InboundCall(7, {
    method: "POST",
    url: "/query",
    headers,
    note: ["sql", 1],
    isStreamed: false,
    hasBody: false,
  });
}

Deno.test("answerSqlRequest() passes the body with its time limit to runSqlRequest", async () => {
  const requests: SqlRequest[] = [];
  const host = {
    runSqlRequest: (request: SqlRequest) => {
      requests.push(request);
      return Promise.resolve(new Response("rows"));
    },
    log: () => {},
  };
  assertEquals(await (await answerSqlRequest(served(["timeout-ms", "250"]), host)).text(), "rows");
  await answerSqlRequest(served([]), host);
  assertEquals(requests.map(({ timeoutMs }) => timeoutMs), [250, 0]);
});

Deno.test("answerSqlRequest() logs the reason of a failure and does not send it to the plugin", async () => {
  const lines: string[] = [];
  const host = {
    runSqlRequest: () => Promise.reject(new Error("secret")),
    log: (_level: string, line: string) => lines.push(line),
  };
  await assertRejects(answerSqlRequest(served([]), host), /the server failed$/);
  assertEquals(lines, ["a query failed: Error: secret"]);
  await assertRejects(
    answerSqlRequest(served([]), { log: () => {} }),
    /queries are not available here/,
  );
  const gone = served([]);
  gone.abort(new Error("gone"));
  await assertRejects(answerSqlRequest(gone, host));
  assertEquals(lines.length, 1);
});
