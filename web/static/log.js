"use strict";
// Appends log lines in batches, and follows the end until the reader scrolls up or pauses it.
// A reader's place is never moved: while they read, what does not fit into the window waits, and is counted.
const log = (() => {
  const KEPT = 5000;
  const at = (id) => document.getElementById(id);
  let waiting = [], missed = 0, follows = true, paused = false, timer = null;

  const follow = () => {
    if (at("log-pause")) at("log-pause").parentElement.hidden = !at("log").matches("[data-daemon], [data-job], [data-item]");
    if (follows && !paused && !location.hash.startsWith("#l-")) at("log")?.scrollTo(0, at("log").scrollHeight);
  };

  function drawn(line) {
    const item = at("log-line").content.firstElementChild.cloneNode(true);
    item.id = `l-${line.id}`;
    item.className = `line level-${line.level}`;
    item.querySelector("time").dateTime = line.at;
    const link = item.querySelector("a.at");
    if (link) link.href = link.getAttribute("href").replace(/around=.*/, `around=${line.id}#l-${line.id}`);
    for (const part of ["level", "message"]) item.querySelector(`.${part}`).textContent = line[part];
    return item;
  }

  function flush() {
    timer = null;
    const list = at("log");
    const holds = paused || !follows;
    const room = holds ? (paused ? 0 : Math.max(0, KEPT - list.childElementCount)) : waiting.length;
    const items = waiting.splice(0, room).filter((line) => !at(`l-${line.id}`)).map(drawn);
    list.append(...items);
    if (!holds) while (list.childElementCount > KEPT) list.firstElementChild.remove();
    missed += Math.max(0, waiting.length - KEPT);
    waiting = waiting.slice(-KEPT);
    times.write(false, items);
    const newer = at("log-newer");
    newer.hidden = !waiting.length;
    newer.querySelector("span").textContent = waiting.length + missed;
    follow();
  }

  function append(line) {
    const { daemon, job, item, levels } = at("log")?.dataset ?? {};
    const known = [[daemon, line.daemon_id], [job, line.job_id], [item, line.item_id]];
    if (!known.some(([mine, its]) => mine && mine === its)) return;
    if (levels && !levels.split(" ").includes(line.level)) return;
    waiting.push(line);
    if (waiting.length > 2 * KEPT) missed += waiting.splice(0, KEPT).length;  // a hidden tab's timers hardly run
    timer ??= setTimeout(flush, 100);
  }

  function goOn() {
    paused = false;
    follows = true;
    at("log-pause").setAttribute("aria-pressed", "false");
    if (missed) {  // there would be a hole in what is shown
      waiting = [];
      transport.resync();
    }
    missed = 0;
    flush();
  }

  document.addEventListener("click", ({ target }) => {
    if (target.closest("#log-newer") || (paused && target.id === "log-pause")) goOn();
    else if (target.id === "log-pause") {
      paused = true;
      target.setAttribute("aria-pressed", "true");
    }
  });
  // Scroll events do not bubble.
  document.addEventListener("scroll", ({ target: list }) => {
    if (list.id !== "log") return;
    const wasAway = !follows;
    follows = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
    if (wasAway && follows && waiting.length && !paused) timer ??= setTimeout(flush, 100);
  }, true);
  follow();
  return { append, follow };
})();
