/**
 * Parses server-sent events from pieces of text (WHATWG HTML §9.2.6). Pure. The browser's EventSource
 * is not used because it cannot send an Authorization header.
 */

/** Creates a parser: a function that takes the next piece of text. */
export function eventParser(onEvent) {
  let rest = "";
  let data = [];
  let type = "";
  let id = "";
  function line(text) {
    if (text === "") {
      if (data.length > 0) onEvent({ type: type || "message", data: data.join("\n"), id });
      data = [];
      type = "";
      return;
    }
    const colon = text.indexOf(":");
    const field = colon < 0 ? text : text.slice(0, colon);
    const value = colon < 0 ? "" : text.slice(text[colon + 1] === " " ? colon + 2 : colon + 1);
    if (field === "data") data.push(value);
    else if (field === "event") type = value;
    else if (field === "id" && !value.includes("\0")) id = value;
  }
  return function feed(piece) {
    rest += piece;
    // A CR at the end may be the first half of a CRLF, so it waits for the next piece.
    const lines = rest.split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop() ?? "";
    for (const text of lines) line(text);
  };
}
