import { assert, assertEquals, assertMatch } from "../../support/assert.ts";
import { formatExplanation } from "../../../lib/cli/commands/mint.ts";
import { createClosedUrl, startImpostor } from "../client/impostor.ts";
import { canCertify, openssl } from "../../support/certificate.ts";
import { APPROVE, bearer, CLOSED, TOKEN, withServer } from "../../support/test_server.ts";
import { ask, fromCheckout, runProgram, startProgram } from "../../project/program.ts";
import { withTempFolder } from "../../support/temp_folder.ts";

Deno.test("mint prints only the token, which allows what was requested", () =>
  withServer({ env: CLOSED }, (server) =>
    withTempFolder(async (folder) => {
      const url = `http://127.0.0.1:${server.port}`;
      const mint = (...args: string[]) =>
        runProgram(
          fromCheckout(folder, ["mint", ...args, "--url", url], { ELASTIK_APPROVE_TOKEN: APPROVE }),
        );
      const whoami = async (token: string) =>
        JSON.parse((await ask(`${url}/auth/whoami`, { headers: bearer(token) })).text);
      const rows: readonly [string[], string, string, number][] = [
        [["home/scratch"], "/home/scratch", "rw", 3600],
        [["/home/a b/ü", "--ttl", "15m", "--mode=r"], "/home/a b/ü", "r", 900],
        [["/home/x/", "--ttl=7d"], "/home/x", "rw", 604_800],
        [["/home/x", "--mode", "rwd", "--name=kestrel"], "/home/x", "rwd", 3600],
      ];
      for (const [args, prefix, mode, ttl] of rows) {
        const { code, stdout, stderr } = await mint(...args);
        assertEquals(code, 0, stderr);
        assertMatch(stdout, /^[\w-]+\.[\w-]+\n$/);
        assertEquals(stderr, "");
        const described = await whoami(stdout.trim());
        assertEquals([described.prefix, described.mode], [prefix, mode]);
        const name = args.includes("--name=kestrel") ? ["kestrel"] : [];
        assertEquals(described.names, name);
        assert(described.ttl_sec > ttl - 20 && described.ttl_sec <= ttl, String(described.ttl_sec));
      }
      const refused: readonly [string[], number, RegExp][] = [
        [[], 2, /^Cannot run mint with 0 arguments: it takes <prefix>/],
        [["/home/x", "--ttl", "soon"], 2, /^Cannot run mint: --ttl is soon; a duration/],
        [["/home/x", "--mode", "w"], 2, /^Cannot run mint: --mode is w; r, rw or rwd/],
        [["/home/x", "--name", "a/b"], 2, /^Cannot run mint: --name is a\/b; 1 to 64 letters/],
        [["/home/../etc"], 1, /^Cannot create a capability: \?prefix= is not a canonical/],
        [["/home/x", "--ttl", "9999d"], 2, /ttl/],
      ];
      for (const [args, code, says] of refused) {
        const ran = await mint(...args);
        assertEquals(ran.code, code, ran.stderr);
        assertEquals(ran.stdout, "");
        assertMatch(ran.stderr, says);
      }
      const lesser = await runProgram(
        fromCheckout(folder, ["mint", "/home/x", "--url", url], { ELASTIK_APPROVE_TOKEN: TOKEN }),
      );
      assertEquals(lesser.code, 1);
      assertMatch(lesser.stderr, /T3 is required/);
      server.assertNoSecret(lesser.stderr, "mint");
    })));

Deno.test("mint uses the stored token of a new server, and sends it to no other", () =>
  withTempFolder(async (folder) => {
    const program = await startProgram(fromCheckout(folder));
    const port = new URL(program.url).port;
    const minted = await runProgram(
      fromCheckout(folder, ["mint", "/home/x"], { ELASTIK_PORT: port }),
    );
    const elsewhere = await runProgram({
      ...fromCheckout(folder, ["mint", "/home/x"], { ELASTIK_PORT: port, ELASTIK_DATA: "other" }),
    });
    const { pid } = JSON.parse((await ask(`${program.url}/proc/status`)).text);
    await program.stop();
    assertEquals(minted.code, 0, minted.stderr);
    assertEquals(elsewhere.code, 2);
    assertMatch(
      elsewhere.stderr,
      /^Cannot run mint: ELASTIK_APPROVE_TOKEN is not set, .* stores none in other\//,
    );
    const impostor = startImpostor(() => Response.json({ pid, token: "a.b" }));
    const ran = await runProgram(fromCheckout(folder, ["mint", "/home/x", "--url", impostor.url]));
    await impostor.stop();
    assertEquals(ran.code, 2);
    assertEquals(impostor.requests.filter(({ credential }) => credential !== null), []);
  }));

Deno.test("mint exits with 3 if no server answers, and prints no malformed token", () =>
  withTempFolder(async (folder) => {
    const env = { ELASTIK_APPROVE_TOKEN: APPROVE };
    const away = await runProgram(
      fromCheckout(folder, ["mint", "x", "--url", createClosedUrl()], env),
    );
    assertEquals(away.code, 3);
    assertMatch(away.stderr, /^Cannot reach /);
    const impostor = startImpostor(() => Response.json({ token: "$(reboot)\n" }));
    const odd = await runProgram(fromCheckout(folder, ["mint", "x", "--url", impostor.url], env));
    await impostor.stop();
    assertEquals([odd.code, odd.stdout], [1, ""]);
  }));

const NO_OPENSSL = canCertify() ? "" : " (skipped: no openssl here)";

Deno.test({
  name: `mint trusts a self-signed server by the certificate in its settings${NO_OPENSSL}`,
  ignore: NO_OPENSSL !== "",
  fn: () =>
    withTempFolder(async (folder) => {
      const { cert, key } = { cert: `${folder}/own.crt`, key: `${folder}/own.key` };
      await openssl([
        ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"],
        ...["-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=localhost"],
        // Deno does not accept the certificate of an authority as that of a server.
        ...["-addext", "basicConstraints=critical,CA:FALSE"],
        ...["-addext", "subjectAltName=IP:127.0.0.1"],
      ]);
      const tls = { ELASTIK_TLS_CERT: cert, ELASTIK_TLS_KEY: key };
      const program = await startProgram(fromCheckout(folder, [], tls));
      const port = { ELASTIK_PORT: new URL(program.url).port };
      const own = await runProgram(fromCheckout(folder, ["mint", "x"], { ...tls, ...port }));
      const untrusted = await runProgram(fromCheckout(folder, ["mint", "x", "--url", program.url]));
      await program.stop();
      assertEquals(own.code, 0, own.stderr);
      assertMatch(own.stdout, /^[\w-]+\.[\w-]+\n$/);
      assertEquals(untrusted.code, 3);
      assertMatch(untrusted.stderr, /^Cannot reach https:.*certificate/i);
    }),
});

Deno.test("formatExplanation() states what a token allows, its lifetime, its use and its end", () => {
  const id = "1764293412345-9f3ac04be1d27a55";
  const text = formatExplanation("http://x:1", {
    path: "/home/a b",
    access: "read",
    ttl: 5400,
    id,
  });
  assertMatch(
    text,
    /^This token can read \/home\/a b and everything below it for 90 minutes\.$/m,
  );
  assertMatch(
    text,
    /^ {2}curl http:\/\/x:1\/home\/a%20b\/ -H 'Authorization: Bearer <the token>'$/m,
  );
  assertMatch(
    text,
    /^To end it before it expires, add its id to \/etc\/revoked: 1764293412345-9f/m,
  );
});
