"use strict";
// What the page says about itself: live or offline, refused commands, rows it lacks.
(() => {
  const VERDICT = 12_000;  // a heartbeat comes every 5 s; later than this, the server counts as gone
  const at = (id) => document.getElementById(id);
  let seen = Date.now(), checked = seen, offline = false, ended = false, reload = null;

  function tell(text, kind = "") {
    at("announcer").textContent = at("banner-text").textContent = text;
    at("banner").dataset.kind = kind;  // "ended" shows the way to sign in, "note" can be dismissed
  }

  function show(chip) {
    if (chip) at("chip").textContent = chip;
    for (const tally of document.querySelectorAll("[data-tally]"))
      tally.textContent = document.querySelectorAll(`.daemon[data-state=${tally.dataset.tally}]`).length || "";
    signals.write(offline);
    times.write(offline);
  }

  function turn(off) {
    offline = off;
    document.body.classList.toggle("offline", off);
    for (const button of document.querySelectorAll("form[data-command] button")) {
      // The focused button stays enabled: disabling it would drop the keyboard's place.
      button.disabled = off && button !== document.activeElement;
      if (off && !button.disabled) button.setAttribute("aria-disabled", "true");
    }
    show(off ? "Offline" : "Live");
  }

  function lost(code) {
    const asOf = `What you see is as of ${times.clock(seen)}`;
    if (!offline) tell(`The deck does not answer. ${asOf}; trying again.`);
    if (code === 4401) tell(`You are signed out. ${asOf}.`, "ended");
    ended ||= code === 4401;
    turn(true);
  }

  function reloadSoon() {
    reload ??= setTimeout(() => {
      reload = null;
      const held = document.querySelector("[data-rows]:hover");  // rows never move under the pointer
      if (at("news")) at("news").hidden = !held;
      if (held) reloadSoon();
      else if (!offline) transport.resync();
    }, 1500);
  }

  const lacks = (content, { rows, of: owner }) => [...content.matchAll(/<hx-partial id='([^']+)'.*?<\/hx-partial>/gs)].some(
    ([piece, id]) => id.startsWith(rows) && !at(id) && (!owner || piece.includes(`="${owner}"`)));

  function frame({ type, content, data, version, signals: news }) {
    signals.take(news);
    if (news && !offline) signals.write(false);
    const lists = [...document.querySelectorAll("[data-rows]")];
    if (type === "log") log.append(data);
    if (type === "removed" || (type === "rows" && lists.some((list) => lacks(content, list.dataset)))) reloadSoon();
    if (type === "hello" && version !== document.documentElement.dataset.version)
      tell(`The deck now runs version ${version}. Reload this page to use it.`, "note");
  }

  function changed(old, { dataset }, byReading) {
    const moved = old.dataset.state !== dataset.state;
    if (moved && dataset.say) at("announcer").textContent = dataset.say;
    // The same revision once more: something beside it has changed, such as the list of what was refused.
    if ("reloads" in dataset && !byReading && (moved || old.dataset.rev === dataset.rev)) reloadSoon();
  }

  async function send(form, button) {
    button.setAttribute("aria-busy", "true");  // until the row shows what came of it
    setTimeout(() => button.removeAttribute("aria-busy"), 5000);
    const body = new URLSearchParams(new FormData(form, button));
    const answer = await fetch(button.formAction, { method: "POST", body, redirect: "manual" }).catch(() => null);
    const done = answer?.type === "opaqueredirect" || answer?.ok;
    const why = done ? null : new DOMParser().parseFromString((await answer?.text()) ?? "", "text/html").getElementById("problem");
    const problem = done ? "" : `${button.textContent} was refused: ${why?.textContent ?? "the deck did not answer."}`;
    if (!done) button.removeAttribute("aria-busy");
    form.dispatchEvent(new CustomEvent("deck:sent", { bubbles: true, detail: { problem } }));
    tell(form.closest("dialog") ? "" : problem, "note");
  }

  document.addEventListener("submit", (event) => {
    if (!event.target.matches("form[data-command]")) return;
    event.preventDefault();
    const button = event.submitter;
    if (!offline && button.getAttribute("aria-disabled") !== "true") send(event.target, button);
  });
  document.addEventListener("htmx:after:swap", () => { show(); log.follow(); });
  at("banner-dismiss").addEventListener("click", () => tell(""));
  setInterval(() => {
    times.write(offline);
    if (ended || Date.now() - checked < VERDICT) return;
    checked = Date.now();
    transport.drop();
    lost(1006);
  }, 1000);
  show("Connecting…");
  transport.start({
    alive: (moment) => { seen = checked = Date.now(); times.serverIs(moment); },
    live: () => { if (offline) tell(""); turn(false); },
    lost, frame, changed,
  });
})();
