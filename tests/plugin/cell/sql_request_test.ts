import { deepStrictEqual as equal, rejects } from "node:assert/strict";
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

Deno.test("answerSqlRequest() hands the question on with the time it may take", async () => {
  const asked: SqlRequest[] = [];
  const host = {
    runSqlRequest: (question: SqlRequest) => {
      asked.push(question);
      return Promise.resolve(new Response("rows"));
    },
    log: () => {},
  };
  equal(await (await answerSqlRequest(served(["timeout-ms", "250"]), host)).text(), "rows");
  await answerSqlRequest(served([]), host);
  equal(asked.map(({ timeoutMs }) => timeoutMs), [250, 0]);
});

Deno.test("answerSqlRequest() tells the plugin no reason of the machine's, and the log the reason", async () => {
  const lines: string[] = [];
  const host = {
    runSqlRequest: () => Promise.reject(new Error("secret")),
    log: (_level: string, line: string) => lines.push(line),
  };
  await rejects(answerSqlRequest(served([]), host), /the machine failed$/);
  equal(lines, ["a query failed: Error: secret"]);
  await rejects(answerSqlRequest(served([]), { log: () => {} }), /nothing to query/);
  const gone = served([]);
  gone.abort(new Error("gone"));
  await rejects(answerSqlRequest(gone, host));
  equal(lines.length, 1);
});
