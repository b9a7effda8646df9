import { assertEquals } from "../../support/assert.ts";
import { FolderReport } from "../../../lib/world/store/folder_report.ts";

Deno.test("FolderReport.reportIgnored() writes one line with a few sanitized names", () => {
  const lines: string[] = [];
  const report = new FolderReport((line) => lines.push(line));
  report.reportIgnored({ count: 0, samples: [] });
  report.reportIgnored({ count: 1, samples: ["a\nb"] });
  report.reportIgnored({ count: 9, samples: ["a", "b"] });
  assertEquals(lines, [
    'ignored 1 entry of the data folder that is not a world: "a?b"',
    'ignored 9 entries of the data folder that are not worlds: "a", "b" and others',
  ]);
});

Deno.test("FolderReport.reportDamaged() reports each world once and limits the lines", () => {
  const lines: string[] = [];
  const report = new FolderReport((line) => lines.push(line));
  for (let i = 0; i < 50; i++) report.reportDamaged(`home/${i % 25}`);
  assertEquals(lines.length, 11);
  assertEquals(
    lines[0],
    "cannot read /home/0: its file is damaged or not a world; requests for it answer 500",
  );
  assertEquals(lines[10]?.startsWith("further worlds cannot be read;"), true);
});
