/** Reads the statement of a request: the body of a POST, or `?sql=`. */

import { decodeUtf8 } from "../kit/decode_utf8.ts";
import { Problem } from "../kit/problem.ts";
import { readBody } from "../kit/read_body.ts";

/** Longest statement in bytes. */
const MAX_STATEMENT_BYTES = 256 * 1024;

/**
 * Reads the only statement of a request.
 *
 * @param fromQuery values of `?sql=`
 * @throws {Problem} `bad-body` or `bad-query` if there is not exactly one statement; `bad-body` if it
 * is not UTF-8; `body-too-large`
 */
export async function readStatement(
  request: Request,
  fromQuery: readonly string[],
): Promise<string> {
  const body = request.method === "POST" ? await bodyText(request) : "";
  const statements = body.trim() === "" ? fromQuery : [body, ...fromQuery];
  const [statement = ""] = statements;
  if (statement.includes("\0")) {
    throw new Problem(
      request.method === "POST" ? "bad-body" : "bad-query",
      "Cannot query: the statement contains a NUL character, where SQLite would end it",
    );
  }
  if (statements.length === 1 && statement !== "") return statement;
  throw new Problem(
    request.method === "POST" ? "bad-body" : "bad-query",
    `Cannot query: ${
      statements.length > 1 ? "there is more than one statement" : "there is no statement"
    }; POST it as the body, or GET with ?sql=`,
  );
}

async function bodyText(request: Request): Promise<string> {
  const bytes = await readBody(request, {
    maxBytes: MAX_STATEMENT_BYTES,
    tooLong: () =>
      new Problem(
        "body-too-large",
        `Cannot query: the statement is longer than ${MAX_STATEMENT_BYTES} bytes`,
      ),
  });
  const text = decodeUtf8(bytes);
  if (text !== undefined) return text;
  throw new Problem("bad-body", "Cannot query: the statement is not UTF-8 text");
}
