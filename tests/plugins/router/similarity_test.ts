import { assert, assertEquals } from "../../support/assert.ts";
import { similarityTo } from "../../../plugins/router/similarity.ts";

Deno.test("similarityTo() ranks names with common words, parts of words or pairs of characters", () => {
  const similar = (text: string, ...segments: string[]) => similarityTo(text)(segments);
  assert(similar("show me the sales report", "reports", "sales-report") > 0.3);
  assert(similar("帮我画销售饼图", "销售数据") > similar("帮我画销售饼图", "天气"));
  assert(similar("reprot", "report") > similar("reprot", "weather"));
  assertEquals(similar("", "anything"), 0);
  assertEquals(similar("weather", "report"), 0);
  assertEquals(similar("task-2024", "task-2025"), 0.5);
});
