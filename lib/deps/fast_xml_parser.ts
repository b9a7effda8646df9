/**
 * `fast-xml-parser` 5.12.1, MIT licence: the XML parser of WebDAV request bodies. `lib/dav/xml`
 * disables its entity expansion and limits the input.
 */

export { XMLParser, XMLValidator } from "npm:fast-xml-parser@5.12.1";
