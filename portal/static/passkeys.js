/* Forms that a passkey completes: fetch the options, ask the browser, put its answer into the form, send it.
   The forms are hidden until this script finds a browser that can. */
"use strict";
{
  const { browserSupportsWebAuthn, startAuthentication, startRegistration } = SimpleWebAuthnBrowser;
  const ask = { create: startRegistration, get: startAuthentication };

  const complete = async (form, options, ceremony) => {
    const answer = await fetch(options, { method: "POST", body: new URLSearchParams(new FormData(form)) });
    if (answer.redirected) {
      location.assign(answer.url); // asked once more who it is, or signed out meanwhile
      return;
    }
    if (!answer.ok) throw new Error(`${answer.status}`);
    const credential = await ask[ceremony]({ optionsJSON: await answer.json() });
    form.elements.credential.value = JSON.stringify(credential);
    form.submit();
  };

  const ceremony = async (form, options, kind) => {
    const trouble = form.querySelector(".passkey-trouble");
    trouble.hidden = true;
    try {
      await complete(form, options, kind);
    } catch {
      trouble.hidden = false; // cancelled, timed out, registered already: the next step is the same
    }
  };

  if (browserSupportsWebAuthn()) {
    for (const form of document.querySelectorAll("form[data-passkey]")) {
      form.addEventListener("submit", (event) => {
        event.preventDefault();
        ceremony(form, form.dataset.options, form.dataset.passkey);
      });
      form.hidden = false;
    }
    // A form that is sent without a passkey too: the button beside signs what it says, and sends it.
    for (const button of document.querySelectorAll("[data-passkey-sign]")) {
      button.addEventListener("click", () => ceremony(button.form, button.dataset.passkeySign, "get"));
      button.hidden = false;
    }
    for (const one of document.querySelectorAll(".without-script")) one.hidden = true;
  }
}
