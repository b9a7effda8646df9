import { assertStrictEquals } from "../../support/assert.ts";
import { pathEdits } from "../../../plugins/router/typing_errors.ts";

Deno.test("pathEdits() distinguishes typing errors from other names", () => {
  const rows: [requested: string, existing: string, edits: number][] = [
    ["salse-report", "sales-report", 1],
    ["sales_report", "sales-report", 0],
    ["sales report", "sales-report", 0],
    ["salesreport", "sales-report", 1],
    ["home/reprots/may", "home/reports/may", 1],
    ["hoem/report", "home/report", 1],
    ["quaterly-reprot", "quarterly-report", 2],
    ["quatrely-reprot-drfat", "quarterly-report-draft", Infinity],
    // Different names.
    ["task-12", "task-13", Infinity],
    ["report2024", "report2025", Infinity],
    ["v1", "v2", Infinity],
    ["text", "test", Infinity],
    ["agents/a1/inbox", "agents/b1/inbox", Infinity],
    ["report-de", "report-en", Infinity],
    ["draft-a", "draft-b", Infinity],
    ["input", "output", Infinity],
    ["notes.md", "notes.txt", Infinity],
    ["销售饼图", "销售柱图", Infinity],
    ["a/b", "b", Infinity],
  ];
  for (const [requested, existing, edits] of rows) {
    assertStrictEquals(
      pathEdits(requested.split("/"), existing.split("/")),
      edits,
      `${requested} ${existing}`,
    );
  }
});
