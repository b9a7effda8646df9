import { equal, ok } from "node:assert/strict";
import { similarityTo } from "../../../plugins/router/similarity.ts";

Deno.test("similarityTo() ranks what shares words, parts of words, or pairs of characters", () => {
  const similar = (text: string, ...segments: string[]) => similarityTo(text)(segments);
  ok(similar("show me the sales report", "reports", "sales-report") > 0.3);
  ok(similar("帮我画销售饼图", "销售数据") > similar("帮我画销售饼图", "天气"));
  ok(similar("reprot", "report") > similar("reprot", "weather"));
  equal(similar("", "anything"), 0);
  equal(similar("weather", "report"), 0);
  equal(similar("task-2024", "task-2025"), 0.5);
});
