/**
 * The property: if the server cannot start, it prints one sentence that names the setting to change, ends
 * with 1, and prints no stack.
 */

import { DatabaseSync } from "node:sqlite";
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import {
  ask,
  cleanEnv,
  fromCheckout,
  ROOT,
  type StartOptions,
  startProgram,
} from "../project/program.ts";
import { canCertify, certify } from "../support/certificate.ts";
import { withTempFolder } from "../support/temp_folder.ts";

/** Most milliseconds until a program that cannot start has ended. */
const MAX_WAIT_MS = 120_000;
const TOKENS = { ELASTIK_TOKEN: "a", ELASTIK_APPROVE_TOKEN: "b" };

interface FailureCase {
  readonly name: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Prepares the working folder. */
  readonly prepare?: (folder: string) => Promise<void> | void;
  /** The sentence must match it. */
  readonly sentence: RegExp;
}

const CASES: readonly FailureCase[] = [
  {
    name: "the data folder is a file",
    prepare: (folder) => Deno.writeTextFile(`${folder}/data`, "x"),
    sentence: /^Cannot use the data folder data: it is a file .*ELASTIK_DATA/,
  },
  {
    name: "the data folder is inside a file",
    prepare: (folder) => Deno.writeTextFile(`${folder}/file`, "x"),
    env: { ELASTIK_DATA: "file/data" },
    sentence: /^Cannot use the data folder file\/data: .*ELASTIK_DATA/,
  },
  {
    name: "the data folder is a dangling link",
    prepare: (folder) => Deno.symlink("missing/too", `${folder}/data`),
    sentence: /^Cannot use the data folder data: .*ELASTIK_DATA/,
  },
  {
    name: "the data folder has a long name",
    env: { ELASTIK_DATA: "x".repeat(300) },
    sentence: /^Cannot use the data folder x+: .*ELASTIK_DATA/,
  },
  {
    name: "the lock is a folder",
    prepare: (folder) => Deno.mkdir(`${folder}/data/.lock`, { recursive: true }),
    sentence: /^Cannot use the data folder data: its file \.lock .*: it is a folder, not a file; /,
  },
  {
    name: "the trash is a file",
    prepare: async (folder) => {
      await Deno.mkdir(`${folder}/data`);
      await Deno.writeTextFile(`${folder}/data/.trash`, "x");
    },
    sentence: /^Cannot use the data folder data: its entry \.trash is not a folder; move it/,
  },
  {
    name: "a newer release has used the data folder",
    prepare: async (folder) => {
      await Deno.mkdir(`${folder}/data`);
      await Deno.writeTextFile(`${folder}/data/.format`, "3\n");
    },
    sentence: /^Cannot use the data folder data: it has format 3 .* up to 2; use the release that/,
  },
  {
    name: "the key has gigabytes",
    prepare: async (folder) => {
      await Deno.mkdir(`${folder}/data`);
      await Deno.writeTextFile(`${folder}/data/.key`, "x");
      await Deno.truncate(`${folder}/data/.key`, 3 * 1024 ** 3);
    },
    sentence: /^Cannot use the secret \.key in the data folder: it has 3221225472 bytes; at most/,
  },
  {
    name: "the path of the data folder contains a line break",
    env: { ELASTIK_DATA: "a\nb" },
    sentence: /^Cannot use ELASTIK_DATA: it contains a control character;/,
  },
  {
    name: "the key is not a key",
    prepare: async (folder) => {
      await Deno.mkdir(`${folder}/data`);
      await Deno.writeTextFile(`${folder}/data/.key`, "x");
    },
    sentence: /^Cannot use the secret \.key in the data folder: /,
  },
  {
    name: "the disk is full",
    env: { ELASTIK_DATA: "/dev/full/data" },
    sentence: /^Cannot use the data folder \/dev\/full\/data: .*ELASTIK_DATA/,
  },
  {
    name: "the file system takes no folders",
    env: { ELASTIK_DATA: "/proc/elastik" },
    sentence: /^Cannot use the data folder \/proc\/elastik: .*ELASTIK_DATA/,
  },
  {
    name: "the address is not local",
    env: { ELASTIK_HOST: "192.0.2.7", ...TOKENS },
    sentence:
      /^Cannot listen on 192\.0\.2\.7:0: it is not an address of this computer; set ELASTIK_HOST/,
  },
  {
    name: "the host name does not exist",
    env: { ELASTIK_HOST: "nosuch.invalid", ...TOKENS },
    sentence: /^Cannot listen on nosuch\.invalid:0: the name cannot be resolved; set ELASTIK_HOST/,
  },
  {
    name: "the address is a URL",
    env: { ELASTIK_HOST: "http://127.0.0.1", ...TOKENS },
    sentence: /^Cannot use ELASTIK_HOST="http:\/\/127\.0\.0\.1": an IP address or a host name/,
  },
  {
    name: "the address has a port",
    env: { ELASTIK_HOST: "127.0.0.1:3005", ...TOKENS },
    sentence: /^Cannot use ELASTIK_HOST=/,
  },
  ...["-1", "65536", "3005 ", "0x50", "3e3", "3005,3006", "tcp://10.0.0.1:3005"].map((port) => ({
    name: `the port is ${port}`,
    env: { ELASTIK_PORT: port },
    sentence: /^Cannot use ELASTIK_PORT=".*": a whole number of at most 65535 is needed/,
  })),
  {
    name: "the certificate does not exist",
    env: { ELASTIK_TLS_CERT: "no.crt", ELASTIK_TLS_KEY: "no.key" },
    sentence: /^Cannot use ELASTIK_TLS_CERT=no\.crt: there is no such file/,
  },
  {
    name: "the certificate is a folder",
    prepare: (folder) => Deno.mkdir(`${folder}/own.crt`),
    env: { ELASTIK_TLS_CERT: "own.crt", ELASTIK_TLS_KEY: "own.key" },
    sentence: /^Cannot use ELASTIK_TLS_CERT=own\.crt: /,
  },
  {
    name: "only the certificate is set",
    env: { ELASTIK_TLS_CERT: "own.crt" },
    sentence: /^Cannot use ELASTIK_TLS_CERT: ELASTIK_TLS_KEY is not set/,
  },
  {
    name: "the trusted proxy is not an address",
    env: { ELASTIK_TRUST_PROXY_HEADER: "forwarded", ELASTIK_TRUST_PROXY_FROM: "proxy.lan" },
    sentence: /^Cannot trust the proxy "proxy\.lan": it is not an address/,
  },
  {
    name: "the trusted header is set without a proxy",
    env: { ELASTIK_TRUST_PROXY_HEADER: "forwarded" },
    sentence: /^Cannot trust forwarded: ELASTIK_TRUST_PROXY_FROM is not set/,
  },
];

