import { assert, assertEquals, assertMatch, assertStrictEquals } from "../support/assert.ts";
import {
  flagParameter,
  isPageRequest,
  numberParameter,
  queryFault,
  type RouteQuery,
  textParameter,
} from "../../lib/http/query_parameters.ts";

const ROUTE: RouteQuery = {
  methods: {
    GET: [
      flagParameter("raw"),
      { ...numberParameter("at", "a version, such as ?at=3"), excludes: ["v"] },
      numberParameter("v", "a version, such as ?v=3"),
      { ...flagParameter("secret"), hidden: true },
    ],
    PUT: [textParameter("ext")],
    POST: [textParameter("ext")],
  },
  similar: { paths: "collections", methods: { GET: [flagParameter("deep")] } },
};
const fault = (query: string, method = "GET") => queryFault(query, method, ROUTE);

Deno.test("flagParameter() takes no value, or one that means true", () => {
  const { isValid } = flagParameter("raw");
  assertEquals(["", "1", "true"].map(isValid), [true, true, true]);
  assertEquals(["0", "false", "TRUE", "yes", " "].map(isValid), [
    false,
    false,
    false,
    false,
    false,
  ]);
});

Deno.test("numberParameter() takes whole numbers within its limits only", () => {
  const { isValid } = numberParameter("limit", "", 1, 100);
  for (const text of ["1", "100", "007"]) assert(isValid(text), text);
  for (
    const text of ["0", "101", "-1", "1.5", "1e1", "0x1", "", " 1", "１", "1,1", "9".repeat(16)]
  ) {
    assert(!isValid(text), text);
  }
});

Deno.test("textParameter() takes any value", () => {
  assertEquals(["", "x", "/home/é"].map(textParameter("prefix").isValid), [true, true, true]);
});

Deno.test("queryFault() allows the parameters of the method, once each and in any order", () => {
  const allowed = [
    "",
    "&",
    "&&raw&",
    "raw",
    "raw=",
    "raw=1",
    "at=3&raw",
    "raw&v=0",
    "at=%33",
    "secret",
  ];
  for (const query of allowed) {
    assertStrictEquals(fault(query), undefined, query);
    assertStrictEquals(fault(query, "HEAD"), undefined, query);
  }
  assertStrictEquals(fault("ext=", "PUT"), undefined);
  assertStrictEquals(fault("ext=a%2Fb", "POST"), undefined);
});

Deno.test("queryFault() names the unknown parameter and the known ones", () => {
  const takes = "GET takes ?raw, ?at and ?v";
  assertStrictEquals(fault("rwa"), `?rwa is unknown, perhaps ?raw was meant; ${takes}`);
  assertStrictEquals(fault("RAW"), `?RAW is unknown, perhaps ?raw was meant; ${takes}`);
  assertStrictEquals(fault("raw&format=html"), `?format is unknown; ${takes}`);
  assertStrictEquals(fault("x"), `?x is unknown; ${takes}`);
  assertStrictEquals(fault("%72aw"), `?%72aw is unknown; ${takes}`);
  assertStrictEquals(fault("raw;at=1"), `?raw;at is unknown; ${takes}`);
  assertStrictEquals(fault("raw%20=1")?.startsWith("?raw%20 is unknown"), true);
  assertStrictEquals(fault("=x"), `a parameter has no name; ${takes}`);
  assertStrictEquals(fault("at", "DELETE"), "?at is for GET; DELETE takes no parameters");
  assertStrictEquals(fault("ext=md"), `?ext is for PUT and POST; ${takes}`);
  assertStrictEquals(fault("deep"), `?deep is for GET of collections; ${takes}`);
  assertStrictEquals(fault("x", "constructor"), "?x is unknown; constructor takes no parameters");
  assertStrictEquals(fault("toString"), `?toString is unknown; ${takes}`);
});

Deno.test("queryFault() has the same text for HEAD as for GET", () => {
  for (const query of ["rwa", "ext=md", "raw&raw", "at=x"]) {
    assertStrictEquals(fault(query, "HEAD"), fault(query, "GET"));
  }
});

Deno.test("queryFault() refuses a parameter that was sent twice", () => {
  for (const query of ["at=1&at=2", "at=1&at=1", "raw&raw", "raw&raw=1"]) {
    assertMatch(fault(query) ?? "", /^\?(?:at|raw) was sent twice; send it once$/);
  }
  assertStrictEquals(fault("ext=md&ext=html", "PUT"), "?ext was sent twice; send it once");
});

Deno.test("queryFault() says what a value must be", () => {
  assertStrictEquals(fault("at=x"), "?at=x is not valid; send a version, such as ?at=3");
  assertStrictEquals(fault("v"), "?v= is not valid; send a version, such as ?v=3");
  assertStrictEquals(
    fault("raw=false"),
    "?raw=false is not valid; send ?raw without a value, or leave it out",
  );
  for (const broken of ["%", "%zz", "%ff", "%C0%AF"]) {
    assertMatch(fault(`ext=${broken}`, "PUT") ?? "", /the percent escapes in \?ext are malformed/);
  }
});

Deno.test("queryFault() refuses parameters that exclude each other, in any order", () => {
  for (const query of ["at=1&v=1", "v=1&raw&at=1"]) {
    assertStrictEquals(fault(query), "?at and ?v exclude each other; send one of them");
  }
});

Deno.test("queryFault() quotes at most 40 characters of what was sent", () => {
  const long = "n".repeat(5000);
  for (const query of [long, `at=${long}`, `raw=${long}`, `raw&${long}=1`]) {
    assert((fault(query) ?? "").length < 150, query.slice(0, 10));
  }
});

Deno.test("isPageRequest() recognizes the navigation of a browser only", () => {
  for (const accept of ["text/html", "text/html,*/*;q=0.8", " Text/HTML ;q=0.9, */*"]) {
    assertEquals([isPageRequest("GET", accept), isPageRequest("HEAD", accept)], [true, true]);
    for (const method of ["PUT", "POST", "DELETE", "PROPFIND"]) {
      assertStrictEquals(isPageRequest(method, accept), false);
    }
  }
  for (const accept of [null, "", "*/*", "application/json, text/html", "text/htmlx", "text/*"]) {
    assertStrictEquals(isPageRequest("GET", accept), false);
  }
});
