/** The text that a user gives to an agent, so that it can use a part of this server. Pure. */

/**
 * Formats the prompt. It names the skill page, which has the rest.
 *
 * @param {string} origin of the server
 * @param {{ token?: string | null, prefix: string, mode?: string, name?: string | null,
 *   exp?: number | null }} access what the agent may use; `exp` in seconds since 1970. Without a
 *   token, the prompt is for an agent on a computer that needs none.
 */
export function agentPrompt(origin, { token, prefix, mode = "rw", name, exp }) {
  const folder = prefix === "/" ? `${origin}/` : `${origin}${prefix}/`;
  return [
    `You can use a part of an HTTP server: ${folder}`,
    ...(token ? [`Send this header with every request: Authorization: Bearer ${token}`] : []),
    `First read how to use it: GET ${origin}/usr/lib/skills/elastik.md?raw`,
    `GET ${folder} lists the names, one per line. GET of a name reads it as JSON; with ?raw as bytes.`,
    ...(mode === "r" ? ["You can only read."] : [
      "PUT creates or replaces a name; POST appends to it. Any name and any format are allowed. People watch the pages live in a browser, which renders HTML, SVG, Markdown, JSON and CSV.",
      'Before you change content that others can change, read it and send its ETag as If-Match: "…". 412 means that it changed in between: read it again.',
      mode === "rwd" ? "DELETE moves a name to the trash." : "You cannot delete or move anything.",
    ]),
    ...(name ? [`The history shows your changes under the name ${name}.`] : []),
    token ? `You cannot change anything outside ${prefix}.` : `Change nothing outside ${prefix}.`,
    ...(exp ? [`The token expires at ${new Date(exp * 1000).toISOString()}.`] : []),
  ].join("\n");
}
