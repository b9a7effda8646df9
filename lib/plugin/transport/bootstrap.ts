/**
 * The program of every cell's Worker as one `data:` URL: the modules that run inside the Worker,
 * joined in order, without types. A `data:` URL needs no read permission and no other file, so it
 * works the same from a checkout, a URL, a bundle and a binary. It must contain modules of this
 * program only, never a plugin's source.
 */

import concatBytes from "../../base/concat_bytes.ts" with { type: "text" };
import pieceReader from "../../base/piece_reader.ts" with { type: "text" };
import sourceMap from "../../base/source_map.ts" with { type: "text" };
import limits from "../../limits.ts" with { type: "text" };
import cellLimits from "../../cell_limits.ts" with { type: "text" };
import frames from "../wire/frames.ts" with { type: "text" };
import messageHeads from "../wire/message_heads.ts" with { type: "text" };
import bodyFlow from "../wire/body_flow.ts" with { type: "text" };
import idTable from "../wire/id_table.ts" with { type: "text" };
import rpcCalls from "../wire/rpc_calls.ts" with { type: "text" };
import fileResponse from "../wire/file_response.ts" with { type: "text" };
import pluginEvent from "../wire/plugin_event.ts" with { type: "text" };
import rpcEndpoint from "../wire/rpc_endpoint.ts" with { type: "text" };
import lockdown from "../realm/lockdown.ts" with { type: "text" };
import lazyNatives from "../realm/lazy_natives.ts" with { type: "text" };
import console from "../realm/console.ts" with { type: "text" };
import errorPositions from "../realm/error_positions.ts" with { type: "text" };
import envFiles from "../realm/env_files.ts" with { type: "text" };
import databaseCopy from "../realm/database_copy.ts" with { type: "text" };
import sqlCodec from "../realm/sql_codec.ts" with { type: "text" };
import sqlQuery from "../realm/sql_query.ts" with { type: "text" };
import envKv from "../realm/env_kv.ts" with { type: "text" };
import envSql from "../realm/env_sql.ts" with { type: "text" };
import locateSyntaxError from "../realm/locate_syntax_error.ts" with { type: "text" };
import uncaughtErrors from "../realm/uncaught_errors.ts" with { type: "text" };
import envFetch from "../realm/env_fetch.ts" with { type: "text" };
import cellWorker from "./cell_worker.ts" with { type: "text" };

/** The modules in order: each one follows the modules that it imports. */
const MODULES: readonly (readonly [name: string, text: string])[] = [
  ["concat_bytes", concatBytes],
  ["piece_reader", pieceReader],
  ["source_map", sourceMap],
  ["limits", limits],
  ["cell_limits", cellLimits],
  ["frames", frames],
  ["message_heads", messageHeads],
  ["body_flow", bodyFlow],
  ["id_table", idTable],
  ["rpc_calls", rpcCalls],
  ["file_response", fileResponse],
  ["plugin_event", pluginEvent],
  ["rpc_endpoint", rpcEndpoint],
  ["lockdown", lockdown],
  ["lazy_natives", lazyNatives],
  ["console", console],
  ["error_positions", errorPositions],
  ["env_files", envFiles],
  ["database_copy", databaseCopy],
  ["sql_codec", sqlCodec],
  ["sql_query", sqlQuery],
  ["env_kv", envKv],
  ["env_sql", envSql],
  ["env_fetch", envFetch],
  ["locate_syntax_error", locateSyntaxError],
  ["uncaught_errors", uncaughtErrors],
  ["cell_worker", cellWorker],
];

const IMPORT = /^import\s*\{([^}]*)\}\s*from\s*"(?:[\w.]+\/)*(\w+)\.ts";/gm;
const EXPORT = /^export ((?:async )?(?:function\*?|class|const) (\w+))/gm;

/**
 * The Worker's main module. It receives one message, then imports the bootstrap. It is short,
 * because Deno parses the URL of the main module for every `new Request(url)`: with the bootstrap
 * as main module that took 0.4 ms per request; with 100 characters it takes 0.5 µs (2.9.6).
 */
export const ENTRY_URL = "data:text/javascript," +
  "onmessage=e=>{onmessage=null;import(e.data.bootstrap).then(m=>m.start(e.data.init,e.data.port))}";

let linked: string | undefined;

/** Returns the bootstrap as a `data:` URL for {@link ENTRY_URL}. It is built once. */
export function bootstrapUrl(): string {
  linked ??= "data:application/javascript;charset=utf-8;base64," +
    new TextEncoder().encode(link()).toBase64();
  return linked;
}

function link(): string {
  const parts = ["const $m = Object.create(null);"];
  for (const [name, text] of MODULES) {
    const names: string[] = [];
    const code = removeTypes(text)
      .replace(IMPORT, (_, list: string, from: string) => {
        const imported = list.split(",").map((item) => item.trim()).filter(Boolean);
        return `const { ${
          imported.map((item) => item.replace(" as ", ": ")).join(", ")
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

/** Removes types, doc comments and empty lines, because the text is sent to every cell. */
function removeTypes(text: string): string {
  // An import would load the module at the start of the one-file build, which takes 13 ms.
  // deno-lint-ignore no-process-global
  const { stripTypeScriptTypes } = process.getBuiltinModule("node:module");
  return stripTypeScriptTypes(text).replace(/^\s*\/\*\*[\s\S]*?\*\/$/gm, "").replace(
    /\n\s*\n+/g,
    "\n",
  );
}
