"use strict";
// Copies the text of the element that a button names.
(() => {
  const show = () => {
    for (const button of document.querySelectorAll("[data-copy]")) button.hidden = !navigator.clipboard;
  };
  document.addEventListener("click", async ({ target }) => {
    const from = document.getElementById(target.dataset?.copy);
    if (!from) return;
    await navigator.clipboard.writeText(from.textContent);
    const words = target.textContent;
    target.textContent = "✓";
    setTimeout(() => { target.textContent = words; }, 1500);
  });
  document.addEventListener("htmx:after:swap", show);
  show();
})();
