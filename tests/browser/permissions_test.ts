/** Which actions the shell offers, and why others are missing: the pure modules. */

// deno-lint-ignore-file no-explicit-any -- the modules are JavaScript

import { assert, assertEquals } from "../support/assert.ts";
import { agentPrompt } from "../../shell/agent_prompt.js";
import { missingRight } from "../../shell/missing_right.js";

Deno.test("missingRight() names what is needed and what the caller has", () => {
  const scratch = { tier: "T2", by: "cap:/home/scratch", prefix: "/home/scratch", mode: "rw" };
  const rows: [any, string, string, string][] = [
    [
      { tier: "T1", by: "T1" },
      "/home/x",
      "PUT",
      "Writing needs T2, or a capability with mode rw for this path; without a sign-in you have T1",
    ],
    [
      { tier: "T2", by: "T2:local" },
      "/home/x",
      "DELETE",
      "Deleting needs T3, or a capability with mode rwd for this path; without a sign-in you have T2",
    ],
    [
      scratch,
      "/home/scratch/",
      "MOVE",
      "Moving needs T3, or a capability with mode rwd for this path; your capability covers /home/scratch with mode rw",
    ],
    [
      { tier: "T2", by: "user:ada" },
      "/lib/x/state",
      "PUT",
      "Activating and disabling a plugin needs T3; you have T2",
    ],
    [
      { tier: "T2", by: "T2" },
      "/auth/mint",
      "POST",
      "Minting a capability needs T3; you have T2",
    ],
    [{ tier: "T2", by: "T2" }, "/lib/x", "DELETE", "Deleting needs T3; you have T2"],
    [
      { rejected: "expired" },
      "/etc/x",
      "PUT",
      "Writing needs T3; the server does not accept this sign-in",
    ],
  ];
  for (const [caller, path, method, expected] of rows) {
    assertEquals(missingRight(caller, path, method), expected);
  }
});

Deno.test("agentPrompt() names the folder, the token, the skill page, the mode and the expiry", () => {
  const prompt = agentPrompt("http://localhost:3005", {
    token: "abc.def",
    prefix: "/home/scratch",
    mode: "rw",
    name: "kestrel",
    exp: 1_764_324_000,
  });
  for (
    const part of [
      "http://localhost:3005/home/scratch/",
      "Authorization: Bearer abc.def",
      "http://localhost:3005/usr/lib/skills/elastik.md?raw",
      "You cannot delete or move anything.",
      "under the name kestrel",
      "2025-11-28T10:00:00.000Z",
    ]
  ) assert(prompt.includes(part), `${part} in ${prompt}`);
  const reading = agentPrompt("http://localhost:3005", { prefix: "/", mode: "r" });
  assert(
    reading.includes("http://localhost:3005/ ") || reading.includes("http://localhost:3005/\n"),
  );
  assert(reading.includes("You can only read."));
  assert(!/Bearer|null|undefined|expires/.test(reading), reading);
});
