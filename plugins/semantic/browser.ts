/** Requests from browsers: navigations get the shell, and other sites cannot spend the budget. */

import { acceptableTypes } from "../kit/accept.ts";
import { Problem } from "../kit/problem.ts";
import { VARY } from "./shape.ts";

/**
 * Whether a browser asks for a page to display in a tab. Browsers say so in Fetch Metadata. On plain
 * HTTP to other hosts than loopback they omit it; there `Upgrade-Insecure-Requests` is sent with
 * navigations only.
 */
export function isNavigation(headers: Headers): boolean {
  const mode = headers.get("sec-fetch-mode");
  if (mode !== null) return mode === "navigate" && headers.get("sec-fetch-dest") === "document";
  if (headers.get("upgrade-insecure-requests") !== "1") return false;
  const [choice] = acceptableTypes(headers.get("accept"), ["text/html", "application/json"]);
  return choice?.range === "text/html";
}

/**
 * Refuses requests from pages of other sites: they cannot read the response, but a generation costs
 * budget.
 *
 * @throws {Problem} `foreign-origin`
 */
export function assertSameOrigin(headers: Headers): void {
  const site = headers.get("sec-fetch-site");
  if (site !== "cross-site" && site !== "same-site") return;
  throw new Problem("foreign-origin", "Cannot shape: the request comes from another site");
}

/** Makes the server send the shell, which then requests the shape with the credential of its tab. */
export function shellResponse(): Response {
  const vary = `${VARY}, Sec-Fetch-Mode, Sec-Fetch-Dest, Upgrade-Insecure-Requests`;
  return new Response(null, { headers: { "x-show": "shell", vary } });
}
