"use strict";
// Shows the page behind <a data-dialog> in a dialog. Without scripts the link leads to that page.
(() => {
  const at = (id) => document.getElementById(id);
  const plain = (event) => event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.altKey;

  async function open(link) {
    const answer = await fetch(link.href, { cache: "no-store" }).catch(() => null);
    if (!answer?.ok || answer.redirected) return location.assign(link.href);
    const main = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("main");
    at("dialog-problem").hidden = true;
    at("dialog-main").replaceChildren(...main.childNodes);
    times.write(false);
    at("dialog").setAttribute("aria-label", at("dialog-main").querySelector("h1")?.textContent ?? link.textContent);
    if (!at("dialog").open) at("dialog").showModal();  // the browser gives the focus back when it closes
    at("dialog-main").querySelector("[autofocus], input:not([type=hidden]), button, a")?.focus();
  }

  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-dialog]");
    if (link && plain(event) && !document.body.classList.contains("offline")) { event.preventDefault(); open(link); }
    if (event.target === at("dialog")) at("dialog").close();  // beside it
  });
  document.addEventListener("deck:sent", ({ target, detail }) => {
    if (!at("dialog").contains(target)) return;
    at("dialog-problem").textContent = detail.problem;
    at("dialog-problem").hidden = !detail.problem;
    if (!detail.problem) at("dialog").close();
  });
})();
