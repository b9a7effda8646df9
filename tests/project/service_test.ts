import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { requireTool } from "../dav/tool.ts";
import { assertWorks, ROOT, runProgram, startProgram } from "./program.ts";
import { withTempFolder } from "../support/temp_folder.ts";

const DOC = `${ROOT}/worlds/usr/share/doc`;
const UNIT = `${DOC}/elastik.service`;
/** Most exposure that `systemd-analyze security` may report, in tenths; 100 is an unrestricted service. */
const MAX_EXPOSURE = "20";

/** The settings of a unit by section and name; a setting that occurs twice has both values. */
function sections(unit: string): Map<string, Map<string, string[]>> {
  const found = new Map<string, Map<string, string[]>>();
  let section: Map<string, string[]> | undefined;
  for (const line of unit.split("\n")) {
    if (line === "" || line.startsWith("#")) continue;
    const name = /^\[(\w+)\]$/.exec(line)?.[1];
    if (name !== undefined) {
      assert(!found.has(name), `${name} twice`);
      found.set(name, section = new Map());
      continue;
    }
    const [, key = "", value = ""] = /^([A-Z]\w*)=(.*)$/.exec(line) ?? [];
    assert(key !== "" && section !== undefined, `not a setting: ${line}`);
    section.set(key, [...section.get(key) ?? [], value]);
  }
  return found;
}

const unit = sections(await Deno.readTextFile(UNIT));
const service = unit.get("Service") ?? new Map<string, string[]>();

/** The command and environment of the unit, with a folder in place of the system's paths. */
function startOf(folder: string) {
  const [command = "", ...args] = (service.get("ExecStart")?.[0] ?? "").split(" ");
  const env = Object.fromEntries(
    (service.get("Environment")?.[0] ?? "").split(" ").map((pair) => pair.split("=", 2)),
  );
  assertEquals(command, "/usr/local/bin/deno");
  assertEquals(args.pop(), "/opt/elastik/elastik.js");
  return {
    command: Deno.execPath(),
    // The bundle has its own test.
    args: [...args, "--config", `${ROOT}/deno.json`, `${ROOT}/main.ts`],
    cwd: folder,
    env: {
      ...env,
      HOME: folder,
      // The packages are not downloaded again.
      DENO_DIR: Deno.env.get("DENO_DIR") ?? `${Deno.env.get("HOME")}/.cache/deno`,
      ELASTIK_PORT: "0",
    },
  };
}

Deno.test("elastik.service restricts the server to what it needs", () => {
  assertEquals([...unit.keys()], ["Unit", "Service", "Install"]);
  const value = (name: string) => service.get(name)?.join(" ");
  const restrictions = [
    "NoNewPrivileges",
    "ProtectHome",
    "PrivateTmp",
    "PrivateDevices",
    "ProtectKernelModules",
    "ProtectKernelTunables",
    "ProtectControlGroups",
    "RestrictNamespaces",
    "RestrictSUIDSGID",
    "LockPersonality",
  ];
  for (const name of restrictions) assertEquals(value(name), "yes", name);
  assertEquals(value("ProtectSystem"), "strict");
  assertEquals(value("CapabilityBoundingSet"), "");
  assertEquals(value("StateDirectory"), "elastik");
  assertEquals(value("UMask"), "0077");
  assertEquals(value("WorkingDirectory"), "/var/lib/elastik");
  // V8 generates code at run time; the server reads how much memory its cells use.
  for (const name of ["MemoryDenyWriteExecute", "ProcSubset"]) assertEquals(value(name), undefined);
  // The server ends its cells, after their running requests.
  assertEquals(value("KillMode"), "mixed");
  assert(
    !/TOKEN|KEY/.test(value("Environment") ?? ""),
    "a unit is readable by all users and must not have a secret",
  );
});

Deno.test("the command and environment of elastik.service start a server with plugin processes", () =>
  withTempFolder(async (folder) => {
    const program = await startProgram(startOf(folder));
    try {
      await assertWorks(program, `${folder}/data`);
    } finally {
      assertEquals((await program.stop()).code, 0, program.output());
    }
  }));

