/**
 * Asks for a credential: a token, or an account with its password. What was typed goes to the
 * machine once, in a header, and is kept only if the machine knows it.
 */

import { Refusal, refusalOf, request } from "./api.js?raw";
import { refreshWho } from "./chrome.js?raw";
import { h, style } from "./dom.js?raw";
import { authorization, setAuthorization } from "./session.js?raw";

await style("boxes");

/**
 * The form.
 *
 * @param {() => void} onDone called when the machine knows the credential
 */
export function signInForm(onDone) {
  const user = h("input", {
    name: "username",
    autocomplete: "username",
    autocapitalize: "none",
    spellcheck: "false",
  });
  const secret = h("input", {
    name: "secret",
    type: "password",
    autocomplete: "current-password",
    required: true,
  });
  const fault = h("p", { class: "fault", role: "alert" });
  const send = h("button", { type: "submit", class: "primary" }, "Sign in");
  async function submit(event) {
    event.preventDefault();
    send.disabled = true;
    fault.textContent = "";
    const name = user.value.trim();
    try {
      await tryCredential(name === "" ? bearer(secret.value.trim()) : basic(name, secret.value));
      onDone();
    } catch (error) {
      fault.textContent = error instanceof Refusal && error.status === 401
        ? "The machine does not know this credential, or it has expired."
        : error.message;
    } finally {
      send.disabled = false;
    }
  }
  return h(
    "form",
    { class: "sign-in", on: { submit } },
    h("label", {}, h("span", {}, "Token or password"), secret),
    h(
      "label",
      {},
      h("span", {}, "Account ", h("small", {}, "(leave empty for a token)")),
      user,
    ),
    fault,
    send,
    h("p", { class: "hint" }, "Kept in this tab only, until it is closed."),
  );
}

/** The whole view that a refused page becomes. */
export function signInView(main, refusal, onDone) {
  const known = authorization() !== null;
  main.replaceChildren(
    h(
      "section",
      { class: "card narrow" },
      h("h1", {}, refusal.status === 403 ? "Not within your reach" : "Sign in"),
      h("p", { class: "hint" }, `${refusal.message}.`),
      known && refusal.status === 403
        ? h("p", {}, "Sign in with a credential that reaches it:")
        : null,
      signInForm(onDone),
    ),
  );
}

async function tryCredential(value) {
  const response = await request("/auth/whoami", { headers: { authorization: value } });
  if (!response.ok) throw await refusalOf(response);
  setAuthorization(value);
  await refreshWho();
}

/** The header value for a token (RFC 6750). Headers carry bytes, so the token goes out as UTF-8. */
function bearer(token) {
  return `Bearer ${bytesAsText(token)}`;
}

/** The header value for an account (RFC 7617). */
function basic(user, password) {
  return `Basic ${btoa(bytesAsText(`${user}:${password}`))}`;
}

function bytesAsText(text) {
  return Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join("");
}
