"use strict";
// Appends log lines in batches, and follows the end until the reader scrolls up.
const log = (() => {
  const KEPT = 5000;
  const at = (id) => document.getElementById(id);
  const follow = () => follows && at("log")?.scrollTo(0, at("log").scrollHeight);
  let waiting = [], follows = true;

  function drawn(line) {
    const item = at("log-line").content.firstElementChild.cloneNode(true);
    item.id = `l-${line.id}`;
    item.className = `line level-${line.level}`;
    item.querySelector("time").dateTime = line.at;
    for (const part of ["level", "message"]) item.querySelector(`.${part}`).textContent = line[part];
    return item;
  }

  function flush() {
    const list = at("log");
    list.append(...waiting.filter((line) => !at(`l-${line.id}`)).map(drawn));
    waiting = [];
    while (list.childElementCount > KEPT) list.firstElementChild.remove();
    times.write(false);
    follow();
  }

  function append(line) {
    const { daemon, job } = at("log")?.dataset ?? {};
    if (!(daemon && daemon === line.daemon_id) && !(job && job === line.job_id)) return;
    if (!waiting.length) setTimeout(flush, 100);
    waiting = [...waiting.slice(1 - KEPT), line];
  }

  at("log")?.addEventListener("scroll", ({ target: list }) => { follows = list.scrollHeight - list.scrollTop - list.clientHeight < 40; });
  follow();
  return { append, follow };
})();
