import { assertEquals, assertMatch } from "../../support/assert.ts";
import { cronFault, findNextRun } from "../../../lib/plugin/manifest/cron_expression.ts";

const START = Date.parse("2026-01-02T00:03:10Z"); // a Friday

Deno.test("findNextRun() returns the next minute in UTC that the expression matches", () => {
  const rows: readonly [cron: string, next: string][] = [
    ["* * * * *", "2026-01-02T00:04"],
    ["*/5 * * * *", "2026-01-02T00:05"],
    ["5/15 * * * *", "2026-01-02T00:05"],
    ["10-20/5,40 1 * * *", "2026-01-02T01:10"],
    ["0 0 1 * *", "2026-02-01T00:00"],
    ["0 9 * * MON-FRI", "2026-01-02T09:00"],
    ["0 0 * * 0", "2026-01-04T00:00"],
    ["0 0 * * 7", "2026-01-04T00:00"],
    ["0 0 * jul sun", "2026-07-05T00:00"],
    // Either of the two days, as in other servers.
    ["0 0 1 * 1", "2026-01-05T00:00"],
    ["30 2 29 2 *", "2028-02-29T02:30"],
  ];
  for (const [cron, next] of rows) {
    assertEquals([cron, cronFault(cron)], [cron, undefined]);
    const found = findNextRun(cron, START);
    assertEquals([cron, found], [cron, Date.parse(`${next}:00Z`)]);
  }
});

Deno.test("findNextRun() returns a later time than the one it is given", () => {
  const minute = Date.parse("2026-01-02T00:05:00Z");
  assertEquals(findNextRun("*/5 * * * *", minute - 1), minute);
  assertEquals(findNextRun("*/5 * * * *", minute), minute + 300_000);
});

Deno.test("cronFault() explains what is wrong", () => {
  const rows: readonly [cron: string, fault: RegExp][] = [
    ["", /five fields/],
    ["* * * *", /five fields/],
    ["* * * * * *", /five fields/],
    ["*  * * * *", /five fields/],
    ["@daily", /five fields/],
    ["* * L * *", /the field "L"/],
    ["* * 15W * *", /the field "15W"/],
    ["* * * * 5#2", /the field "5#2"/],
    ["? * * * *", /the field/],
    ["* * * * \n", /the field/],
    ["60 * * * *", /^the minute 60 must be from 0 to 59$/],
    ["* 0-24 * * *", /^the hour 24 /],
    ["* * 0 * *", /^the day of the month 0 must be from 1 to 31$/],
    ["* * 1,32 * *", /^the day of the month 32 /],
    ["* * * 13/2 *", /^the month 13 /],
    ["* * * * 8", /^the day of the week 8 /],
    ["*/0 * * * *", /./],
    ["20-10 * * * *", /./],
    ["0 0 30 2 *", /never/],
  ];
  for (const [cron, fault] of rows) assertMatch(cronFault(cron) ?? `${cron} is accepted`, fault);
});
