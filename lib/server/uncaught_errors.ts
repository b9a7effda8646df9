/**
 * The last resort for an error that no code handles: it is logged, and the server continues. Without
 * it, Deno ends the process, and with it every other request.
 */

/** The part of the global scope that reports such errors. */
export type ErrorTarget = Pick<EventTarget, "addEventListener">;

/**
 * Logs uncaught errors and rejected promises without a handler, and continues.
 *
 * @param target the global scope
 * @param log writes one line for the operator; lines with a `kind` are limited
 */
export function surviveUncaughtErrors(
  target: ErrorTarget,
  log: (line: string, kind: string) => void,
): void {
  const report = (event: Event, what: string, error: unknown) => {
    event.preventDefault();
    const text = error instanceof Error ? error.stack ?? error.message : String(error);
    log(`failed: ${what}: ${text}`, "uncaught");
  };
  target.addEventListener("error", (event) => {
    report(event, "uncaught error", event instanceof ErrorEvent ? event.error : event);
  });
  target.addEventListener("unhandledrejection", (event) => {
    report(
      event,
      "rejected promise",
      event instanceof PromiseRejectionEvent ? event.reason : event,
    );
  });
}
