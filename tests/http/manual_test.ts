/** The manual pages about worlds and the pages about problems, read as a user would paste them. */

import { PROBLEMS } from "../../lib/http/problem.ts";
import { onPath } from "../project/program.ts";
import { readPages } from "../project/reader.ts";

const TOOLS = ["bash", "curl", "openssl", "sqlite3"].filter((tool) => !onPath(tool));
const missing = TOOLS.length === 0 ? "" : ` (skipped: no ${TOOLS.join(", ")} here)`;
const ignore = missing !== "";
const DOC = "worlds/usr/share/doc";

for (
  const page of [
    "http.md",
    "auth.md",
    "webdav.md",
    "events.md",
    "search.md",
    "trash.md",
    "usage.md",
    "problems.md",
  ]
) {
  Deno.test({
    name: `${page} has commands that do what the page says${missing}`,
    ignore,
    fn: (t) => readPages([`${DOC}/${page}`], t),
  });
}

Deno.test({
  name: `problems/*.md have commands that reproduce and solve the problem${missing}`,
  ignore,
  fn: (t) =>
    readPages(Object.keys(PROBLEMS).map((type) => `${DOC}/problems/${type}.md`), t, {
      before: (reader) =>
        reader.follow([{
          commands: "ELASTIK_APPROVE_TOKEN=$(cat data/.approve-token)",
          answers: [],
        }]),
    }),
});
