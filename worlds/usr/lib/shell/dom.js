/**
 * The one way anything gets into the page: elements made by name, strings set as text. No string is
 * ever parsed as markup here or elsewhere in the shell, and the page's policy (Trusted Types)
 * refuses whoever tries.
 */

/** What is set as a property, because the attribute means something else or nothing. */
const PROPERTIES = new Set(["value", "checked", "disabled", "open", "hidden", "textContent"]);

/** Makes an element; `props.on` holds listeners by event, and null and false are no children. */
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

/** The URL if following it runs nothing: `javascript:` and the like are dropped. */
export function safeUrl(url, base = globalThis.location?.href ?? "http://localhost/") {
  if (!URL.canParse(url, base)) return undefined;
  const { protocol } = new URL(url, base);
  return ["http:", "https:", "mailto:", "blob:"].includes(protocol) ? url : undefined;
}

/** A button. */
export function button(label, act, props = {}) {
  return h("button", { type: "button", ...props, on: { click: act } }, label);
}

/** An element of `index.html`. */
export function byId(id) {
  return document.getElementById(id);
}

/** Puts children in the place of what is there; null and false are left out. */
export function fill(node, ...children) {
  node.replaceChildren(...children.flat(3).filter((child) => child));
}

/** Loads one of the shell's style sheets; what needs it waits for it, so that nothing jumps. */
export function style(name) {
  const href = `/usr/lib/shell/${name}.css?raw`;
  if (document.querySelector(`link[href="${href}"]`) !== null) return Promise.resolve();
  const link = h("link", { rel: "stylesheet", href });
  return new Promise((resolve) => {
    link.onload = link.onerror = resolve;
    document.head.append(link);
  });
}

/** Shows a node again with a quiet flash. */
export function flash(node) {
  node.classList.remove("flash");
  // Reading a layout property is what lets the same animation start anew.
  void node.offsetWidth;
  node.classList.add("flash");
}
