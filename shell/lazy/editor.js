/**
 * The text editor of worlds: line numbers, undo, search, indentation, highlighting. The shell loads it when
 * an editor is opened, and uses a text area until then. A text area has no line numbers and no search, and
 * is slow with long texts.
 *
 * @codemirror/state 6.7.6, view 6.43.15, commands 6.11.1, language 6.13.1, search 6.7.2 and
 * legacy-modes 6.5.5, @lezer/highlight 1.2.5. Licence: MIT. The stream modes of legacy-modes are a third of
 * the size of the parsers with the same languages.
 *
 * The editor must be in a shadow root: there the library adds its style sheets as constructed ones
 * (`adoptedStyleSheets`). In the document it would add style elements, which the page's policy refuses.
 */

// deno-lint-ignore-file no-import-prefix -- bundled into the shell; the server does not load them
import {
  defaultKeymap,
  history,
  historyKeymap,
  indentWithTab,
} from "npm:@codemirror/commands@6.11.1";
import {
  bracketMatching,
  HighlightStyle,
  indentOnInput,
  indentUnit,
  StreamLanguage,
  syntaxHighlighting,
} from "npm:@codemirror/language@6.13.1";
import { css } from "npm:@codemirror/legacy-modes@6.5.2/mode/css";
import { javascript, json, typescript } from "npm:@codemirror/legacy-modes@6.5.2/mode/javascript";
import { python } from "npm:@codemirror/legacy-modes@6.5.2/mode/python";
import { shell } from "npm:@codemirror/legacy-modes@6.5.2/mode/shell";
import { toml } from "npm:@codemirror/legacy-modes@6.5.2/mode/toml";
import { html, xml } from "npm:@codemirror/legacy-modes@6.5.2/mode/xml";
import { yaml } from "npm:@codemirror/legacy-modes@6.5.2/mode/yaml";
import { search, searchKeymap } from "npm:@codemirror/search@6.7.2";
import { Compartment, EditorState } from "npm:@codemirror/state@6.7.6";
import {
  EditorView,
  highlightActiveLine,
  highlightSpecialChars,
  keymap,
  lineNumbers,
} from "npm:@codemirror/view@6.43.15";
import { tags } from "npm:@lezer/highlight@1.2.5";
import { indentUnit as unitOf } from "../indent.js";
import { markdownMode } from "../markdown_mode.js";

/** Modes by extension. */
const MODES = Object.fromEntries([
  [css, "css"],
  [html, "html htm"],
  [xml, "xml svg rss atom"],
  [json, "json jsonl ndjson geojson webmanifest"],
  [javascript, "js mjs cjs jsx"],
  [typescript, "ts mts tsx"],
  [python, "py"],
  [shell, "sh bash"],
  [toml, "toml"],
  [yaml, "yaml yml"],
  [markdownMode, "md markdown"],
].flatMap(([mode, exts]) => exts.split(" ").map((ext) => [ext, mode])));
/** Extensions whose long lines wrap. */
const PROSE = new Set("md markdown txt html htm org tex rst".split(" "));
/** After Escape, Tab moves the focus for this time, or until another key is pressed. */
const TAB_LEAVES_MS = 60_000;

const COLOURS = HighlightStyle.define([
  {
    tag: [tags.keyword, tags.tagName, tags.heading, tags.processingInstruction],
    color: "var(--violet)",
  },
  { tag: [tags.string, tags.attributeValue, tags.monospace], color: "var(--green)" },
  {
    tag: [tags.number, tags.bool, tags.null, tags.atom, tags.link, tags.url],
    color: "var(--blue)",
  },
  {
    tag: [tags.propertyName, tags.attributeName, tags.definition(tags.variableName)],
    color: "var(--blue)",
  },
  { tag: [tags.comment, tags.meta, tags.quote], color: "var(--grey)" },
  { tag: [tags.heading, tags.strong], fontWeight: "bold" },
  { tag: tags.emphasis, fontStyle: "italic" },
  { tag: tags.strikethrough, textDecoration: "line-through" },
]);

