"use strict";
// The only file that knows htmx. `start(on)` listens, `drop()` gives the socket up for dead and reconnects,
// `resync()` reads this page again. It calls on.alive(moment), on.live(), on.lost(code), on.frame(frame), on.changed(old, new).
const transport = (() => {
  let on, connection, boot, abort, fetching, missed = false;

  htmx.registerExtension("rev", {
    htmx_before_morph_node(old, { newNode }) {
      if (!old.dataset?.rev) return true;
      if (+newNode.dataset?.rev < +old.dataset.rev) return false;
      if (!getSelection().isCollapsed && getSelection().containsNode(old, true)) return !(missed = true);
      on.changed(old, newNode, Boolean(fetching));
      return true;
    },
  });

  async function read(signal) {
    const answer = await fetch(location.href, { signal, cache: "no-store" });
    if (!answer.ok || answer.redirected) throw new Error(`The page answered ${answer.status}`);
    const [target, swap, text] = ["#main", "outerMorph ignoreTitle:true", await answer.text()];
    await htmx.swap({ sourceElement: document.body, target, select: target, swap, text });
  }

  function resync() {
    abort?.abort();
    const mine = abort = new AbortController();
    return fetching = read(AbortSignal.any([mine.signal, AbortSignal.timeout(8000)]))
      .then(() => mine.signal.aborted || on.live(), () => mine.signal.aborted || drop())
      .finally(() => { if (abort === mine) fetching = null; });
  }

  // hx-ws cannot close a half-open socket quickly; told that it is closed, it reconnects at once.
  const drop = () => connection?.socket?.dispatchEvent(new CloseEvent("close", { code: 1006 }));

  function receive(event) {
    const frame = JSON.parse(event.detail.message.data);
    on.alive(frame.at);
    if (frame.content === undefined) event.preventDefault();
    if (frame.type === "hello" && frame.boot !== boot) {
      boot = frame.boot;  // a new process counts revisions from the start
      for (const row of document.querySelectorAll("[data-rev]")) row.removeAttribute("data-rev");
    }
    if (frame.type === "hello" || frame.type === "resync") resync();
    // Nothing may be drawn between the page being written on the server and its arrival here: it would be lost.
    if (fetching) event.detail.waitUntil(fetching);
    Promise.resolve(fetching).then(() => on.frame(frame));
  }

  function start(handlers) {
    on = handlers;
    document.addEventListener("htmx:ws:before:connection", (event) => { connection = event.detail.connection; });
    document.addEventListener("htmx:ws:before:message:incoming", receive);
    document.addEventListener("htmx:ws:close", (event) => { abort?.abort(); on.lost(event.detail.code); });
    document.addEventListener("selectionchange", () => {
      if (missed && getSelection().isCollapsed) { missed = false; resync(); }
    });
  }

  return { start, drop, resync };
})();
