/**
 * Asks for a credential: a token, or an account with its password. It is sent once, in a header, and
 * stored only if the server accepts it.
 */

import { readError, request, RequestError } from "./api.js";
import { refreshCaller } from "./caller.js";
import { h } from "./dom.js";
import { authorization, setAuthorization } from "./session.js";

/**
 * The form.
 *
 * @param {() => void} onDone called when the server accepted the credential
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
      fault.textContent = error instanceof RequestError && error.status === 401
        ? "The credential is unknown or has expired."
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
    h("p", { class: "hint" }, "Stored in this tab only, until you close it."),
  );
}

/** Shows the form in place of a view that the caller cannot read. */
export function signInView(main, error, onDone) {
  const isSignedIn = authorization() !== null;
  main.replaceChildren(
    h(
      "section",
      { class: "card narrow" },
      h("h1", {}, error.status === 403 ? "Not allowed" : "Sign in"),
      h("p", { class: "hint" }, `${error.message}.`),
      isSignedIn && error.status === 403
        ? h("p", {}, "Sign in with a credential that allows it:")
        : null,
      signInForm(onDone),
    ),
  );
}

async function tryCredential(value) {
  const response = await request("/auth/whoami", { headers: { authorization: value } });
  if (!response.ok) throw await readError(response);
  setAuthorization(value);
  await refreshCaller();
}

/** The header value for a token (RFC 6750). Headers are bytes; the token is sent as UTF-8. */
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
