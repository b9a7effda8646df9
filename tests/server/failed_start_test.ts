import { assertEquals, assertMatch } from "../support/assert.ts";
import { ConfigError, readConfig } from "../../lib/config.ts";
import { describeStartFailure, ListenError } from "../../lib/server/failed_start.ts";
import { StoreError } from "../../lib/world/store.ts";

const config = readConfig((name) => ({ ELASTIK_PORT: "80", ELASTIK_DATA: "worlds" })[name]);
const node = { ...config, store: "postgres://u:secret@a/n" };

function withCode(code: string, message = "the reason"): Error {
  return Object.assign(new Error(message), { code });
}

Deno.test("describeStartFailure() names the setting to change", () => {
  const rows: [unknown, RegExp][] = [
    [new ConfigError("Cannot use X"), /^Cannot use X$/],
    [
      new ListenError(new Deno.errors.AddrInUse("x")),
      /^Cannot listen on 127\.0\.0\.1:80: .* ELASTIK_PORT/,
    ],
    [new ListenError(new Deno.errors.PermissionDenied("x")), /ports below 1024; set ELASTIK_PORT/],
    [new ListenError(new Deno.errors.NotCapable("x")), /--allow-net$/],
    [new ListenError(new Deno.errors.AddrNotAvailable("x")), /set ELASTIK_HOST to one that is/],
    [
      new ListenError(new Error("failed to lookup address")),
      /name cannot be resolved; set ELASTIK_HOST/,
    ],
    [new ListenError("x"), /: x; set ELASTIK_HOST and ELASTIK_PORT/],
    [withCode("ENOSPC"), /^Cannot use the data folder worlds: the disk is full; .*ELASTIK_DATA/],
    [withCode("EDQUOT"), /the disk is full/],
    [new Error("database is locked"), /another process has locked \.names\.db or a world in it/],
    [withCode("EROFS"), /the disk is read-only; .*ELASTIK_DATA/],
    [withCode("ENOTDIR"), /it is a file .*ELASTIK_DATA/],
    [withCode("ELOOP"), /its path cannot be used \(the reason\); .*ELASTIK_DATA/],
    [new Deno.errors.PermissionDenied("x"), /this user cannot read and write it; .*ELASTIK_DATA/],
    [
      new Deno.errors.NotCapable("Requires read access"),
      /^Cannot start: Requires read access; add it/,
    ],
    [new Error("first\nsecond"), /^Cannot start with the data folder worlds: first$/],
    ["text", /^Cannot start with the data folder worlds: text$/],
  ];
  for (const [error, sentence] of rows) assertMatch(describeStartFailure(error, config), sentence);
  // Also a message that has words of a full or read-only disk.
  for (const code of ["unreachable", "full", "read-only"] as const) {
    const text = describeStartFailure(new StoreError(code, `${code} disk is full`), node);
    assertEquals(text, `Cannot start with the store postgres://u@a:5432/n: ${code} disk is full`);
  }
  assertEquals(
    describeStartFailure("text", node),
    "Cannot start with the store postgres://u@a:5432/n: text",
  );
  assertEquals(describeStartFailure(new Error("x"), undefined), "Cannot read the settings: x");
});

Deno.test("describeStartFailure() returns one line without control characters", () => {
  const text = describeStartFailure(new ConfigError("Cannot use a\u001b[2J\nb"), config);
  assertEquals(text, "Cannot use a?[2J?b");
});
