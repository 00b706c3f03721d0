"use strict";
// The list of jobs while it is looked at: what is new waits behind a pill, what no longer matches is marked. Rows never move.
(() => {
  const PACE = 1000;  // the deck is asked at most once a second, however much happens
  const list = () => document.querySelector("[data-list]");
  const rows = () => [...(list()?.querySelectorAll(".job-row") ?? [])];
  const changed = new Set(), gone = new Set();
  let asking = null;

  function mark() {
    for (const row of rows()) {
      const id = row.id.slice(2);
      if (gone.has(id)) row.dataset.gone = list().dataset.gone;
      else delete row.dataset.gone;
    }
  }

  function tell(count) {
    const pill = document.getElementById("pill");
    pill.hidden = !count;
    pill.textContent = count === 1 ? pill.dataset.one : pill.dataset.many.replace("#", count.toLocaleString());
    if (count && !rows().length) transport.resync();  // nothing is there that could move
  }

  async function ask() {
    asking = null;
    const ids = rows().map((row) => row.id.slice(2)), { list: q, top } = list().dataset;
    const wanted = ids.filter((id) => changed.has(id));
    changed.clear();
    const query = new URLSearchParams({ q, after: ids[0] ?? "", ids: wanted.join() });
    const answer = await fetch(`${location.pathname.replace(/jobs\/?$/, "api/jobs/news")}?${query}`).then((it) => it.ok && it.json(), () => null);
    if (!answer || list()?.dataset.list !== q) return;
    for (const id of wanted) gone.delete(id);
    for (const id of answer.gone) gone.add(id);
    mark();
    if (top !== undefined) tell(answer.new);
  }

  document.addEventListener("htmx:ws:before:message:incoming", (event) => {
    const { content } = JSON.parse(event.detail.message.data);
    for (const [, id] of content?.matchAll(/<hx-partial id='j-([^']+)'/g) ?? []) changed.add(id);
    if (changed.size && list()) asking ??= setTimeout(ask, PACE);
  });
  function count() {
    const ticked = document.querySelectorAll(".pick input:checked").length, said = document.getElementById("ticked");
    if (said) said.textContent = ticked > 1 ? said.dataset.many.replace("#", ticked) : ticked ? said.dataset.one : said.dataset.none;
    for (const button of document.querySelectorAll("#bulk button:not([value$=matching])"))
      button.setAttribute("aria-disabled", String(!ticked));
  }

  // The jobs are frozen by the post; the page that asks whether to go on is shown as a dialog.
  async function askFirst(form, button) {
    const answer = await fetch(form.getAttribute("action"), { method: "POST", body: new URLSearchParams(new FormData(form, button)) }).catch(() => null);
    const text = answer?.ok ? "" : await answer?.text();
    const said = document.getElementById("ticked");
    if (!answer?.ok) return said.textContent = new DOMParser().parseFromString(text ?? "", "text/html").getElementById("problem")?.textContent ?? "";
    const link = document.getElementById("bulk-dialog");
    link.href = answer.url;
    link.click();
  }

  document.addEventListener("htmx:after:swap", () => { mark(); count(); });
  document.addEventListener("change", (event) => { if (event.target.closest(".pick")) count(); });
  document.addEventListener("submit", (event) => {
    if (!event.target.matches("#bulk")) return;  // not .id: its boxes are named so
    event.preventDefault();
    if (event.submitter.getAttribute("aria-disabled") !== "true" && !document.body.classList.contains("offline")) askFirst(event.target, event.submitter);
  });
  count();
  document.addEventListener("click", (event) => {
    if (event.target.id !== "pill") return;
    event.preventDefault();
    gone.clear();
    transport.resync().then(() => tell(0));
  });
})();
