"use strict";
// Forms of records: who types holds the form, Ctrl+Enter saves and goes on, beside the board the next form follows in the same place, what is like a record comes after its page; the board tells that it goes on, the table how many are chosen.
(() => {
  const RENEW = 60_000;  // a form is held for two minutes
  const likes = {};  // what was brought, by where from
  let held = null, since = 0;  // the form that somebody types into, and since when it is held

  async function hold(form) {
    [held, since] = [form, Date.now()];
    const headers = { "Content-Type": "application/json" };
    const answer = await fetch(`${form.dataset.lock}/lock`, { method: "POST", headers, body: "{}" }).catch(() => null);
    const told = await answer?.json().catch(() => null), revision = form.elements.revision;
    const note = form.closest("main, dialog")?.querySelector("#lock-note");
    if (note) note.textContent = answer?.ok ? "" : told?.error?.message ?? "";
    // Holding it counts as a change, ours; if there was another one besides, saving has to tell of that.
    if (answer?.ok && told.revision === +revision.value + 1) revision.value = told.revision;
  }

  function free() {
    if (!held) return;
    fetch(`${held.dataset.lock}/unlock`, { method: "POST", headers: { "Content-Type": "application/json" }, body: "{}", keepalive: true }).catch(() => null);
    held = null;
  }

  // In the dialog the answer is shown in its place: what is wrong, or the next record.
  async function send(form, button) {
    const inner = document.getElementById("dialog-main");
    button?.setAttribute("aria-busy", "true");
    const answer = await fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form, button)) }).catch(() => null);
    button?.removeAttribute("aria-busy");
    if (!answer) return;
    held = null;  // saving gave it back
    const main = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("main");
    if (answer.ok && !main?.querySelector("form[data-lock]")) return document.getElementById("dialog").close();
    inner.replaceChildren(...main.childNodes);
    times.write(false);
    inner.querySelector("[aria-invalid], input:not([type=hidden]), textarea")?.focus();
  }

  // A suggestion is put into its field, and taken out again when it is chosen once more; what had been typed comes back then.
  const typed = new WeakMap();  // by field, what stood there before a suggestion did
  const lines = (text) => text.split("\n").filter((line) => line.trim());
  const inputOf = (button) => button.form.elements[button.name.slice(4)];
  const adds = (button) => Boolean(button.closest("[data-adds]"));  // to a list, a line

  function isChosen(button) {
    const input = inputOf(button);
    return adds(button) ? lines(button.value).every((line) => lines(input.value).includes(line)) : input.value === button.value;
  }

  function mark(form) {
    for (const button of form.querySelectorAll(".offers button")) button.ariaPressed = isChosen(button);
  }

  function choose(button) {
    const input = inputOf(button), chosen = isChosen(button), mine = lines(button.value);
    const offers = [...button.closest(".offers").querySelectorAll("button")];
    if (adds(button)) input.value = [...lines(input.value).filter((line) => !mine.includes(line)), ...chosen ? [] : mine].join("\n");
    else if (chosen) input.value = typed.get(input) ?? "";
    else {
      if (!offers.some((one) => one.value === input.value)) typed.set(input, input.value);
      input.value = button.value;
    }
    input.dispatchEvent(new Event("input", { bubbles: true }));
  }

  // The pictures of what is like it come after the page; when the page is read again, they are put back.
  async function bringLikes() {
    const part = document.querySelector("[data-likes]"), path = part?.dataset.likes;
    if (!path || part.querySelector(".likes, .empty")) return;
    likes[path] ??= fetch(path).then(async (answer) => answer.ok ? new DOMParser().parseFromString(await answer.text(), "text/html") : null, () => null);
    const found = (await likes[path])?.querySelector("#main :is(.likes, .empty)");
    if (found && part.isConnected && !part.querySelector(".likes, .empty")) part.querySelector("h2").after(document.importNode(found, true));
    if (!found) delete likes[path];
  }

  document.addEventListener("input", ({ target }) => {
    const form = target.closest("form[data-lock]");
    if (form) mark(form);
    if (form && (held !== form || Date.now() - since > RENEW)) hold(form);
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest("form[data-lock] .offers button");
    if (!button) return;
    event.preventDefault();
    choose(button);
  });
  document.addEventListener("keydown", (event) => {
    const form = event.target.closest?.("form[data-lock]");
    if (!form || event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    form.requestSubmit(form.querySelector("button[name=next]") ?? form.querySelector("button"));
  });
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (event.defaultPrevented || !form.matches("form[data-lock]")) return;
    if (!form.closest("dialog")) { held = null; return; }
    event.preventDefault();
    send(form, event.submitter);
  });
  document.getElementById("dialog")?.addEventListener("close", free);
  addEventListener("pagehide", free);
  // A board that goes on to the side fades out there.
  function fade() {
    const board = document.querySelector(".board");
    board?.toggleAttribute("data-more", board.scrollWidth - board.clientWidth - board.scrollLeft > 1);
  }

  // What is done to chosen ones is refused while none is.
  function count() {
    const ticked = document.querySelectorAll(".pick input:checked").length, said = document.getElementById("ticked");
    if (!said) return;
    said.textContent = ticked > 1 ? said.dataset.many.replace("#", ticked) : ticked ? said.dataset.one : said.dataset.none;
    for (const button of document.querySelectorAll("#chosen button:not([value$=matching])"))
      button.setAttribute("aria-disabled", String(!ticked));
  }

  const drawn = () => { bringLikes(); fade(); count(); };
  document.addEventListener("htmx:after:swap", drawn);
  document.addEventListener("scroll", fade, true);
  document.addEventListener("change", (event) => { if (event.target.closest(".pick")) count(); });
  addEventListener("resize", fade);
  drawn();
})();
