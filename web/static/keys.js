"use strict";
// Single keys: / g j k ? — never while something is typed, and never required.
(() => {
  if (document.documentElement.dataset.keys === "off") return;
  const typed = (at) => at.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(at.tagName);
  const ROW = "[role=row], li.item", own = (link) => link.closest(ROW);
  const rows = () => [...document.querySelectorAll("main :is([role=row], li.item)[id] a:first-of-type")].filter(
    (link, place, all) => all.findIndex((other) => own(other) === own(link)) === place);
  let went = 0;

  function step(by) {
    const all = rows(), here = all.findIndex((link) => own(link).contains(document.activeElement));
    const next = all[Math.min(all.length - 1, Math.max(0, here + by))];
    next?.focus();
    next?.scrollIntoView({ block: "nearest" });
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || typed(event.target) || document.querySelector("dialog[open]")) return;
    const section = Date.now() - went < 1500 && document.querySelector(`.sections a[data-key="${CSS.escape(event.key)}"]`);
    went = 0;
    if (section) section.click();
    else if (event.key === "/") (document.querySelector("main [data-find]") ?? document.getElementById("find"))?.focus();
    else if (event.key === "?") document.querySelector(".sections .more")?.click();
    else if (event.key === "j" || event.key === "k") step(event.key === "j" ? 1 : -1);
    else if (event.key === "g") { went = Date.now(); return; }
    else return;
    event.preventDefault();
  });
})();
