/**
 * Which callers a filter of events matches: `?by=` of the log and of the changes. A value is a caller
 * as `by` shows it. With `/*` at the end it also matches what was narrowed from that caller's
 * capability: its prefix is the same or below, and its names continue the names. Pure.
 */

const NARROWED = "/*";
const CAPABILITY = "cap:";
/** Begins the place of the id, if a holder added a name to a capability without one. */
const ID_MARK = "~";

/**
 * Creates the test for the caller of an event.
 *
 * @param by the filter; undefined matches every caller
 */
export function createByFilter(by: string | undefined): (found: string) => boolean {
  if (by === undefined) return () => true;
  if (!by.endsWith(NARROWED)) return (found) => found === by;
  const whole = by.slice(0, -NARROWED.length);
  if (!whole.startsWith(CAPABILITY)) {
    return (found) => found === whole || found.startsWith(`${whole}/`);
  }
  const outer = splitCaller(whole);
  return (found) => {
    if (!found.startsWith(CAPABILITY)) return false;
    const inner = splitCaller(found);
    if (!isAtOrBelow(inner.prefix, outer.prefix)) return false;
    // What was narrowed from a capability without a name has no name, or its id in place of one.
    return outer.names === ""
      ? inner.names === "" || inner.names.startsWith(ID_MARK)
      : isAtOrBelow(inner.names, outer.names);
  };
}

/** Splits `cap:/home/team#kestrel/junior`. In the prefix, `#` is percent-encoded. */
function splitCaller(by: string): { readonly prefix: string; readonly names: string } {
  const mark = by.indexOf("#");
  return mark < 0
    ? { prefix: by.slice(CAPABILITY.length), names: "" }
    : { prefix: by.slice(CAPABILITY.length, mark), names: by.slice(mark + 1) };
}

function isAtOrBelow(text: string, above: string): boolean {
  // `cap:/*` is the capability for the root, whose slash is part of the mark.
  return above === "" || above === "/" || text === above || text.startsWith(`${above}/`);
}
