import { parsePropfind } from "../../../lib/dav/properties/propfind_request.ts";
import { parseXml } from "../../../lib/dav/xml/xml_reader.ts";
import { Problem } from "../../../lib/http/problem.ts";
import { assertEquals, assertThrows } from "../../support/assert.ts";

function parse(children: string, root = "propfind") {
  const text = `<D:${root} xmlns:D="DAV:" xmlns:o="urn:o">${children}</D:${root}>`;
  return parsePropfind(parseXml(new TextEncoder().encode(text)));
}

Deno.test("parsePropfind() requests all properties if the body is empty", () => {
  assertEquals(parsePropfind(undefined), { kind: "allprop", include: [] });
});

Deno.test("parsePropfind() parses the three forms of RFC 4918 §14.20", () => {
  assertEquals(parse("<D:propname/>"), { kind: "propname" });
  assertEquals(parse("<D:allprop/>"), { kind: "allprop", include: [] });
  assertEquals(parse("<D:allprop/><D:include><o:a/></D:include>"), {
    kind: "allprop",
    include: [{ ns: "urn:o", name: "a" }],
  });
  assertEquals(parse("<D:prop><D:a/><o:a/><D:a/></D:prop>"), {
    kind: "prop",
    names: [{ ns: "DAV:", name: "a" }, { ns: "urn:o", name: "a" }],
  });
});

Deno.test("parsePropfind() throws bad-body for another root, no form, two forms and 129 names", () => {
  const names = (count: number) =>
    `<D:prop>${Array.from({ length: count }, (_, i) => `<o:n${i}/>`).join("")}</D:prop>`;
  assertEquals(parse(names(128)).kind, "prop");
  const invalid: readonly (readonly [children: string, root?: string])[] = [
    ["<D:propname/>", "propertyupdate"],
    [""],
    ["<D:propname/><D:allprop/>"],
    ["<propname/>"],
    [names(129)],
  ];
  for (const [children, root] of invalid) {
    assertThrows(
      () => parse(children, root),
      (error) => error instanceof Problem && error.type === "bad-body",
      children.slice(0, 100),
    );
  }
});