const THEME = EditorView.theme({
  "&": { height: "100%", color: "var(--ink)", backgroundColor: "var(--card)" },
  "&.cm-focused": { outline: "none" },
  ".cm-scroller": {
    font: "0.8125rem/1.6 var(--mono)",
    overflow: "auto",
  },
  ".cm-content": { padding: "8px 0", caretColor: "var(--ink)" },
  ".cm-line": { padding: "0 10px" },
  ".cm-gutters": {
    color: "var(--soft)",
    backgroundColor: "var(--card)",
    borderRight: "1px solid var(--line)",
  },
  ".cm-activeLine, .cm-activeLineGutter": { backgroundColor: "var(--sunk)" },
  "&:not(.cm-focused) .cm-activeLine": { backgroundColor: "transparent" },
  ".cm-activeLine ::selection, ::selection": {
    backgroundColor: "Highlight",
    color: "HighlightText",
  },
  "&.cm-focused .cm-matchingBracket": {
    backgroundColor: "var(--clay-wash)",
    outline: "1px solid var(--line)",
  },
  "&.cm-focused .cm-nonmatchingBracket": { backgroundColor: "transparent", color: "var(--bad)" },
  ".cm-panels": { color: "var(--ink)", backgroundColor: "var(--sunk)", borderColor: "var(--line)" },
  ".cm-panel.cm-search": { padding: "8px 30px 8px 10px", font: "0.8125rem var(--sans)" },
  ".cm-panel.cm-search input, .cm-panel.cm-search button": {
    font: "inherit",
    color: "var(--ink)",
    background: "var(--card)",
    border: "1px solid var(--edge)",
    borderRadius: "6px",
    padding: "4px 8px",
    minHeight: "28px",
  },
  ".cm-panel.cm-search input[type=checkbox]": { minHeight: "0", verticalAlign: "middle" },
  ".cm-panel.cm-search [name=close]": { border: "0", background: "none", minWidth: "28px" },
  ".cm-panel.cm-search :focus-visible": { outline: "2px solid var(--clay)" },
  ".cm-searchMatch": { backgroundColor: "var(--clay-wash)", outline: "1px solid var(--clay)" },
  ".cm-searchMatch-selected": { backgroundColor: "var(--clay)", color: "var(--on-clay)" },
});

/**
 * @param {{
 *   root: ShadowRoot, label: string, text: string, ext: string,
 *   selection?: [number, number], onInput: () => void,
 * }} options `text` has LF as line ends
 */
export function createTextEditor({ root, label, text, ext, selection = [0, 0], onInput }) {
  const language = new Compartment();
  const view = new EditorView({
    root,
    parent: root,
    state: EditorState.create({
      doc: text,
      selection: { anchor: selection[0], head: selection[1] },
      extensions: [
        lineNumbers(),
        history(),
        highlightSpecialChars(),
        highlightActiveLine(),
        bracketMatching(),
        indentOnInput(),
        search({ top: true }),
        syntaxHighlighting(COLOURS),
        THEME,
        EditorState.tabSize.of(4),
        indentUnit.of(unitOf(text)),
        EditorView.contentAttributes.of({ "aria-label": label }),
        EditorView.domEventHandlers({ beforeinput: replaceSelected }),
        EditorView.updateListener.of((update) => update.docChanged && onInput()),
        language.of(languageOf(ext)),
        keymap.of([
          {
            key: "Escape",
            run(view) {
              view.setTabFocusMode(TAB_LEAVES_MS);
              return false;
            },
          },
          ...searchKeymap,
          ...defaultKeymap,
          ...historyKeymap,
          indentWithTab,
        ]),
      ],
    }),
  });
  let known = { doc: view.state.doc, text };
  return {
    get text() {
      const { doc } = view.state;
      if (known.doc !== doc) known = { doc, text: doc.toString() };
      return known.text;
    },
    set text(value) {
      view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: value } });
    },
    setExt(value) {
      view.dispatch({ effects: language.reconfigure(languageOf(value)) });
    },
    focus: () => view.focus(),
  };
}

/**
 * Replaces a selection by what is typed. Without this, Chromium keeps the style of the selected text as
 * an inline style, which the page's policy refuses and reports.
 */
function replaceSelected(event, view) {
  const { inputType, data } = event;
  if (inputType !== "insertText" || !data || view.composing) return false;
  if (view.state.selection.main.empty) return false;
  event.preventDefault();
  view.dispatch(view.state.replaceSelection(data), {
    userEvent: "input.type",
    scrollIntoView: true,
  });
  return true;
}

function languageOf(ext) {
  const mode = MODES[ext];
  return [
    mode === undefined ? [] : StreamLanguage.define(mode),
    PROSE.has(ext) ? EditorView.lineWrapping : [],
  ];
}
