import { assert, assertEquals, assertThrows } from "../../support/assert.ts";
import { formatHost, parseStoreUrl, StoreUrlError } from "../../../lib/world/postgres/store_url.ts";

Deno.test("parseStoreUrl() reads hosts, ports, names and parameters", () => {
  const store = parseStoreUrl(
    "postgres://us%40er:p%2Fw%3F@db1:5433,[2001:db8::1]:6000,10.0.0.2,[::1]/na%20me" +
      "?sslmode=verify-ca&sslrootcert=%2Fca.pem&sslcert=c.pem&sslkey=k.pem&target_session_attrs=read-write",
  );
  assertEquals(store.hosts, [
    { host: "db1", port: 5433 },
    { host: "2001:db8::1", port: 6000 },
    { host: "10.0.0.2", port: 5432 },
    { host: "::1", port: 5432 },
  ]);
  assertEquals([store.user, store.password, store.database], ["us@er", "p/w?", "na me"]);
  assertEquals(store.tls, "verify-ca");
  assertEquals(store.tlsFiles, { rootCertificate: "/ca.pem", certificate: "c.pem", key: "k.pem" });
});

Deno.test("parseStoreUrl() accepts the folder of a Unix socket", () => {
  const store = parseStoreUrl("postgresql://elastik@%2Fvar%2Frun%2Fpostgresql/elastik");
  assertEquals(store.hosts, [{ host: "/var/run/postgresql", port: 5432 }]);
  assertEquals([store.tls, store.password], ["disable", undefined]);
  const [host] = store.hosts;
  assert(host !== undefined);
  // People read a folder; an address, which can be used again, has it encoded.
  assertEquals(formatHost(host), "/var/run/postgresql:5432");
  assertEquals(`${store}`, "postgres://elastik@%2Fvar%2Frun%2Fpostgresql:5432/elastik");
  assertEquals(formatHost({ host: "/a b\n%c:d", port: 1 }), "/a%20b%0A%c:d:1");
});

Deno.test("parseStoreUrl() verifies the certificate of another computer by default", () => {
  for (
    const [rest, mode] of [
      ["db1/n", "verify-full"],
      ["127.0.0.1,db1/n", "verify-full"],
      ["127.0.0.1,[::1]:1,localhost/n", "disable"],
      ["127.0.0.1/n?sslrootcert=ca.pem", "verify-full"],
      ["127.0.0.1.example/n", "verify-full"],
      ["db1/n?sslmode=require", "require"],
      ["db1/n?sslmode=no-verify", "require"],
      ["db1/n?sslmode=require&sslrootcert=ca.pem", "verify-ca"],
      ["db1/n?sslmode=disable", "disable"],
    ] as const
  ) assertEquals(parseStoreUrl(`postgres://u@${rest}`).tls, mode, rest);
});

Deno.test("parseStoreUrl() says what is wrong with an address", () => {
  const max = "n".repeat(63);
  assertEquals(parseStoreUrl(`postgres://u@h:65535/${max}`).database, max);
  for (
    const [text, reason] of [
      ["mysql://u@h/n", /postgres:\/\//],
      ["u@h/n", /postgres:\/\//],
      ["postgres://h/n", /no user/],
      ["postgres://:pw@h/n", /no user/],
      ["postgres://u@h", /no database/],
      ["postgres://u@h/", /no database/],
      ["postgres://u@h/a/b", /unencoded|slash/],
      ["postgres://u@h/a%2Fb", /slash/],
      [`postgres://u@h/${max}n`, /63/],
      ["postgres://u@/n", /host 1 has no name/],
      ["postgres://u@h,,i/n", /host 2 has no name/],
      ["postgres://u@h:0/n", /port of host 1/],
      ["postgres://u@h,i:65536/n", /port of host 2/],
      ["postgres://u@h:x/n", /port/],
      ["postgres://u@[h]/n", /IPv6/],
      ["postgres://u@::1/n", /host 1/],
      ["postgres://u@h%20x/n", /host 1/],
      ["postgres://u@h /n", /space/],
      ["postgres://u@h/n?sslmode=prefer", /sslmode/],
      ["postgres://u@h/n?sslmode=constructor", /sslmode/],
      ["postgres://u@h/n?sslmode=disable&sslrootcert=a", /TLS/],
      ["postgres://u@h/n?sslcert=a", /together/],
      ["postgres://u@h/n?sslmode=require&sslmode=require", /twice/],
      ["postgres://u@h/n?options=x", /options is unknown/],
      ["postgres://u@h/n?target_session_attrs=standby", /target_session_attrs/],
      ["postgres://u@h/n?a?b", /unencoded/],
      ["postgres://u@h/n#x", /unencoded/],
      ["postgres://u%@h/n", /percent/],
      ["postgres://u%00@h/n", /U\+0000/],
      ["postgres://u@h\n/n", /control/],
    ] as const
  ) {
    assertThrows(() => parseStoreUrl(text), (error: unknown) => {
      assert(error instanceof StoreUrlError && reason.test(error.message), `${text}: ${error}`);
      return true;
    });
  }
});

Deno.test("no error and no text of an address contains the password", () => {
  const secret = "tell-no-one";
  for (
    const text of [
      `postgres://u:${secret}@`,
      `postgres://u:${secret}@h:x/n`,
      `postgres://u:${secret}/x@h/n`,
      `postgres://u:x/${secret}@h/n`,
      `postgres://u:x?${secret}@h/n`,
      `postgres://u:x?${secret}=@h/n`,
      `postgres://u:x#${secret}@h/n`,
      `postgres://u:x@${secret}@h/n?what=1`,
      `postgres://u:${secret}%@h/n`,
      `postgres://u:${secret}%00@h/n`,
      `postgres:/u:${secret}@h/n`,
    ]
  ) {
    assertThrows(() => parseStoreUrl(text), (error: unknown) => {
      assert(error instanceof StoreUrlError && !error.message.includes(secret), `${error}`);
      return true;
    });
  }
  const store = parseStoreUrl(`postgres://u:${secret}@h,i:1/n`);
  for (const text of [`${store}`, JSON.stringify({ store }), Deno.inspect(store)]) {
    assert(!text.includes(secret), text);
  }
  assertEquals(`${store}`, "postgres://u@h:5432,i:1/n");
});
