// deno-lint-ignore-file no-import-prefix -- a library of one bundled file
/**
 * The grammars of the most frequent languages: the modes of CodeMirror 5 (package
 * @codemirror/legacy-modes 6.5.2, MIT). A mode reads one line at a time and keeps a small state, so
 * that a long text is read in parts; highlight.js 11.11 needs 30 s for 100 KB of "a a a".
 */

import { diff } from "npm:@codemirror/legacy-modes@6.5.2/mode/diff";
import { dockerFile } from "npm:@codemirror/legacy-modes@6.5.2/mode/dockerfile";
import { go } from "npm:@codemirror/legacy-modes@6.5.2/mode/go";
import { javascript, json, typescript } from "npm:@codemirror/legacy-modes@6.5.2/mode/javascript";
import { lua } from "npm:@codemirror/legacy-modes@6.5.2/mode/lua";
import { properties } from "npm:@codemirror/legacy-modes@6.5.2/mode/properties";
import { python } from "npm:@codemirror/legacy-modes@6.5.2/mode/python";
import { ruby } from "npm:@codemirror/legacy-modes@6.5.2/mode/ruby";
import { rust } from "npm:@codemirror/legacy-modes@6.5.2/mode/rust";
import { shell } from "npm:@codemirror/legacy-modes@6.5.2/mode/shell";
import { toml } from "npm:@codemirror/legacy-modes@6.5.2/mode/toml";
import { html, xml } from "npm:@codemirror/legacy-modes@6.5.2/mode/xml";
import { yaml } from "npm:@codemirror/legacy-modes@6.5.2/mode/yaml";

/** Modes by name. */
export const modes = {
  diff,
  dockerfile: dockerFile,
  go,
  html,
  ini: properties,
  javascript,
  json,
  lua,
  python,
  ruby,
  rust,
  shell,
  toml,
  typescript,
  xml,
  yaml,
};
