"use strict";
// Writes every <time data-as> in the viewer's zone; `frozen`, it writes clock times in place of ages.
const times = (() => {
  const ZONE = /(Z|[+-]\d\d:\d\d)$/;  // a camera's time has none
  const steps = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];
  const relative = new Intl.RelativeTimeFormat(document.documentElement.lang, { style: "narrow" });
  const style = (dateStyle, timeStyle) => new Intl.DateTimeFormat(undefined, { dateStyle, timeStyle });
  const [today, dated, zoned] = [style(undefined, "medium"), style("medium", "medium"), style("full", "long")];
  const minute = new Intl.DateTimeFormat(undefined, { hour: "numeric", minute: "2-digit", timeZoneName: "short" });
  const length = (unit) => new Intl.NumberFormat(document.documentElement.lang, { style: "unit", unit, unitDisplay: "short" });
  const lengths = Object.fromEntries(steps.map(([unit]) => [unit, length(unit)]));  // made once: making costs more than using
  let ticks = 0, skew = 0;  // how far this machine's clock is ahead of the server's, in ms

  const clock = (at) => (new Date(at).toDateString() === new Date().toDateString() ? today : dated).format(at);

  // From ten seconds on in steps of five: a page of ages that all change every second is restless, and costs the most.
  const calm = (seconds) => seconds <= -10 ? Math.ceil(seconds / 5) * 5 : seconds;

  function away(seconds) {
    const [unit, size] = steps.find(([, size]) => Math.abs(seconds) >= size) ?? steps.at(-1);
    return relative.format(Math.trunc(seconds / size), unit);
  }

  function elapsed(seconds) {
    const [unit, size] = steps.find(([, size]) => seconds >= size) ?? steps.at(-1);
    return lengths[unit].format(Math.max(0, Math.trunc(seconds / size)));
  }

  function shown({ dataset }, at, seconds, frozen) {
    if (dataset.as === "dated") return dated.format(at);
    if (frozen || dataset.as === "clock") return clock(at);
    if (dataset.as === "elapsed") return elapsed(-calm(seconds));
    if (dataset.as === "countdown") return seconds < 1 ? say("now") : away(seconds);
    return seconds > -1 ? say("justNow") : away(calm(seconds));
  }

  function write(frozen, parts = [document], wanted = () => true) {
    for (const part of parts) for (const time of part.querySelectorAll("time[data-as]")) if (wanted(time)) writeOne(time, frozen);
  }

  function writeOne(time, frozen) {
    const at = Date.parse(time.dateTime), seconds = (at - Date.now() + skew) / 1000;
    const text = shown(time, at, seconds, frozen), late = !frozen && -seconds > (time.dataset.late ?? Infinity);
    if (time.textContent !== text) time.textContent = text;
    if (time.classList.contains("late") !== late) time.classList.toggle("late", late);
  }

  // Of hundreds of rows a few are in sight: the others are written when they come into it, and now and then.
  function tick(frozen) {
    const all = ticks++ % 10 === 0;
    write(frozen, [document], (time) => all || time.checkVisibility({ contentVisibilityAuto: true }));
    const bar = document.getElementById("clock"), now = minute.format();
    if (bar && bar.textContent !== now) { bar.hidden = false; bar.textContent = now; }
  }

  // Written when somebody points at it: hundreds of times change every few seconds, one is asked about.
  document.addEventListener("pointerover", ({ target }) => {
    const time = target.closest?.("time[data-as]");
    if (time && ZONE.test(time.dateTime)) time.title = `${zoned.format(Date.parse(time.dateTime))} · ${time.dateTime}`;
  });

  return { clock, write, tick, serverIs: (moment) => { skew = Date.now() - Date.parse(moment); } };
})();
