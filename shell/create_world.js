/** Creates a page, a note or a table: asks for its name, writes a first content, opens the editor. */

import { openDialog, send } from "./connected.js";
import { lastOf, pathOf } from "./place.js";
import { suffixOf, WORLD_KINDS } from "./world_kinds.js";
import { nameFault } from "./world_name.js";

/** What can be created. */
export const KINDS = {
  page: {
    ...WORLD_KINDS.page,
    example: "welcome",
    content: (title) =>
      [
        "<!doctype html>",
        '<html lang="en">',
        '<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width">',
        `<title>${escapeHtml(title)}</title>`,
        "<style>",
        "  :root { color-scheme: light dark }",
        "  body { font: 16px/1.6 system-ui, sans-serif; max-width: 70ch; margin: 2rem auto; padding: 0 1rem }",
        "</style>",
        `<h1>${escapeHtml(title)}</h1>`,
        "<p></p>",
        "</html>",
        "",
      ].join("\n"),
  },
  note: {
    ...WORLD_KINDS.note,
    example: "meeting notes",
    content: (title) => `# ${title}\n\n`,
  },
  table: {
    ...WORLD_KINDS.table,
    example: "expenses",
    content: (_title, suffix) =>
      ["Name,Amount,Note", ",,", ""].join("\n")
        .replaceAll(",", suffix === "tsv" ? "\t" : ","),
  },
};

/**
 * The name that a new world gets.
 *
 * @param {string} kind a key of KINDS, or `other`
 * @param {string} typed what the user typed
 */
export function nameFor(kind, typed) {
  const name = typed.normalize("NFC").trim().replace(/^\/+|\/+$/g, "");
  const suffixes = KINDS[kind]?.suffixes ?? [];
  if (name === "" || suffixes.length === 0 || suffixes.includes(suffixOf(name))) return name;
  return `${name}.${suffixes[0]}`;
}

/** A title from the name: `home/shopping-list.md` is `Shopping list`. */
export function titleOf(name) {
  const words = lastOf(name).replace(/\.[^.]+$/, "").replace(/[-_\s]+/g, " ").trim();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/**
 * Writes the first content of a world, and shows its page with the editor.
 *
 * @param {string} kind a key of KINDS
 * @throws {import("./api.js").RequestError} with status 412 if the world exists
 */
export async function createWorld(kind, name) {
  const suffix = suffixOf(name);
  const content = KINDS[kind].content(titleOf(name), suffix);
  await send(pathOf(name), {
    method: "PUT",
    body: new TextEncoder().encode(content),
    // A suffix says the type; a name without one needs it.
    headers: {
      "if-none-match": "*",
      "content-type": suffix === undefined ? KINDS[kind].type : "application/octet-stream",
    },
  });
  openEdited(name, caretOf(kind, content));
}

/** Where the user begins to type: in the paragraph, below the heading, or in the first row. */
function caretOf(kind, content) {
  if (kind === "page") return content.indexOf("</p>");
  return kind === "table" ? content.indexOf("\n") + 1 : content.length;
}

/** Shows the page of a world with the editor. */
function openEdited(name, caret = 0) {
  dispatchEvent(new CustomEvent("shell:edit", { detail: { name, caret } }));
  dispatchEvent(new CustomEvent("shell:go", { detail: pathOf(name) }));
}

/**
 * Asks for the name. The dialog stays open until the world is written.
 *
 * @param {string} kind a key of KINDS, or `other`
 * @param {string} prefix name of the collection
 */
export function openNew(kind, prefix) {
  const { label, hint, example = "plan.md" } = KINDS[kind] ?? {};
  const nameOf = (typed) => `${prefix}/${nameFor(kind, typed)}`;
  return openDialog({
    title: hint ? `New ${label.toLowerCase()} (${hint})` : "New world",
    fields: [{ name: "name", label: "Name", required: true, placeholder: example }],
    confirm: hint ? "Create" : "Open",
    check({ name }) {
      if (name.trim() === "") return { hint: `Address: /${prefix}/…` };
      return { hint: `Address: /${nameOf(name)}`, fault: nameFault(nameOf(name)) };
    },
    async submit({ name: typed }) {
      const name = nameOf(typed);
      try {
        if (kind === "other") openEdited(name);
        else await createWorld(kind, name);
      } catch (error) {
        if (error.status !== 412) throw error;
        throw new Error(`/${name} exists already; choose another name`);
      }
    },
  });
}

function escapeHtml(text) {
  return text.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);
}