Deno.test({
  ...requireTool(
    "systemd-analyze",
    "systemd-analyze accepts elastik.service, with an exposure of at most 2.0",
  ),
  fn: () =>
    withTempFolder(async (folder) => {
      // The program of the unit is not installed here.
      const unit = await Deno.readTextFile(UNIT);
      const text = unit.replace(/^(Exec\w+)=\S+/gm, "$1=/bin/true");
      const path = `${folder}/elastik.service`;
      await Deno.writeTextFile(path, text);
      const run = (args: string[]) =>
        runProgram({ command: "systemd-analyze", args, cwd: folder, env: { LC_ALL: "C.UTF-8" } });
      const verified = await run(["verify", "--man=no", path]);
      assertEquals(verified.stderr.replace(/^# .*\n/gm, ""), "");
      assertEquals(verified.code, 0);
      const { code, stdout, stderr } = await run([
        "security",
        "--offline=true",
        `--threshold=${MAX_EXPOSURE}`,
        "--no-pager",
        path,
      ]);
      assertMatch(stdout, /Overall exposure level/, stderr);
      assertEquals(code, 0, stdout);
    }),
});

Deno.test("service.md and elastik.service use the same paths", async () => {
  const page = await Deno.readTextFile(`${ROOT}/worlds/usr/share/doc/service.md`);
  for (
    const path of [
      "/opt/elastik/elastik.js",
      "/usr/local/bin/deno",
      "/etc/elastik.env",
      "/var/lib/elastik",
    ]
  ) {
    assert(page.includes(path), path);
    assert((await Deno.readTextFile(UNIT)).includes(path), path);
  }
});

Deno.test("elastik-backup.service backs up the folder of elastik.service, without a network", async () => {
  const backup = sections(await Deno.readTextFile(`${DOC}/elastik-backup.service`)).get("Service");
  const timer = sections(await Deno.readTextFile(`${DOC}/elastik-backup.timer`));
  assertEquals(timer.get("Timer")?.get("Persistent"), ["true"]);
  assertEquals(backup?.get("PrivateNetwork"), ["yes"]);
  for (const name of ["User", "EnvironmentFile", "WorkingDirectory", "CapabilityBoundingSet"]) {
    assertEquals(backup?.get(name), service.get(name), name);
  }
  const page = await Deno.readTextFile(`${DOC}/backup.md`);
  assert(page.includes("/var/backups/elastik") && page.includes("elastik-backup.timer"));
  await withTempFolder(async (folder) => {
    const program = await startProgram(startOf(folder));
    const [, ...words] = (backup?.get("ExecStart")?.[0] ?? "").split(" ");
    const { command, args, env, cwd } = startOf(folder);
    const at = words.indexOf("/opt/elastik/elastik.js");
    const own = words.slice(at + 1).map((word) =>
      word.replace("/var/lib/elastik", folder).replace("/var/backups", `${folder}/backups`)
    );
    const run = () => runProgram({ command, args: [...args, ...own], cwd, env });
    assertEquals([(await run()).code, (await run()).code], [0, 0]);
    await program.stop();
    assert((await Deno.stat(`${folder}/backups/elastik/data`)).isDirectory);
  });
});

Deno.test({
  ...requireTool("systemd-analyze", "systemd-analyze accepts the units of the backup"),
  fn: () =>
    withTempFolder(async (folder) => {
      for (const name of ["elastik-backup.service", "elastik-backup.timer"]) {
        const unit = await Deno.readTextFile(`${DOC}/${name}`);
        const text = unit.replace(/^(Exec\w+)=\S+/gm, "$1=/bin/true");
        await Deno.writeTextFile(`${folder}/${name}`, text);
      }
      const { code, stderr } = await runProgram({
        command: "systemd-analyze",
        args: ["verify", "--man=no", `${folder}/elastik-backup.timer`],
        cwd: folder,
        env: { LC_ALL: "C.UTF-8" },
      });
      assertEquals([code, stderr.replace(/^# .*\n/gm, "")], [0, ""]);
    }),
});
