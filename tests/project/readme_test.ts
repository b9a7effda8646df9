import { type ReceivedCall, withBackend } from "../plugins/fake_backend.ts";
import { onPath } from "./program.ts";
import { readPages } from "./reader.ts";

const TOOLS = ["bash", "curl", "openssl", "sqlite3"].filter((tool) => !onPath(tool));
const missing = TOOLS.length === 0 ? "" : ` (skipped: no ${TOOLS.join(", ")} here)`;
const ignore = missing !== "";
const DOC = "worlds/usr/share/doc";
/** Settings of a server with tokens; the shell of the reader has them too. */
const TOKENS = { ELASTIK_TOKEN: "t2-of-the-test", ELASTIK_APPROVE_TOKEN: "t3-of-the-test" };
/** Pages and the settings of the server that they are read with. */
const PAGES: Readonly<Record<string, Record<string, string>>> = {
  "README.md": {},
  [`${DOC}/running.md`]: {},
  [`${DOC}/commands.md`]: {},
  [`${DOC}/first-plugin.md`]: {},
  [`${DOC}/backup.md`]: {},
  [`${DOC}/upgrade.md`]: {},
  [`${DOC}/first-day.md`]: {},
  [`${DOC}/configuration.md`]: {},
  [`${DOC}/routes.md`]: {},
  [`${DOC}/shell.md`]: TOKENS,
  [`${DOC}/service.md`]: {},
  [`${DOC}/observing.md`]: { ...TOKENS, ELASTIK_LOG: "line" },
};

for (const [page, env] of Object.entries(PAGES)) {
  Deno.test({
    name: `${page} has commands that do what the page says${missing}`,
    ignore,
    fn: (t) => readPages([page], t, { env }),
  });
}

Deno.test({
  name: `tour.md has commands that do what the page says, with a model${missing}`,
  ignore,
  fn: (t) =>
    withBackend(async (backend) => {
      backend.behaviour = { tokens: generate };
      await readPages([`${DOC}/tour.md`], t, { model: backend.host });
    }),
});

Deno.test({
  name: `elastik.md, the page for agents, has commands that work with a capability${missing}`,
  ignore,
  fn: (t) =>
    readPages(["worlds/usr/lib/skills/elastik.md"], t, {
      env: TOKENS,
      before: (reader) =>
        reader.follow([{
          commands: [
            "URL=http://localhost:3005",
            `TOKEN=$(curl -sX POST "$URL/auth/mint?prefix=/home/scratch&ttl=600&mode=rwd&name=kestrel" \\`,
            `  -H "Authorization: Bearer $ELASTIK_APPROVE_TOKEN" | sed 's/.*"token":"\\([^"]*\\)".*/\\1/')`,
          ].join("\n"),
          answers: [],
        }]),
    }),
});

/** Output of the model: a page if one is requested, otherwise an echo. */
function generate({ prompt, system }: ReceivedCall): string[] {
  return /text\/html|<!doctype/i.test(`${system} ${prompt}`)
    ? [
      "<!doctype html><html><head><title>x</title></head>",
      "<body><p>All is well.</p></body></html>",
    ]
    : ["You said: ", prompt];
}
