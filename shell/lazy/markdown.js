/** The page of Markdown, with its parser. */

export { parseMarkdown } from "../markdown.js";
export { markdownView } from "../markdown_view.js";
