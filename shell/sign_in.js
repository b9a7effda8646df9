/**
 * Asks for a credential: a token, or an account with its password. It is sent once, in a header, and
 * stored only if the server accepts it.
 */

import { readError, request, RequestError } from "./api.js";
import { knownCaller } from "./caller.js";
import { showDialog } from "./dialog.js";
import { h } from "./dom.js";
import { note } from "./chrome.js";
import { authorization, isShared, KEPT_DAYS, onNextSession, setAuthorization } from "./session.js";

const IN_TAB = "Stored in this tab only, until you close it.";

/** @type {Promise<boolean> | undefined} */
let open;

/**
 * Asks for a credential in a dialog, over the page.
 *
 * @param {string} [text] why
 * @returns {Promise<boolean>} whether the user signed in; the same promise while the dialog is open
 */
export function signIn(text) {
  open ??= new Promise((resolve) => {
    const form = signInForm();
    const node = showDialog("Sign in", text ? h("p", {}, text) : null, form);
    let isDone = false;
    // In another tab, too: then this one needs no credential any more.
    const stop = onNextSession(() => {
      isDone = authorization() !== null;
      node.close();
    });
    node.addEventListener("shell:closed", () => {
      stop();
      open = undefined;
      resolve(isDone);
    });
  });
  return open;
}

/**
 * The form.
 *
 * @param {() => void} [onDone] called when the server accepted the credential
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
  const keep = h("input", { type: "checkbox", name: "keep", checked: isShared() });
  const hint = h("p", { class: "hint" });
  const fault = h("p", { class: "fault", role: "alert" });
  const send = h("button", { type: "submit", class: "primary" }, "Sign in");
  function describeKeeping() {
    hint.textContent = keep.checked
      ? `Stored in this browser for all tabs of ${location.origin}, until you sign out or do not ` +
        `use it for ${KEPT_DAYS} days. Choose this only on a computer of your own.`
      : IN_TAB;
  }
  keep.addEventListener("change", describeKeeping);
  describeKeeping();
  async function submit(event) {
    event.preventDefault();
    send.disabled = true;
    fault.textContent = "";
    const name = user.value.trim();
    const value = name === "" ? bearer(secret.value.trim()) : basic(name, secret.value);
    try {
      await tryCredential(value);
      if (!setAuthorization(value, keep.checked)) {
        note("This browser does not store it; you are signed in in this tab only");
      }
      await knownCaller();
      onDone?.();
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
    h("div", { class: "keep" }, keepRow(keep), hint),
    fault,
    send,
    h(
      "p",
      { class: "hint" },
      h("a", { href: "/usr/share/doc/auth.md", target: "_blank" }, "How to get a token"),
    ),
    globalThis.isSecureContext ? null : h(
      "p",
      { class: "hint" },
      "This connection is not encrypted: others on the network can ",
      "read what you send. Use https to keep the credential on this computer.",
    ),
  );
}

/**
 * Over plain http, any network that the computer joins later could answer under this address and read
 * the storage. There the choice does not exist.
 */
function keepRow(keep) {
  if (!globalThis.isSecureContext) return null;
  return h("label", { class: "check" }, keep, h("span", {}, "Keep me signed in on this computer"));
}

/** Shows the form in place of a view that the caller cannot read. */
export function signInView(main, error) {
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
      signInForm(),
    ),
  );
}

/** @throws {RequestError} if the server does not accept it */
async function tryCredential(value) {
  const response = await request("/auth/whoami", { headers: { authorization: value } });
  if (!response.ok) throw await readError(response);
  await response.body?.cancel();
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
