// Long work: asks for the page again until nothing on it is under way, and puts in what is new.
// Without scripts the page reloads itself (noscript, meta refresh).
"use strict";

async function look() {
  const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
  if (!answer.ok || answer.redirected) return location.reload(); // signed out meanwhile: the door says so
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  document.querySelector("main").replaceWith(fresh.querySelector("main"));
  wait();
}

function wait() {
  const under_way = document.querySelector("[data-under-way]");
  // What fails is tried again: a line that is gone for a moment must not end the waiting.
  if (under_way) setTimeout(() => look().catch(wait), Number(under_way.dataset.underWay) * 1000);
}

wait();
