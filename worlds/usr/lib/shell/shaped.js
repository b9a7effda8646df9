/**
 * A world through the thinking layer: the form and the intent are chosen, and what the machine makes
 * of it streams in. It is a box over a world's page, and the page of `/shaped/…` itself. Without the
 * semantic plugin there is no such route, and it says so.
 */

import { Refusal, refusalOf, request } from "./api.js?raw";
import { openDialog } from "./dialog.js?raw";
import { button, h, style } from "./dom.js?raw";
import { pathOf } from "./place.js?raw";
import { FORMS, growing } from "./shape_view.js?raw";
import { eventParser } from "./sse.js?raw";

const MISSING =
  "Nothing answers at /shaped. The semantic plugin does, once it is installed and active.";
const SHAPED = "The thinking layer is the semantic plugin, and it is not active on this machine";
const KEPT = {
  hit: "from the cache",
  generated: "written now",
  shared: "written now, for you and others",
  "fallback-raw": "the source as it is, since no model wrote",
};

/** Opens the box for a world. */
export async function openShaped(name) {
  await style("shaped");
  const stop = new AbortController();
  const box = shaper(name, { intent: "summarise in five sentences", signal: stop.signal });
  const page = h("a", { href: `/shaped${pathOf(name)}` }, "Open it as a page");
  const node = openDialog("Shaped", box.node, h("p", { class: "hint" }, page));
  node.classList.add("shaping");
  node.addEventListener("close", () => stop.abort());
}

/** Shows the page of `/shaped/…`: what its URL asks for streams in at once. */
export async function show(main, { name }, { signal, refused }) {
  await Promise.all([style("shaped"), style("boxes")]);
  if (signal.aborted) return;
  const source = name.slice("shaped/".length);
  const asked = new URLSearchParams(location.search);
  const box = shaper(source, {
    intent: asked.get("intent") ?? "",
    form: asked.get("accept") ?? "text/html",
    signal,
    onAsk(intent, form) {
      const query = new URLSearchParams({ ...(intent === "" ? {} : { intent }), accept: form });
      history.replaceState(null, "", `${location.pathname}?${query}`);
    },
    onRefusal(refusal) {
      if (refusal.absent) refused(new Refusal(404, "Nothing shapes here", SHAPED));
      else if (refusal.status === 401 || refusal.status === 403) refused(refusal);
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
          h("a", { class: "button", href: pathOf(source) }, "The source"),
        ),
      ),
      box.node,
    ),
  );
  await box.shape();
}

/**
 * The form and what comes back.
 *
 * @param {string} name of the source
 * @param {object} options
 * @param {AbortSignal} options.signal ends it
 * @param {(intent: string, form: string) => void} [options.onAsk]
 * @param {(refusal: Refusal & { absent?: boolean }) => boolean} [options.onRefusal] whether it was dealt with
 */
function shaper(name, { intent: words, form: type = "text/plain", signal, onAsk, onRefusal }) {
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
  const output = h("div", { class: "content", role: "region", "aria-label": "What comes back" });
  const end = button("Stop", () => current?.abort(), { hidden: true });
  let current;

  async function shape() {
    current?.abort();
    const mine = new AbortController();
    current = mine;
    const stop = () => mine.abort();
    signal.addEventListener("abort", stop, { once: true });
    fault.textContent = facts.textContent = "";
    output.setAttribute("aria-busy", "true");
    end.hidden = false;
    try {
      await stream(mine.signal);
    } catch (error) {
      if (!mine.signal.aborted && !onRefusal?.(error)) fault.textContent = error.message;
    } finally {
      signal.removeEventListener("abort", stop);
      if (current === mine) {
        output.removeAttribute("aria-busy");
        end.hidden = true;
      }
    }
  }

  async function stream(stopped) {
    const words = intent.value.trim();
    onAsk?.(words, form.value);
    const response = await request(`/shaped${pathOf(name)}`, {
      headers: {
        accept: `text/event-stream, ${form.value}`,
        // A header carries Latin-1; an intent in other letters goes as their percent escapes.
        ...(words === "" ? {} : { "x-semantic-intent": headerOf(words) }),
      },
      signal: stopped,
    });
    if (!response.ok) throw await refusedBy(response);
    const view = growing(response.headers.get("x-semantic-shape") ?? form.value, name);
    output.replaceChildren(view.node);
    facts.replaceChildren(...factsOf(response.headers));
    let whole = false;
    const feed = eventParser(({ type, data }) => {
      if (type === "message") view.push(data);
      else if (type === "done") whole = true;
      else fault.textContent = data;
    });
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let part = await reader.read(); !part.done; part = await reader.read()) feed(part.value);
    await view.end(whole);
    if (!whole && fault.textContent === "") {
      fault.textContent = "It broke off in the middle; what is here is not all of it.";
    }
  }

  const node = h(
    "div",
    { class: "shaper" },
    h(
      "form",
      {
        class: "wish",
        on: {
          submit(event) {
            event.preventDefault();
            shape();
          },
        },
      },
      h("label", {}, h("span", {}, "Intent: who reads it, what for"), intent),
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

/** The refusal, which says whether it was the plugin's or whether there is none. */
async function refusedBy(response) {
  const absent = response.status === 404 && !response.headers.has("x-semantic-cache");
  if (absent) return Object.assign(new Refusal(404, "Nothing shapes here", MISSING), { absent });
  return await refusalOf(response);
}

function factsOf(headers) {
  const [model = "", place = ""] = (headers.get("x-semantic-gpu") ?? "").split("; ");
  const cut = headers.get("x-semantic-cut");
  return [
    KEPT[headers.get("x-semantic-cache")] ?? "",
    model === "none" ? "" : `${model}, ${place === "local" ? "on this machine" : "elsewhere"}`,
    cut === null ? "" : `of the source's beginning alone (${cut.replace("/", " of ")} bytes)`,
  ].filter((fact) => fact !== "").map((fact) => h("span", {}, fact));
}
