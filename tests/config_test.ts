import { assert, assertEquals, assertStrictEquals, assertThrows } from "./support/assert.ts";
import { ConfigError, isLoopbackHost, readConfig } from "../lib/config.ts";
import { PUBLIC_SETTINGS, SETTINGS } from "../lib/settings.ts";
import {
  CACHE_BYTES,
  HISTORY_BYTES,
  HISTORY_VERSIONS,
  MAX_BODY_BYTES,
  MAX_WORLD_BYTES,
} from "../lib/limits.ts";

function read(settings: Record<string, string>) {
  return readConfig((name) => settings[name]);
}

function assertRefused(settings: Record<string, string>, words: RegExp): void {
  assertThrows(
    () => read(settings),
    (error: unknown) => error instanceof ConfigError && words.test(error.message),
    JSON.stringify(settings),
  );
}

Deno.test("readConfig() without settings listens on loopback without tokens", () => {
  const config = read({});
  const expected = {
    host: "127.0.0.1",
    port: 3005,
    data: "data",
    trustFrom: [],
    allowedHosts: [],
    maxBodyBytes: MAX_BODY_BYTES,
    maxLocksPerCredential: 1000,
    maxWorldBytes: MAX_WORLD_BYTES,
    history: { versions: HISTORY_VERSIONS, bytes: HISTORY_BYTES },
    cacheBytes: CACHE_BYTES,
    sync: "full",
    writers: 2,
  };
  assertEquals({ ...config, ...expected }, config);
  assertEquals([config.token, config.approveToken, config.key], [
    undefined,
    undefined,
    undefined,
  ]);
  assertStrictEquals(MAX_BODY_BYTES, 5 * 1024 * 1024);
});

Deno.test("readConfig() reads every setting", () => {
  const config = read({
    ELASTIK_TOKEN: "t2",
    ELASTIK_APPROVE_TOKEN: "t3",
    ELASTIK_KEY: "key",
    ELASTIK_HOST: "0.0.0.0",
    ELASTIK_PORT: "0",
    ELASTIK_DATA: "/srv/worlds",
    ELASTIK_TRUST_PROXY_HEADER: "X-Forwarded-For",
    ELASTIK_TRUST_PROXY_FROM: "127.0.0.1, 10.0.0.0/8",
    ELASTIK_HOSTS: "box.lan, ,other.lan:80",
    ELASTIK_MAX_BODY: "10",
    ELASTIK_MAX_WORLD: "20",
    ELASTIK_HISTORY: "5:1000",
    ELASTIK_CACHE: "30",
    ELASTIK_SYNC: "NORMAL",
    ELASTIK_WRITERS: "4",
  });
  const expected = {
    token: "t2",
    approveToken: "t3",
    key: "key",
    host: "0.0.0.0",
    port: 0,
    data: "/srv/worlds",
    trustHeader: "X-Forwarded-For",
    trustFrom: ["127.0.0.1", "10.0.0.0/8"],
    allowedHosts: ["box.lan", "other.lan:80"],
    maxBodyBytes: 10,
    maxLocksPerCredential: 1000,
    maxWorldBytes: 20,
    history: { versions: 5, bytes: 1000 },
    cacheBytes: 30,
    sync: "normal",
    writers: 4,
  };
  assertEquals({ ...config, ...expected }, config);
});

Deno.test("readConfig() throws for an invalid value with the setting, the value and what is valid", () => {
  for (const value of ["x", "-1", "1.5", "1e3", "0x10", " 1", "65536", "99999999999999999999"]) {
    assertRefused({ ELASTIK_PORT: value }, new RegExp(`ELASTIK_PORT="${value}": a whole number`));
  }
  for (
    const name of ["ELASTIK_MAX_BODY", "ELASTIK_MAX_WORLD", "ELASTIK_CACHE", "ELASTIK_WRITERS"]
  ) {
    assertRefused({ [name]: "5MB" }, new RegExp(name));
    assertRefused({ [name]: "9007199254740993" }, new RegExp(name));
  }
  assertRefused({ ELASTIK_WRITERS: "65" }, /at most 64/);
  assertRefused({ ELASTIK_SYNC: "off" }, /full or normal/);
  assertRefused({ ELASTIK_LOG: "verbose" }, /off or line or json/);
  for (const value of ["all", "-1", "1:", ":1", "1:2:3", "1.5"]) {
    assertRefused({ ELASTIK_HISTORY: value }, /versions:bytes/);
  }
});

Deno.test("readConfig() accepts 0 as no history, and uses at least one writer", () => {
  assertEquals(read({ ELASTIK_HISTORY: "0" }).history, { versions: 0, bytes: HISTORY_BYTES });
  assertEquals(read({ ELASTIK_WRITERS: "0" }).writers, 1);
});

Deno.test("readConfig() reads how long deleted worlds are kept, and refuses no time", () => {
  const HOUR_MS = 3_600_000;
  const rows: readonly (readonly [Record<string, string>, number | undefined])[] = [
    [{}, 30 * 24 * HOUR_MS],
    [{ ELASTIK_TRASH: "90m" }, 1.5 * HOUR_MS],
    [{ ELASTIK_TRASH: "12h" }, 12 * HOUR_MS],
    [{ ELASTIK_TRASH: "1" }, 1000],
    [{ ELASTIK_TRASH: "999999999d" }, 999_999_999 * 24 * HOUR_MS],
    [{ ELASTIK_TRASH: "never" }, undefined],
  ];
  for (const [settings, expected] of rows) assertStrictEquals(read(settings).trashMs, expected);
  for (const value of ["0", "0d", "-1", "-30d", "1.5h", "off", "30 d", "30w", "Never", "1e3"]) {
    assertRefused({ ELASTIK_TRASH: value }, /ELASTIK_TRASH=".*": a time such as 30d/);
  }
});

