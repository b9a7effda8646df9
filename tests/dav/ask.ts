/**
 * Short functions that send WebDAV requests to a test app, by default as T3, and parse the XML of
 * the responses.
 */

import { assertEquals, assertStrictEquals } from "../support/assert.ts";
import { childElements, findDavChild, parseXml } from "../../lib/dav/xml/xml_reader.ts";
import { toNameKey, type XmlElement } from "../../lib/dav/xml/xml_writer.ts";
import type { TestApp } from "../support/app.ts";
import { APPROVE, basic } from "../support/test_server.ts";

/** A response with its complete body. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

/** Sends a request and asserts the status of its response. */
export type Ask = (
  line: string,
  status: number,
  headers?: Readonly<Record<string, string>>,
  body?: string | Uint8Array<ArrayBuffer>,
) => Promise<Answer>;

/** Headers of a request as T3, as WebDAV clients send them. */
export const T3: Readonly<Record<string, string>> = basic("anyone", APPROVE);

/** Returns {@link Ask} for an app; as T3 unless `authorization` is given (`""` sends none). */
export function createAsk({ ask }: TestApp): Ask {
  return async (line, status, sent = {}, body) => {
    const space = line.indexOf(" ");
    const headers = new Headers({ ...T3, ...sent });
    if (headers.get("authorization") === "") headers.delete("authorization");
    const answer = await ask(line.slice(0, space), line.slice(space + 1), {
      headers,
      ...(body === undefined ? {} : { body }),
    });
    const text = await answer.text();
    assertStrictEquals(answer.status, status, `${line}: ${text.slice(0, 400)}`);
    return { status: answer.status, headers: answer.headers, text };
  };
}

/** One `DAV:response`: for each status, the properties as XML by name. */
export interface Resource {
  readonly href: string;
  readonly status: string | undefined;
  readonly properties: Readonly<Record<string, ReadonlyMap<string, XmlElement>>>;
}

/** Parses a multi-status response. */
export function resources(text: string): Resource[] {
  const root = parseXml(new TextEncoder().encode(text), Infinity);
  assertEquals(toNameKey(root), "{DAV:}multistatus");
  return childElements(root).map((response) => {
    const properties: Record<string, ReadonlyMap<string, XmlElement>> = {};
    for (const propstat of childElements(response).filter(({ name }) => name === "propstat")) {
      const prop = findDavChild(propstat, "prop");
      const found = prop === undefined ? [] : childElements(prop);
      properties[statusOf(findDavChild(propstat, "status"))] = new Map(
        found.map((element) => [toNameKey(element), element]),
      );
    }
    const status = findDavChild(response, "status");
    return {
      href: textOf(findDavChild(response, "href")),
      status: status === undefined ? undefined : statusOf(status),
      properties,
    };
  });
}

/** Returns the hrefs of a multi-status response. */
export function hrefs({ text }: Answer): string[] {
  return resources(text).map(({ href }) => href);
}

/** Returns a live property of the first resource as text; `undefined` if it is absent. */
export function live(answer: Answer, name: string): string | undefined {
  const found = resources(answer.text)[0]?.properties["200"]?.get(`{DAV:}${name}`);
  return found === undefined ? undefined : textOf(found);
}

/** Returns all text in an element. */
export function textOf(element: XmlElement | undefined): string {
  if (element === undefined) return "";
  return element.children.map((child) => typeof child === "string" ? child : textOf(child)).join(
    "",
  );
}

/** Returns a PROPFIND body for these names in the DAV: namespace. */
export function propBody(...names: readonly string[]): string {
  const properties = names.map((name) => `<D:${name}/>`).join("");
  return `<?xml version="1.0"?><D:propfind xmlns:D="DAV:"><D:prop>${properties}</D:prop></D:propfind>`;
}

/** Returns a LOCK body. */
export function lockBody(scope: "exclusive" | "shared" = "exclusive"): string {
  return '<?xml version="1.0"?><D:lockinfo xmlns:D="DAV:">' +
    `<D:lockscope><D:${scope}/></D:lockscope><D:locktype><D:write/></D:locktype>` +
    "<D:owner><D:href>mailto:ada</D:href></D:owner></D:lockinfo>";
}

/** Returns a PROPPATCH body that sets one property in the namespace `urn:t`. */
export function setBody(name: string, value: string): string {
  return '<D:propertyupdate xmlns:D="DAV:" xmlns:t="urn:t"><D:set><D:prop>' +
    `<t:${name}>${value}</t:${name}></D:prop></D:set></D:propertyupdate>`;
}

function statusOf(element: XmlElement | undefined): string {
  return /^HTTP\/1\.1 (\d{3}) \S/.exec(textOf(element))?.[1] ?? "";
}
