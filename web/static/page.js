"use strict";
// What the page says about itself: live or offline, refused commands, rows it lacks.
(() => {
  const VERDICT = 12_000;  // a heartbeat comes every 5 s; later than this, the server counts as gone
  const DOZE = 5000, GRACE = 3000;  // a page that slept so long hears first what the server has to say
  const at = (id) => document.getElementById(id);
  let seen = Date.now(), checked = seen, offline = false, ended = false, reload = null;
  let known = null, moved = new Set();  // the rows there were when the deck was lost, and how many changed state meanwhile
  const fresh = new Set();  // the rows of the frame that is being drawn
  let beating = null, beaten = Date.now(), woken = 0;
  let shifted = false;  // one of them is in another state than before
  const rows = () => new Set([...document.querySelectorAll("main [data-rev][id]")].map(({ id }) => id));

  function tell(text, kind = "") {
    at("announcer").textContent = at("banner-text").textContent = text;
    at("banner").dataset.kind = kind;  // "ended" and "lost" show the way back, "note" can be dismissed
  }

  function show(parts) {
    if (!parts || shifted) for (const tally of document.querySelectorAll("[data-tally]")) {
      const number = String(document.querySelectorAll(`.daemon[data-state=${tally.dataset.tally}]`).length || "");
      if (tally.textContent !== number) tally.textContent = number;
    }
    shifted = false;
    if (!parts) signals.write(offline);
    times.write(offline, parts);
  }

  function turn(off, chip) {
    offline = off;
    document.body.classList.toggle("offline", off);
    for (const kind of ["live", "polling"]) document.body.classList.toggle(kind, chip === kind);
    at("chip").textContent = say(chip);
    if (off) at("chip").dataset.since = say("since", { time: times.clock(seen) });
    else delete at("chip").dataset.since;
    for (const button of document.querySelectorAll("form[method=post] button")) cut(button, off);
    show();
  }

  // A focused button is not disabled, which would drop the keyboard's place.
  function cut(button, off) {
    const how = button === document.activeElement ? "aria-disabled" : "disabled";
    if (off && !button.dataset.cut && !button.disabled && !button.hasAttribute(how)) {
      button.dataset.cut = how;
      button.setAttribute(how, "true");
    } else if (!off && button.dataset.cut) {
      button.removeAttribute(button.dataset.cut);
      delete button.dataset.cut;
    }
  }

  function lost(code) {
    const asOf = say("asOf", { time: times.clock(seen) }) + ".";
    known ??= rows();
    ended ||= code === 4401;
    if (ended) tell(`${say("ended")} ${asOf}`, "ended");
    else if (Date.now() - woken < GRACE) return;
    else if (!offline) tell(`${say("lost")} ${asOf}`, "lost");
    turn(true, "offline");
  }

  // Whatever was missed becomes one line.
  function back(chip) {
    const time = times.clock(seen), fresh = known ? [...rows()].filter((id) => !known.has(id)).length : 0;
    const news = [moved.size && say("changed", { time, number: moved.size }), fresh && say("new", { time, number: fresh })].filter(Boolean);
    if (known) tell(news.join(" "), "note");
    known = null;
    moved.clear();
    seen = Date.now();
    turn(false, chip);
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
    if ((type === "hello" || type === "page") && version !== document.documentElement.dataset.version) {
      document.documentElement.dataset.version = version;
      tell(say("version", { version }), "note");
    }
  }

  function changed(old, { dataset }, byReading) {
    if (!byReading) fresh.add(old);
    const hasMoved = old.dataset.state !== dataset.state;
    shifted ||= hasMoved;
    if (hasMoved && known) moved.add(old.id.replace(/^[a-z]+-/, ""));  // a row and its details are one
    else if (hasMoved && dataset.say) at("announcer").textContent = dataset.say;
    // The same revision once more: something beside it has changed, such as the list of what was refused.
    if ("reloads" in dataset && !byReading && (hasMoved || old.dataset.rev === dataset.rev)) reloadSoon();
  }

  async function send(form, button) {
    button.setAttribute("aria-busy", "true");  // until the row shows what came of it
    setTimeout(() => button.removeAttribute("aria-busy"), 5000);
    const body = new URLSearchParams(new FormData(form, button));
    const answer = await fetch(button.formAction, { method: "POST", body, redirect: "manual" }).catch(() => null);
    const done = answer?.type === "opaqueredirect" || answer?.ok;
    const why = done ? null : new DOMParser().parseFromString((await answer?.text()) ?? "", "text/html").getElementById("problem");
    const problem = done ? "" : say("refused", { button: button.textContent, reason: why?.textContent ?? say("gone") });
    if (!done) button.removeAttribute("aria-busy");
    form.dispatchEvent(new CustomEvent("deck:sent", { bubbles: true, detail: { problem } }));
    tell(form.closest("dialog") ? "" : problem, "note");
  }

  function beat() {
    clearTimeout(beating);
    beating = setTimeout(beat, 1000);
    const slept = Date.now() - beaten > DOZE;
    beaten = Date.now();
    transport.catchUp();
    times.tick(offline);
    if (ended) return;
    // Once: a tab in the background sleeps from beat to beat, and has to find out too.
    if (slept && !woken) [woken, checked] = [beaten, Math.max(checked, beaten - VERDICT + GRACE)];
    else if (beaten - woken >= GRACE) woken = 0;
    if (beaten - checked < VERDICT) return;
    checked = beaten;
    transport.drop();
    lost(1006);
  }

  document.addEventListener("submit", (event) => {
    const button = event.submitter;
    if (event.target.method !== "post") return;
    if (offline || button?.ariaDisabled === "true") return event.preventDefault();
    if (!event.target.matches("form[data-command]")) return;
    event.preventDefault();
    send(event.target, button);
  }, true);
  document.addEventListener("htmx:after:swap", () => {
    show(fresh.size ? fresh : undefined);  // the many others have not changed
    fresh.clear();
    if (Date.now() - beaten > 700) beat();  // drawn in one go with what has changed
    log.follow();
  });
  document.addEventListener("contentvisibilityautostatechange", ({ target, skipped }) => skipped || times.write(offline, [target]), true);
  at("banner-dismiss").addEventListener("click", () => tell(""));
  at("banner-retry").addEventListener("click", transport.retry);
  at("chip").textContent = say("connecting");
  show();
  beat();
  transport.start({
    alive: (moment) => { if (!known) seen = Date.now(); checked = Date.now(); times.serverIs(moment); },
    live: () => back("live"), polled: () => back("polling"),
    lost, frame, changed,
  });
})();
