import { assertEquals } from "../support/assert.ts";
import { createByFilter } from "../../lib/world/by_filter.ts";

const CALLERS = [
  "T2",
  "T2:local",
  "T3",
  "user:ada",
  "plugin:fanout",
  "cap:/",
  "cap:/home/team",
  "cap:/home/team/a",
  "cap:/home/teams",
  "cap:/home/team#kestrel",
  "cap:/home/team#kestrel/junior",
  "cap:/home/team#kestrels",
  "cap:/home/team#other/kestrel",
  "cap:/home/team/a#kestrel",
  "cap:/home/team/a#kestrel/junior",
  "cap:/home/teams#kestrel",
  "cap:/home/team%23kestrel",
  "cap:/home/team#~1764293412345-9f3ac04be1d27a55/junior",
];

Deno.test("createByFilter() matches one caller exactly, or with /* what was narrowed from it", () => {
  const rows: readonly [by: string | undefined, matched: string[]][] = [
    [undefined, CALLERS],
    ["T3", ["T3"]],
    ["T2/*", ["T2"]],
    ["cap:/home/team", ["cap:/home/team"]],
    ["cap:/home/team#kestrel", ["cap:/home/team#kestrel"]],
    ["cap:/home/team/*", [
      "cap:/home/team",
      "cap:/home/team/a",
      "cap:/home/team#~1764293412345-9f3ac04be1d27a55/junior",
    ]],
    ["cap:/home/team#kestrel/*", [
      "cap:/home/team#kestrel",
      "cap:/home/team#kestrel/junior",
      "cap:/home/team/a#kestrel",
      "cap:/home/team/a#kestrel/junior",
    ]],
    ["cap:/home/team#kestrel/junior/*", [
      "cap:/home/team#kestrel/junior",
      "cap:/home/team/a#kestrel/junior",
    ]],
    ["cap:/home/team/a#kestrel/*", ["cap:/home/team/a#kestrel", "cap:/home/team/a#kestrel/junior"]],
    ["cap:/*", [
      "cap:/",
      "cap:/home/team",
      "cap:/home/team/a",
      "cap:/home/teams",
      "cap:/home/team%23kestrel",
      "cap:/home/team#~1764293412345-9f3ac04be1d27a55/junior",
    ]],
    ["x", []],
    ["/*", []],
  ];
  for (const [by, matched] of rows) {
    assertEquals(CALLERS.filter(createByFilter(by)), matched, by);
  }
});
