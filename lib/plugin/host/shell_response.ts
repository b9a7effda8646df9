/**
 * A plugin whose places are collections leaves their page to the shell: it answers a browser with the
 * header `X-Show: shell`, and the browser gets the shell's own page, which then asks the plugin as any
 * program would. Nothing of the plugin's answer but its status and `Vary` is part of that page.
 */

import { respondShell } from "../../response/shell_page.ts";
import type { Store } from "../../world/store.ts";

/** The header that asks for it. */
export const SHOW = "x-show";

/**
 * The plugin's answer, or the shell in its place.
 *
 * @throws {Problem} `not-found` when the shell was deleted
 */
export async function shownByShell(
  store: Pick<Store, "read">,
  request: Request,
  answer: Response,
): Promise<Response> {
  const asked = answer.headers.get(SHOW) === "shell";
  answer.headers.delete(SHOW);
  if (!asked || !answer.ok || request.method !== "GET" && request.method !== "HEAD") return answer;
  await answer.body?.cancel();
  const vary = answer.headers.get("vary") ?? "Accept";
  return await respondShell(store, request, { headers: { vary } });
}