Deno.test("readConfig() rejects a reachable address until both tokens are set", () => {
  const both = { ELASTIK_TOKEN: "a", ELASTIK_APPROVE_TOKEN: "b" };
  for (
    const host of [
      "0.0.0.0",
      "::",
      "192.168.1.2",
      "box.lan",
      "127.0.0.1.nip.io",
      "localhost.x",
    ]
  ) {
    assertRefused({ ELASTIK_HOST: host }, /needs ELASTIK_TOKEN and ELASTIK_APPROVE_TOKEN/);
    assertRefused({ ELASTIK_HOST: host, ELASTIK_TOKEN: "a" }, /set both/);
    assertRefused({ ELASTIK_HOST: host, ELASTIK_APPROVE_TOKEN: "b" }, /set both/);
    assertStrictEquals(read({ ELASTIK_HOST: host, ...both }).host, host);
  }
  for (const host of ["127.0.0.1", "127.1.2.3", "::1", "localhost"]) {
    assertStrictEquals(read({ ELASTIK_HOST: host }).host, host);
  }
  assertStrictEquals(read({ ELASTIK_HOST: "[::1]" }).host, "::1");
  for (
    const host of ["[::1", "[127.0.0.1]", "http://localhost", "localhost:80", "a b", "fe80::1%2"]
  ) {
    assertRefused({ ELASTIK_HOST: host, ...both }, /IP address or a host name/);
  }
  for (const secret of ["ELASTIK_TOKEN", "ELASTIK_APPROVE_TOKEN", "ELASTIK_KEY"]) {
    assertRefused({ [secret]: "" }, /empty/);
    assertRefused({ [secret]: "a\n" }, /control character/);
  }
});

Deno.test("readConfig() never includes a secret in an error", () => {
  assertThrows(
    () => read({ ELASTIK_TOKEN: "s3cret", ELASTIK_KEY: "k3y", ELASTIK_HOST: "0.0.0.0" }),
    (error: unknown) => error instanceof ConfigError && !/s3cret|k3y/.test(error.message),
  );
});

Deno.test("readConfig() refuses a value that contains another setting, and does not quote it", () => {
  for (const name of ["ELASTIK_PORT", "ELASTIK_DATA", "ELASTIK_TOKEN", "ELASTIK_HOSTS"]) {
    assertThrows(
      () => read({ [name]: "3005 ELASTIK_APPROVE_TOKEN=s3cret" }),
      (error: unknown) => error instanceof ConfigError && !/s3cret/.test(error.message),
    );
  }
  read({ ELASTIK_DATA: "elastik_data" });
});

Deno.test("readConfig() takes any role in an address, and no other setting after it", () => {
  for (
    const role of ["elastik", "elastik_node", "ELASTIK_NODE", "app_elastik_owner", "a.elastik_"]
  ) {
    for (const password of ["", ":pw", ":elastik_pw", ":a:b"]) {
      const address = `postgres://${role}${password}@db1:5432,db2/elastik`;
      assertEquals(read({ ELASTIK_STORE: address }).store, address);
      for (const glued of ["ELASTIK_KEY=s3cret", " ELASTIK_KEY=s3cret", " ELASTIK_KEY: s3cret"]) {
        assertRefused({ ELASTIK_STORE: address + glued }, /contains another setting/);
      }
    }
  }
  assertRefused({ ELASTIK_STORE: "postgres://dbELASTIK_KEY=s3cret" }, /contains another setting/);
});

Deno.test("isLoopbackHost() accepts addresses that only this computer reaches", () => {
  for (const host of ["127.0.0.1", "127.255.0.9", "::1", "localhost"]) {
    assert(isLoopbackHost(host), host);
  }
  for (const host of ["0.0.0.0", "::", "128.0.0.1", "127.1", "localhost.", "LOCALHOST.evil", ""]) {
    assert(!isLoopbackHost(host), host);
  }
});

Deno.test("PUBLIC_SETTINGS contains no setting with a secret value", () => {
  for (const name of PUBLIC_SETTINGS) {
    assert(name in SETTINGS, name);
    assert(!/TOKEN|KEY|TRUST|HOSTS/.test(name), name);
  }
});

Deno.test("readConfig() reads all SETTINGS and no other variable", () => {
  const names = new Set<string>();
  readConfig((name) => {
    names.add(name);
    return undefined;
  });
  assertEquals([...names].sort(), Object.keys(SETTINGS).sort());
});

Deno.test("readEnvironment() uses .env of the working folder for unset variables", async () => {
  const folder = await Deno.makeTempDir({ prefix: "elastik-test-" });
  try {
    await Deno.writeTextFile(
      `${folder}/.env`,
      "# tokens\nELASTIK_TOKEN='from the file'\nELASTIK_KEY=file key\nOTHER=\n",
    );
    const module = import.meta.resolve("../lib/config.ts");
    const program = `const { readEnvironment } = await import(${JSON.stringify(module)});
      const env = await readEnvironment();
      const names = ["ELASTIK_TOKEN", "ELASTIK_KEY", "OTHER", "ELASTIK_PORT"];
      console.log(JSON.stringify(names.map((name) => env(name) ?? null)));`;
    await Deno.writeTextFile(`${folder}/program.ts`, program);
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-config", "program.ts"],
      cwd: folder,
      env: { ELASTIK_KEY: "real key", NO_COLOR: "1" },
    }).output();
    assertEquals(code, 0, new TextDecoder().decode(stderr));
    assertEquals(JSON.parse(new TextDecoder().decode(stdout)), [
      "from the file",
      "real key",
      null,
      null,
    ]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
