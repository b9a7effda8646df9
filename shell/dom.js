/**
 * Creates the elements of the page. Strings are set as text: neither this module nor any other of the
 * shell parses a string as markup, and the page's policy (Trusted Types) refuses every attempt.
 */

/** Set as properties, because the attribute has another meaning or none. */
const PROPERTIES = new Set(["value", "checked", "disabled", "open", "hidden", "textContent"]);

/** Creates an element. `props.on` has listeners by event; null and false children are skipped. */
export function h(tag, props, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "on") {
      for (const [event, listener] of Object.entries(value)) node.addEventListener(event, listener);
    } else if (PROPERTIES.has(name)) node[name] = value;
    else if (name === "href" || name === "src") {
      const url = safeUrl(String(value));
      if (url !== undefined) node.setAttribute(name, url);
    } else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(
    ...children.flat(3).filter((child) => child !== null && child !== undefined && child !== false),
  );
  return node;
}

/** The URL, or undefined if following it could run code, as with `javascript:`. */
export function safeUrl(url, base = globalThis.location?.href ?? "http://localhost/") {
  if (!URL.canParse(url, base)) return undefined;
  const { protocol } = new URL(url, base);
  return ["http:", "https:", "mailto:", "blob:"].includes(protocol) ? url : undefined;
}

/** Creates a button. */
export function button(label, onClick, props = {}) {
  return h("button", { type: "button", ...props, on: { click: onClick } }, label);
}

/** An element of `index.html`. */
export function byId(id) {
  return document.getElementById(id);
}

/** Runs a change that can remove or hide an element; a focus in it moves to the main part of the page. */
export function keepFocus(node, change) {
  const hasFocus = node.contains(document.activeElement);
  change();
  if (hasFocus && (node.hidden || !node.contains(document.activeElement))) {
    byId("main").focus({ preventScroll: true });
  }
}

/** Replaces the children; null and false are skipped. */
export function fill(node, ...children) {
  node.replaceChildren(...children.flat(3).filter((child) => child));
}

/** Plays the flash animation of a node. */
export function flash(node) {
  node.classList.remove("flash");
  // The browser restarts an animation only after a layout, which reading the property forces.
  void node.offsetWidth;
  node.classList.add("flash");
}
