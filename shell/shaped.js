/**
 * The form for `/shaped/…`: the user chooses a form and an intent, and a model rewrites the world
 * while the text streams in. It is a dialog on the page of a world, and the view of `/shaped/…`.
 * The route needs the semantic plugin.
 */

import { readError, request, RequestError } from "./api.js";
import { showDialog } from "./dialog.js";
import { button, h } from "./dom.js";
import { pathOf } from "./place.js";
import { FORMS, streamedView } from "./shape_view.js";
import { eventParser } from "./sse.js";

const NO_PLUGIN = "The semantic plugin is not active";
const NO_PLUGIN_DETAIL = "/shaped needs the semantic plugin, which is not active on this server";
const CACHE_STATES = {
  hit: "from the cache",
  generated: "generated now",
  shared: "generated now, for several requests",
  "fallback-raw": "the unchanged source, because no model answered",
};

/** Opens the dialog for a world. */
export function openShaped(name) {
  const stop = new AbortController();
  const form = shaper(name, { intent: "summarise in five sentences", signal: stop.signal });
  const page = h("a", { href: `/shaped${pathOf(name)}` }, "Open as a page");
  const node = showDialog("Shaped", form.node, h("p", { class: "hint" }, page));
  node.classList.add("shaping");
  node.addEventListener("shell:closed", () => stop.abort());
}

/** Shows the view of `/shaped/…`, and requests what its URL asks for. */
export async function showShaped(main, { name }, { signal, showError }) {
  if (signal.aborted) return;
  const source = name.slice("shaped/".length);
  const query = new URLSearchParams(location.search);
  const form = shaper(source, {
    intent: query.get("intent") ?? "",
    form: query.get("accept") ?? "text/html",
    signal,
    onRequest(intent, accept) {
      const query = new URLSearchParams({ ...(intent === "" ? {} : { intent }), accept });
      history.replaceState(history.state, "", `${location.pathname}?${query}`);
    },
    onError(error) {
      if (error.isPluginMissing) showError(error);
      else if (error.status === 401 || error.status === 403) showError(error);
      else return false;
      return true;
    },
  });
  main.replaceChildren(
    h(
      "section",
      { class: "page shaping" },
      h(
        "header",
        { class: "head" },
        h("h1", {}, `/${source}, shaped`),
        h(
          "div",
          { class: "actions" },
          h("a", { class: "button", href: pathOf(source) }, "Source"),
        ),
      ),
      form.node,
    ),
  );
  await form.shape();
}

/**
 * The form and the response.
 *
 * @param {string} name of the source
 * @param {object} options
 * @param {AbortSignal} options.signal ends it
 * @param {(intent: string, accept: string) => void} [options.onRequest] called before each request
 * @param {(error: RequestError & { isPluginMissing?: boolean }) => boolean} [options.onError] returns
 * whether it handled the error
 */
function shaper(name, { intent: words, form: type = "text/plain", signal, onRequest, onError }) {
  const listed = Object.hasOwn(FORMS, type) ? FORMS : { ...FORMS, [type]: type };
  const form = h(
    "select",
    { name: "form" },
    Object.entries(listed).map(([value, label]) =>
      h("option", { value, selected: value === type }, label)
    ),
  );
  const intent = h("input", {
    name: "intent",
    value: words,
    spellcheck: "false",
    maxlength: "1000",
  });
  const facts = h("p", { class: "facts", role: "status" });
  const fault = h("p", { class: "fault", role: "alert" });
  const output = h("div", { class: "content", role: "region", "aria-label": "Result" });
  const end = button("Stop", () => current?.abort(), { hidden: true });
  let current;

  async function shape() {
    current?.abort();
    const own = new AbortController();
    current = own;
    const stop = () => own.abort();
    signal.addEventListener("abort", stop, { once: true });
    fault.textContent = facts.textContent = "";
    output.setAttribute("aria-busy", "true");
    end.hidden = false;
    try {
      await stream(own.signal);
    } catch (error) {
      if (!own.signal.aborted && !onError?.(error)) fault.textContent = error.message;
    } finally {
      signal.removeEventListener("abort", stop);
      if (current === own) {
        output.removeAttribute("aria-busy");
        end.hidden = true;
      }
    }
  }

  async function stream(stopped) {
    const words = intent.value.trim();
    onRequest?.(words, form.value);
    const response = await request(`/shaped${pathOf(name)}`, {
      headers: {
        accept: `text/event-stream, ${form.value}`,
        // Headers are Latin-1, so an intent with other characters is percent-encoded.
        ...(words === "" ? {} : { "x-semantic-intent": headerOf(words) }),
      },
      signal: stopped,
    });
    if (!response.ok) throw await readShapedError(response);
    const view = streamedView(response.headers.get("x-semantic-shape") ?? form.value, name);
    output.replaceChildren(view.node);
    facts.replaceChildren(...factsOf(response.headers));
    let isComplete = false;
    const feed = eventParser(({ type, data }) => {
      if (type === "message") view.push(data);
      else if (type === "done") isComplete = true;
      else fault.textContent = data;
    });
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let part = await reader.read(); !part.done; part = await reader.read()) feed(part.value);
    await view.end(isComplete);
    if (!isComplete && fault.textContent === "") {
      fault.textContent = "The response was interrupted; this text is not complete.";
    }
  }

  const node = h(
    "div",
    { class: "shaper" },
    h(
      "form",
      {
        class: "request",
        on: {
          submit(event) {
            event.preventDefault();
            shape();
          },
        },
      },
      h("label", {}, h("span", {}, "Intent: reader and purpose"), intent),
      h("label", {}, h("span", {}, "Form"), form),
      h("button", { type: "submit", class: "primary" }, "Shape it"),
      end,
    ),
    fault,
    facts,
    output,
  );
  return { node, shape };
}

function headerOf(words) {
  return /^[\x20-\x7e]*$/.test(words) ? words : encodeURIComponent(words);
}

/** The error of a response: of the plugin, or because there is no such plugin. */
async function readShapedError(response) {
  const isPluginMissing = response.status === 404 && !response.headers.has("x-semantic-cache");
  if (!isPluginMissing) return await readError(response);
  return Object.assign(new RequestError(404, NO_PLUGIN, NO_PLUGIN_DETAIL), { isPluginMissing });
}

function factsOf(headers) {
  const [model = "", place = ""] = (headers.get("x-semantic-gpu") ?? "").split("; ");
  const cut = headers.get("x-semantic-cut");
  return [
    CACHE_STATES[headers.get("x-semantic-cache")] ?? "",
    model === "none"
      ? ""
      : `${model}, ${place === "local" ? "on the server's computer" : "on another computer"}`,
    cut === null ? "" : `only the start of the source (${cut.replace("/", " of ")} bytes)`,
  ].filter((fact) => fact !== "").map((fact) => h("span", {}, fact));
}
