"use strict";
// Looks back over what a daemon said: the slider stands at one sentence of the list, the newest at its right end.
(() => {
  const slider = () => document.getElementById("scrub");

  function show(focus) {
    const items = [...document.querySelectorAll(".timeline > li")];
    if (!slider() || !items.length) return;
    slider().parentElement.hidden = false;
    const shown = items[items.length - 1 - slider().value] ?? items[0];
    for (const item of items) item.classList.toggle("shown", item === shown);
    const [time, said] = shown.children;
    document.getElementById("scrubbed").replaceChildren(time.cloneNode(true), " ", said.textContent.trim());
    slider().setAttribute("aria-valuetext", `${time.textContent}: ${said.textContent.trim()}`);
    if (focus) shown.scrollIntoView({ block: "nearest" });
  }

  document.addEventListener("input", ({ target }) => { if (target.id === "scrub") show(true); });
  document.addEventListener("htmx:after:swap", () => show(false));
  show(false);
})();
