/** The form of commit subjects after the commit that added this file. */
import { assert, assertEquals } from "../support/assert.ts";

const ROOT = new URL("../../", import.meta.url);
const SELF = "tests/project/commit_subjects_test.ts";
const MAX_CHARS = 72;
const FORM = /^(?:feat|fix|perf|refactor|test|docs|build|ci|chore)\([a-z_-]+\)!?: [a-z]/;

/** What is wrong with a subject, or undefined. */
function subjectFault(subject: string): string | undefined {
  if (!FORM.test(subject)) return "it is not `type(scope): subject` in lower case";
  if (subject.length > MAX_CHARS) {
    return `it has ${subject.length} characters; at most ${MAX_CHARS} are allowed`;
  }
  return subject.endsWith(".") ? "it ends with a period" : undefined;
}

/** Standard output of git, or undefined if git or the repository is missing. */
function git(...args: string[]): string | undefined {
  try {
    const { success, stdout } = new Deno.Command("git", { args, cwd: ROOT, stderr: "null" })
      .outputSync();
    return success ? new TextDecoder().decode(stdout).trim() : undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

const added = git("log", "--diff-filter=A", "--format=%H", "--", SELF)?.split("\n").at(-1);
/** Subjects of the descendants of that commit. Git writes the subjects of merges. */
const subjects = added
  ? git("log", "--no-merges", "--ancestry-path", "--format=%h %s", `${added}..HEAD`)
  : undefined;
const skipped = subjects === undefined;

Deno.test({
  name: `commit subjects have the form of CONTRIBUTING.md${
    skipped ? " (skipped: there is no git history)" : ""
  }`,
  ignore: skipped,
  fn() {
    const lines = (subjects ?? "").split("\n").filter((line) => line !== "");
    const faults = lines.flatMap((line) => {
      const subject = line.slice(line.indexOf(" ") + 1);
      const fault = subjectFault(subject);
      return fault === undefined ? [] : [`${line}: ${fault}`];
    });
    assertEquals(faults, []);
  },
});

Deno.test("subjectFault() accepts the form and names what is wrong", () => {
  assertEquals(subjectFault("fix(http): send Allow with a 405"), undefined);
  assertEquals(subjectFault("feat(plugin)!: remove env.old"), undefined);
  assertEquals(subjectFault(`docs(readme): ${"x".repeat(MAX_CHARS - 14)}`), undefined);
  for (
    const subject of [
      "Send Allow with a 405",
      "fix: send Allow with a 405",
      "fix(http): Send Allow with a 405",
      "fix(http) send Allow",
      "change(http): send Allow",
      "fix(http): send Allow with a 405.",
      `docs(readme): ${"x".repeat(MAX_CHARS - 13)}`,
    ]
  ) {
    assert(subjectFault(subject) !== undefined, subject);
  }
});
