import { deepStrictEqual as equal, rejects } from "node:assert/strict";
import { Serving } from "../../../lib/plugin/wire/rpc_calls.ts";
import { answerQuery, type Asked } from "../../../lib/plugin/cell/sql_request.ts";

function served(headers: string[]): Serving {
  return new Serving(7, {
    method: "POST",
    url: "/query",
    headers,
    note: ["sql", 1],
    streamed: false,
    bodied: false,
  });
}

Deno.test("answerQuery() hands the question on with the time it may take", async () => {
  const asked: Asked[] = [];
  const host = {
    query: (question: Asked) => {
      asked.push(question);
      return Promise.resolve(new Response("rows"));
    },
    log: () => {},
  };
  equal(await (await answerQuery(served(["timeout-ms", "250"]), host)).text(), "rows");
  await answerQuery(served([]), host);
  equal(asked.map(({ timeoutMs }) => timeoutMs), [250, 0]);
});

Deno.test("answerQuery() tells the plugin no reason of the machine's, and the log the reason", async () => {
  const lines: string[] = [];
  const host = {
    query: () => Promise.reject(new Error("secret")),
    log: (_level: string, line: string) => lines.push(line),
  };
  await rejects(answerQuery(served([]), host), /the machine failed$/);
  equal(lines, ["a query failed: Error: secret"]);
  await rejects(answerQuery(served([]), { log: () => {} }), /nothing to query/);
  const gone = served([]);
  gone.abort(new Error("gone"));
  await rejects(answerQuery(gone, host));
  equal(lines.length, 1);
});
