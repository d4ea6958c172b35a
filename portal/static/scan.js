// A scan anywhere lands in the search field; "/" puts the cursor there. Every page works without this file.
//
// A hand scanner is a keyboard that types a whole code at once and then Enter: at least LEAST characters, each at most
// GAP_MS after the one before. Nobody types like that. Where somebody's cursor is in a field of their own, nothing is
// taken: the scan goes where they put it.
"use strict";
(() => {
  const GAP_MS = 35;
  const LEAST = 6;
  const GS = "\u001d"; // scanners press Ctrl+] for it, which prints nothing
  const box = document.getElementById("find");
  if (!box) return;

  let burst = "";
  let last = -Infinity;
  let slash = 0;

  const isWriting = (element) =>
    element !== box && element instanceof HTMLElement &&
    (element.isContentEditable || element.matches("textarea, select, input:not([type=checkbox], [type=radio], [type=submit], [type=button])"));

  const find = (text) => {
    box.value = text;
    box.form.requestSubmit();
  };

  const character = (event) => {
    if (event.ctrlKey && event.key === "]") return GS;
    if (event.metaKey || (event.ctrlKey && !event.altKey)) return ""; // AltGr is Ctrl+Alt on Windows
    return event.key.length === 1 ? event.key : "";
  };

  document.addEventListener("keydown", (event) => {
    const isModifier = ["Shift", "Control", "Alt", "AltGraph", "CapsLock", "Dead"].includes(event.key);
    if (event.repeat || event.isComposing || isModifier) return;
    const isFast = event.timeStamp - last <= GAP_MS;
    last = event.timeStamp;
    if (!isFast) burst = "";
    window.clearTimeout(slash);
    if (isWriting(event.target)) {
      burst = "";
      return;
    }
    if (event.key === "Enter" && burst.length >= LEAST) {
      event.preventDefault();
      const text = burst;
      burst = "";
      find(text);
      return;
    }
    const typed = character(event);
    burst = typed ? burst + typed : "";
    if (event.target === box || !typed) return;
    if (typed === "/" || isFast) event.preventDefault(); // a browser's own quick find would open
    if (typed === "/" && !isFast) slash = window.setTimeout(() => box.select(), 2 * GAP_MS);
  }, true);
})();
