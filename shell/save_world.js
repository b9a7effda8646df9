/** Writes the text of an editor as a world. */

import { send } from "./connected.js";
import { pathOf } from "./place.js";

/**
 * @param {string} name
 * @param {{ text: string, type: string, meta: string, base?: number }} value `type`: empty if the server
 * chooses it; `meta`: one `name: value` per line; `base`: the version that is replaced; without it the
 * world must not exist
 * @returns {Promise<{ version: number, ext: string }>} the new version
 * @throws {import("./api.js").RequestError}
 * @throws {SyntaxError} if the metadata or the type are not valid
 */
export async function saveWorld(name, { text, type, meta, base }) {
  const headers = metaHeaders(meta);
  if (base === undefined) headers.set("if-none-match", "*");
  else headers.set("if-match", `"${base}"`);
  headers.set("content-type", "application/octet-stream");
  if (!/^[a-z0-9]{0,16}$/i.test(type)) {
    throw new SyntaxError(`The type "${type}" is not valid: it has 1 to 16 letters and digits`);
  }
  const response = await send(`${pathOf(name)}${type === "" ? "" : `?ext=${type}`}`, {
    method: "PUT",
    body: new TextEncoder().encode(text),
    headers,
  });
  return await response.json();
}

/** The metadata as lines, from the headers of a response. */
export function metaLines(headers) {
  return [...headers].filter(([key]) => key.startsWith("x-meta-"))
    .map(([key, value]) => `${key.slice("x-meta-".length)}: ${value}`).join("\n");
}

function metaHeaders(lines) {
  const headers = new Headers();
  for (const line of lines.split("\n").map((line) => line.trim()).filter((line) => line !== "")) {
    const [, key, value] = /^([\w.-]+)\s*:\s*(.*)$/.exec(line) ?? [];
    if (key === undefined) {
      throw new SyntaxError(`The metadata line "${line}" has no form "name: value"`);
    }
    if (!/^[\x20-\x7e]*$/.test(value)) {
      throw new SyntaxError(`The metadata of "${key}" has other characters than ASCII`);
    }
    headers.set(`x-meta-${key}`, value);
  }
  return headers;
}