/** Every file that the start opens, with the sentence before the reason. */
const FILES: readonly [string, RegExp][] = [
  [".env", /^Cannot read \.env: /],
  ["own.crt", /^Cannot use ELASTIK_TLS_CERT=own\.crt: /],
  ["data/.lock", /^Cannot use the data folder data: its file \.lock cannot be used: /],
  ["data/.key", /^Cannot use the secret \.key in the data folder: /],
  ["data/.approve-token", /^Cannot use the secret \.approve-token in the data folder: /],
  ["data/.proof-key", /^Cannot use the secret \.proof-key in the data folder: /],
  ["data/.format", /^Cannot use the data folder data: its file \.format /],
  ["data/.collections", /^Cannot use the data folder data: its file \.collections /],
  ["data/.names.db", /^Cannot use the data folder data: its file \.names\.db /],
];

/** Entries that are not files, with the reason. Opening the first would block, the second never end. */
const ENTRIES: readonly [string, (path: string) => void, RegExp][] = [
  ["a named pipe", makePipe, /it is a named pipe, not a file/],
  ["a device", (path) => Deno.symlinkSync("/dev/zero", path), /it is a device, not a file/],
  ["a link to nothing", (path) => Deno.symlinkSync("no", path), /it is a link to a file that does/],
];

function makePipe(path: string): void {
  assert(new Deno.Command("mkfifo", { args: [path] }).outputSync().success);
}

async function assertFails(start: StartOptions, sentence: RegExp, name: string): Promise<void> {
  const ended = await new Deno.Command(start.command, {
    args: [...start.args],
    cwd: start.cwd,
    env: cleanEnv(start.env),
    clearEnv: true,
    stdin: "null",
    // A server that starts in spite of the mistake fails the test.
    signal: AbortSignal.timeout(MAX_WAIT_MS),
  }).output();
  const { code } = ended;
  const stdout = new TextDecoder().decode(ended.stdout);
  const stderr = new TextDecoder().decode(ended.stderr);
  assertEquals([name, code], [name, 1], stdout + stderr);
  assertEquals(stderr.trim().split("\n").length, 1, `${name}: ${stderr}`);
  assert(!/Uncaught| {4}at /.test(stderr), `${name}: ${stderr}`);
  assertMatch(stderr, sentence, name);
}

for (const { name, env, prepare, sentence } of CASES) {
  Deno.test(`the server reports in one sentence that ${name}`, () =>
    withTempFolder(async (folder) => {
      await prepare?.(folder);
      await assertFails(fromCheckout(folder, [], env), sentence, name);
    }));
}

