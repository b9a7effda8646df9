import { assertEquals } from "../../support/assert.ts";
import {
  expiredLogs,
  formatUsage,
  logPath,
  logUsage,
  type UsageRecord,
} from "../../../plugins/gpu/usage_log.ts";

const NOW = Date.UTC(2026, 4, 31, 12);
const RECORD: UsageRecord = {
  route: "/dev/gpu",
  backend: "ollama",
  model: "m",
  prompt_bytes: 3,
  answer_bytes: 5,
  status: 200,
  finish: "stop",
};
const TIMES = { started: NOW - 50, firstToken: NOW - 30, ended: NOW };

Deno.test("formatUsage() has who called, the record and the times", () => {
  assertEquals(JSON.parse(formatUsage("T2", RECORD, TIMES)), {
    at: "2026-05-31T12:00:00.000Z",
    by: "T2",
    ...RECORD,
    first_ms: 20,
    ms: 50,
  });
  const { first_ms } = JSON.parse(formatUsage("T2", RECORD, { ...TIMES, firstToken: 0 }));
  assertEquals(first_ms, undefined);
});

Deno.test("logPath() numbers the further worlds of a day", () => {
  assertEquals(logPath("2026-05-31", 1), "/var/log/gpu/2026-05-31.ndjson");
  assertEquals(logPath("2026-05-31", 2), "/var/log/gpu/2026-05-31-2.ndjson");
});

Deno.test("expiredLogs() selects days that are more than 90 days old", () => {
  const names = ["2026-05-31", "2026-03-02", "2026-03-01", "2025-01-01-2", "notes"];
  const listing = [...names.map((name) => ({ name: `${name}.ndjson` })), 7, { name: 7 }];
  assertEquals(expiredLogs(listing, NOW), ["2026-03-01.ndjson", "2025-01-01-2.ndjson"]);
  assertEquals(expiredLogs({ not: "a list" }, NOW), []);
});

Deno.test("logUsage() starts another world after 2000 lines, and deletes expired days once a day", async () => {
  const sent: string[] = [];
  let version = 1;
  const server = {
    fetch: (path: string, { method = "GET" }: RequestInit = {}) => {
      sent.push(`${method} ${path}`);
      if (method !== "POST") return Promise.resolve(Response.json([{ name: "2020-01-01.ndjson" }]));
      const status = version === 1 ? 201 : 200;
      return Promise.resolve(Response.json({ version }, { status }));
    },
  };
  const log = async (): Promise<string[]> => {
    await logUsage(server, "T2", RECORD, TIMES);
    return sent.splice(0);
  };
  const world = "/var/log/gpu/2026-05-31";
  assertEquals(await log(), [
    `POST ${world}.ndjson`,
    "GET /var/log/gpu/",
    "DELETE /var/log/gpu/2020-01-01.ndjson",
  ]);
  version = 1999;
  assertEquals(await log(), [`POST ${world}.ndjson`]);
  version = 2000;
  assertEquals(await log(), [`POST ${world}.ndjson`]);
  version = 1;
  assertEquals(await log(), [`POST ${world}-2.ndjson`]);
});
