/**
 * Calls of a plugin that no client makes: `scheduled` and `change`. On the wire such a call is a request
 * whose note has the name of the handler in the place of the caller's tier. No caller has such a tier.
 */

/** Name of the handler that is called. */
export type EventHandlerName = "scheduled" | "change";

/** Whether the first member of a note is the name of a handler, and not a tier. */
export function isEventHandlerName(value: string): value is EventHandlerName {
  return value === "scheduled" || value === "change";
}