for (const [file, start] of FILES) {
  Deno.test({
    name: `the server reports that ${file} is not a file, and deletes nothing`,
    ignore: Deno.build.os === "windows",
    fn: () =>
      Promise.all(ENTRIES.map(([name, make, reason]) =>
        withTempFolder(async (folder) => {
          await Deno.mkdir(`${folder}/data/.trash`, { recursive: true });
          make(`${folder}/${file}`);
          const tls = { ELASTIK_TLS_CERT: "own.crt", ELASTIK_TLS_KEY: "own.crt" };
          const program = fromCheckout(folder, [], file === "own.crt" ? tls : {});
          const sentence = new RegExp(`${start.source}.*${reason.source}`);
          await assertFails(program, sentence, `${file}, ${name}`);
          await Deno.lstat(`${folder}/${file}`);
        })
      )).then(() => {}),
  });
}

Deno.test({
  name: "the server reports a key that is not the key of its certificate",
  ignore: !canCertify(),
  fn: () =>
    withTempFolder(async (folder) => {
      const [one, two] = [await certify(folder, "one"), await certify(folder, "two")];
      await Deno.chmod(two.key, 0o600);
      const env = { ELASTIK_TLS_CERT: one.cert, ELASTIK_TLS_KEY: two.key };
      await assertFails(
        fromCheckout(folder, [], env),
        /^Cannot use ELASTIK_TLS_KEY=.*: it is not the key of the certificate/,
        "mismatch",
      );
    }),
});

Deno.test("the server reports that another process has locked the ledger of names", () =>
  withTempFolder(async (folder) => {
    await Deno.mkdir(`${folder}/data`);
    const other = new DatabaseSync(`${folder}/data/.names.db`);
    try {
      other.exec("PRAGMA locking_mode = EXCLUSIVE; CREATE TABLE other (x)");
      await assertFails(
        fromCheckout(folder),
        /^Cannot use the data folder data: another process has locked \.names\.db/,
        "locked",
      );
    } finally {
      other.close();
    }
  }));

Deno.test("the server reports a folder and a port that this user may not use", () =>
  withTempFolder(async (folder) => {
    // Root can access every file unless it runs without capabilities.
    const isRoot = Deno.uid() === 0;
    const asUser = (start: StartOptions): StartOptions =>
      isRoot
        ? {
          ...start,
          command: "setpriv",
          args: [
            "--bounding-set=-all",
            start.command,
            ...start.args,
          ],
        }
        : start;
    await Deno.chmod(folder, 0o755);
    for (const mode of [0o000, 0o555]) {
      await Deno.mkdir(`${folder}/data${mode}`);
      await Deno.chmod(`${folder}/data${mode}`, mode);
      await assertFails(
        asUser(fromCheckout(folder, [], { ELASTIK_DATA: `data${mode}` })),
        /^Cannot use the data folder data\d+: this user cannot read and write it; .*ELASTIK_DATA/,
        `mode ${mode.toString(8)}`,
      );
    }
    await Deno.writeTextFile(`${folder}/.env`, "ELASTIK_TOKEN=a\n");
    await Deno.chmod(`${folder}/.env`, 0o000);
    await assertFails(
      asUser(fromCheckout(folder)),
      /^Cannot read \.env: this user cannot read it/,
      ".env",
    );
  }));

Deno.test("the server reports permissions of deno run that are missing", () =>
  withTempFolder(async (folder) => {
    const env = "--allow-env=ELASTIK_*,HOME,DENO_DIR";
    const read = `--allow-read=data,.env,${ROOT}/lib,${ROOT}/main.ts`;
    const rows: readonly [string, readonly string[]][] = [
      ["no write", [env, read, "--allow-net"]],
      ["no net", [env, read, "--allow-write=data"]],
      ["another address", [env, read, "--allow-write=data", "--allow-net=127.0.0.2"]],
      ["no read", [env, "--allow-read=.env", "--allow-write=data", "--allow-net"]],
      ["no env", [read, "--allow-write=data", "--allow-net"]],
    ];
    for (const [name, permissions] of rows) {
      const start = fromCheckout(folder);
      const rest = start.args.slice(2);
      await assertFails(
        { ...start, args: ["run", "--no-prompt", ...permissions, ...rest] },
        /^Cannot .*(?:permission|--allow-|Requires)/,
        name,
      );
    }
  }));

Deno.test("an IPv6 address works with brackets and without, and odd paths work", () =>
  withTempFolder(async (folder) => {
    for (const [host, data] of [["[::1]", "a b#c%20ü"], ["::1", "--data;x'y"]] as const) {
      const env = { ELASTIK_HOST: host, ELASTIK_DATA: data };
      const program = await startProgram(fromCheckout(folder, [], env));
      try {
        assertMatch(program.url, /^http:\/\/\[::1\]:\d+$/);
        assertEquals(
          (await ask(`${program.url}/home/x`, { method: "PUT", body: "x" })).status,
          201,
        );
        assert((await Deno.stat(`${folder}/${data}/.key`)).isFile);
      } finally {
        await program.stop();
      }
    }
  }));
