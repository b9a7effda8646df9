/**
 * The program every cell's Worker starts with, as one `data:` URL: the modules that run inside, joined
 * in order with their types taken out. A URL of data needs no read permission and no file beside the
 * program, so it is the same from a checkout, a URL, a bundle and a binary. It links our own modules
 * and nothing else; a plugin's source never passes here.
 */

import { stripTypeScriptTypes } from "node:module";
import bytes from "../../base/concat_bytes.ts" with { type: "text" };
import limits from "../../limits.ts" with { type: "text" };
import protocol from "../wire/frames.ts" with { type: "text" };
import message from "../wire/message_heads.ts" with { type: "text" };
import body from "../wire/body_flow.ts" with { type: "text" };
import idTable from "../wire/id_table.ts" with { type: "text" };
import exchange from "../wire/rpc_calls.ts" with { type: "text" };
import fileAnswer from "../wire/file_response.ts" with { type: "text" };
import peer from "../wire/rpc_endpoint.ts" with { type: "text" };
import strip from "../realm/lockdown.ts" with { type: "text" };
import shortcuts from "../realm/lazy_natives.ts" with { type: "text" };
import lines from "../realm/console.ts" with { type: "text" };
import files from "../realm/env_files.ts" with { type: "text" };
import databaseCopy from "../realm/database_copy.ts" with { type: "text" };
import queryWire from "../realm/sql_codec.ts" with { type: "text" };
import query from "../realm/sql_query.ts" with { type: "text" };
import sql from "../realm/env_sql.ts" with { type: "text" };
import machine from "../realm/env_fetch.ts" with { type: "text" };
import entry from "./cell_worker.ts" with { type: "text" };

/** Every module after those it imports. */
const MODULES: readonly (readonly [name: string, text: string])[] = [
  ["concat_bytes", bytes],
  ["limits", limits],
  ["frames", protocol],
  ["message_heads", message],
  ["body_flow", body],
  ["id_table", idTable],
  ["rpc_calls", exchange],
  ["file_response", fileAnswer],
  ["rpc_endpoint", peer],
  ["lockdown", strip],
  ["lazy_natives", shortcuts],
  ["console", lines],
  ["env_files", files],
  ["database_copy", databaseCopy],
  ["sql_codec", queryWire],
  ["sql_query", query],
  ["env_sql", sql],
  ["env_fetch", machine],
  ["cell_worker", entry],
];

const IMPORT = /^import\s*\{([^}]*)\}\s*from\s*"(?:[\w.]+\/)*(\w+)\.ts";/gm;
const EXPORT = /^export ((?:async )?(?:function\*?|class|const) (\w+))/gm;

/**
 * The Worker's entry. It is short because the runtime parses the entry's URL again as the base of
 * every `new Request(url)`: with the bootstrap itself as entry, that alone took 0.4 ms a request, and
 * a hundred characters take half a microsecond. It hears one message and no other.
 */
export const ENTRY_URL = "data:text/javascript," +
  "onmessage=e=>{onmessage=null;import(e.data.bootstrap).then(m=>m.start(e.data.init,e.data.port))}";

let linked: string | undefined;

/** The bootstrap as a `data:` URL that the entry imports; made once. */
export function bootstrapUrl(): string {
  linked ??= "data:application/javascript;charset=utf-8;base64," +
    new TextEncoder().encode(link()).toBase64();
  return linked;
}

function link(): string {
  const parts = ["const $m = Object.create(null);"];
  for (const [name, text] of MODULES) {
    const names: string[] = [];
    const code = plain(text)
      .replace(IMPORT, (_, list: string, from: string) => {
        const bound = list.split(",").map((entry) => entry.trim()).filter(Boolean);
        return `const { ${
          bound.map((entry) => entry.replace(" as ", ": ")).join(", ")
        } } = $m.${from};`;
      })
      .replace(EXPORT, (_, declaration: string, exported: string) => {
        names.push(exported);
        return declaration;
      });
    parts.push(`$m.${name} = (() => {\n${code}\nreturn { ${names.join(", ")} };\n})();`);
  }
  parts.push("export const { start } = $m.cell_worker;");
  return parts.join("\n");
}

/** Types and whole-line comments out: the text travels to every cell. */
function plain(text: string): string {
  return stripTypeScriptTypes(text).replace(/^\s*\/\*\*[\s\S]*?\*\/$/gm, "").replace(
    /\n\s*\n+/g,
    "\n",
  );
}
