// deno-lint-ignore-file no-import-prefix -- a library of one bundled file
/**
 * The larger and rarer grammars, for the same use as in `highlight.js` (package
 * @codemirror/legacy-modes 6.5.2, MIT).
 */

import {
  c,
  cpp,
  csharp,
  dart,
  java,
  kotlin,
  scala,
} from "npm:@codemirror/legacy-modes@6.5.2/mode/clike";
import { css, less, sCSS } from "npm:@codemirror/legacy-modes@6.5.2/mode/css";
import { perl } from "npm:@codemirror/legacy-modes@6.5.2/mode/perl";
import { powerShell } from "npm:@codemirror/legacy-modes@6.5.2/mode/powershell";
import { r } from "npm:@codemirror/legacy-modes@6.5.2/mode/r";
import { standardSQL } from "npm:@codemirror/legacy-modes@6.5.2/mode/sql";
import { swift } from "npm:@codemirror/legacy-modes@6.5.2/mode/swift";

/** Modes by name. */
export const modes = {
  c,
  cpp,
  csharp,
  css,
  dart,
  java,
  kotlin,
  less,
  perl,
  powershell: powerShell,
  r,
  scala,
  scss: sCSS,
  sql: standardSQL,
  swift,
};
