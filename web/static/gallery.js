"use strict";
// Pictures while they are looked at: how many new ones wait, menus that close, and single keys on the page of one.
(() => {
  const PACE = 2000;  // the deck is asked at most that often, however much is described
  const list = () => document.querySelector("[data-news]");
  const ids = () => [...document.querySelectorAll(".gallery > .item")].map(({ id }) => id.slice(2));
  let asking = null;

  function tell(count, more) {
    const pill = document.getElementById("pill");
    pill.hidden = !count;
    pill.textContent = count === 1 ? pill.dataset.one : pill.dataset.many.replace("#", count.toLocaleString() + (more ? "+" : ""));
  }

  // The choice is the deck's to judge: it is asked for the list as it is now, and what comes before the first one here is new.
  async function ask() {
    asking = null;
    const asked = location.search, query = new URLSearchParams(asked), here = new Set(ids());
    for (const name of ["cursor", "view"]) query.delete(name);
    for (const [name, value] of [...query]) if (!value) query.delete(name);
    query.set("limit", "61");
    const answer = await fetch(`${list().dataset.news}?${query}`).then((it) => it.ok && it.json(), () => null);
    if (!answer || !list() || location.search !== asked) return;
    const first = answer.items.findIndex(({ id }) => here.has(id));
    const count = first < 0 ? answer.items.length : first;
    const fills = "fills" in list().dataset, held = document.querySelector(".gallery:hover");  // nothing moves under the pointer
    if (fills && count && !held) return transport.resync();
    if (fills && count) asking = setTimeout(ask, PACE);
    tell(count, first < 0 && answer.next);
  }

  document.addEventListener("htmx:ws:before:message:incoming", (event) => {
    if (!list()) return;
    const { content } = JSON.parse(event.detail.message.data);
    const told = [...(content?.matchAll(/<hx-partial id='i-([^']+)'/g) ?? [])];
    if (told.some(([, id]) => !document.getElementById(`i-${id}`))) asking ??= setTimeout(ask, PACE);
  });
  document.addEventListener("click", ({ target }) => {
    for (const open of document.querySelectorAll(".choose[open]")) if (!open.contains(target)) open.open = false;
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") for (const open of document.querySelectorAll(".choose[open]")) {
      open.open = false;
      open.querySelector("summary").focus();
    }
    const typed = /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName) || event.ctrlKey || event.metaKey || event.altKey;
    if (typed || document.documentElement.dataset.keys === "off" || document.querySelector("dialog[open]")) return;
    const way = { j: "next", ArrowRight: "next", k: "prev", ArrowLeft: "prev" }[event.key];
    if (way) document.querySelector(`.neighbours a[rel=${way}]`)?.click();
  });
})();
