/**
 * `fast-xml-parser` 5.12.1, MIT licence: the XML parser of WebDAV request bodies. It has no entity
 * expansion of its own when told so, and `lib/dav/xml` sets its limits.
 */

export { XMLParser, XMLValidator } from "npm:fast-xml-parser@5.12.1";
