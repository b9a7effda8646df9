import { assertEquals, assertRejects } from "../../support/assert.ts";
import { decodeSqlQuery, encodeSqlResult } from "../../../lib/plugin/realm/sql_codec.ts";
import { createEnvSql } from "../../../lib/plugin/realm/env_sql.ts";

Deno.test("createEnvSql() sends one query with its time limit, and returns the rows", async () => {
  const result = { columns: ["a"], rows: [[1]], truncated: false };
  const sent: unknown[] = [];
  const { query } = createEnvSql(async (path, init) => {
    const request = new Request(`http://machine${path}`, init);
    const { query: decoded } = decodeSqlQuery(await request.bytes());
    sent.push(path, request.headers.get("timeout-ms"), decoded.sql, decoded.path);
    return new Response(encodeSqlResult(result));
  });
  assertEquals(await query("/x.db", "SELECT 1"), result);
  assertEquals(sent, ["/query", "2000", "SELECT 1", "/x.db"]);
  await query(new Uint8Array(3), "SELECT 2", { a: 1 }, { timeoutMs: 50 });
  assertEquals(sent.slice(4), ["/query", "50", "SELECT 2", undefined]);
});

Deno.test("createEnvSql() rejects with a TypeError if sql is not a string", async () => {
  const { query } = createEnvSql(() => Promise.reject(new Error("a query was sent")));
  const odd: unknown = 7;
  await assertRejects(query("/x.db", odd as string), TypeError);
});
