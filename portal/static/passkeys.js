/* Forms that a passkey completes: fetch the options, ask the browser, put its answer into the form, send it.
   The forms are hidden until this script finds a browser that can. */
"use strict";
{
  const { browserSupportsWebAuthn, startAuthentication, startRegistration } = SimpleWebAuthnBrowser;
  const ask = { create: startRegistration, get: startAuthentication };

  const complete = async (form) => {
    const answer = await fetch(form.dataset.options, { method: "POST", body: new URLSearchParams(new FormData(form)) });
    if (answer.redirected) {
      location.assign(answer.url); // asked once more who it is, or signed out meanwhile
      return;
    }
    if (!answer.ok) throw new Error(`${answer.status}`);
    const credential = await ask[form.dataset.passkey]({ optionsJSON: await answer.json() });
    form.elements.credential.value = JSON.stringify(credential);
    form.submit();
  };

  const sent = async (event) => {
    event.preventDefault();
    const form = event.currentTarget;
    const trouble = form.querySelector(".passkey-trouble");
    trouble.hidden = true;
    try {
      await complete(form);
    } catch {
      trouble.hidden = false; // cancelled, timed out, registered already: the next step is the same
    }
  };

  if (browserSupportsWebAuthn()) {
    for (const form of document.querySelectorAll("form[data-passkey]")) {
      form.addEventListener("submit", sent);
      form.hidden = false;
    }
    for (const one of document.querySelectorAll(".without-script")) one.hidden = true;
  }
}
