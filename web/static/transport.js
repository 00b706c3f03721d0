"use strict";
// The only file that knows htmx. `start(on)` listens, `drop()` gives the socket up for dead, `retry()` connects at once,
// `resync()` reads this page again, `catchUp()` draws what waits out of sight. It calls on.alive(moment), on.live(), on.polled(), on.lost(code), on.frame(frame), on.changed(old, new).
const transport = (() => {
  const POLL = 5000, REFUSALS = 2;
  const PIECE = /<hx-partial id='([^']+)'[^>]*>(.*?)<\/hx-partial>/gs, CELL = /(?=<div role="cell")/;
  const REVISION = / data-rev="(\d+)"/, END = "</div>";
  const drawn = new Map();  // of each row, its cells as they came last: what has not changed is not drawn again
  const CROWD = 3;  // so many rows of one frame are drawn wherever they are; of more, those out of sight wait
  const waiting = new Map();  // the newest piece of each
  let selecting = false;  // asking the selection itself would lay the page out anew
  let on, connection, boot, abort, fetching, polling, greeted = false, refusals = 0, missed = false, written = false;

  htmx.registerExtension("rev", {
    htmx_before_morph_node(old, { newNode }) {
      if (!old.dataset?.rev) return true;
      if (+newNode.dataset?.rev < +old.dataset.rev) return false;
      if (selecting && getSelection().containsNode(old, true)) return !(missed = true);
      on.changed(old, newNode, Boolean(fetching));
      return true;
    },
  });

  async function read(signal) {
    const answer = await fetch(location.href, { signal, cache: "no-store" });
    if (!answer.ok || answer.redirected) throw Object.assign(new Error(), { code: answer.redirected ? 4401 : 1006 });
    const [target, swap, text] = ["#main", "outerMorph ignoreTitle:true", await answer.text()];
    drawn.clear();
    waiting.clear();
    await htmx.swap({ sourceElement: document.body, target, select: target, swap, text });
    if (!polling) return;
    on.alive(answer.headers.get("date"));
    const { body, documentElement } = new DOMParser().parseFromString(text, "text/html");
    on.frame({ type: "page", signals: JSON.parse(body.dataset.signals), version: documentElement.dataset.version });
  }

  // Of several readings only the newest counts.
  function reread(done, failed) {
    abort?.abort();
    const mine = abort = new AbortController();
    return fetching = read(AbortSignal.any([mine.signal, AbortSignal.timeout(8000)]))
      .then(() => mine.signal.aborted || done(), (error) => mine.signal.aborted || failed(error.code ?? 1006))
      .finally(() => { if (abort === mine) fetching = null; });
  }

  // Where a proxy lets pages through but no sockets, the page is read every few seconds, until a socket says hello.
  function poll() {
    clearTimeout(polling);
    polling = setTimeout(poll, POLL);
    return reread(on.polled, (code) => { if (code === 4401) clearTimeout(polling); on.lost(code); });
  }

  const resync = () => polling ? poll() : reread(on.live, drop);

  // hx-ws cannot close a half-open socket quickly; told that it is closed, it reconnects at once.
  const drop = () => connection?.socket?.dispatchEvent(new CloseEvent("close", { code: 1006 }));

  function retry() {
    if (!connection) return;
    const { config } = connection;
    clearTimeout(connection.timer);
    connection.config = { ...config, reconnectDelay: 0 };
    drop();
    connection.config = config;
    connection.attempt = 0;
    if (polling) poll();
  }

  function hello(frame) {
    greeted = true;
    refusals = 0;
    clearTimeout(polling);
    polling = null;
    if (frame.boot === boot) return;
    boot = frame.boot;  // a new process counts revisions from the start
    for (const row of document.querySelectorAll("[data-rev]")) row.dataset.rev = 0;
  }

  function receive(event) {
    const frame = JSON.parse(event.detail.message.data);
    on.alive(frame.at);
    if (frame.content === undefined) event.preventDefault();
    if (frame.type === "hello") hello(frame);
    if (frame.type === "hello" || frame.type === "resync") resync();
    // Nothing may be drawn between the page being written on the server and its arrival here: it would be lost.
    event.detail.waitUntil(Promise.resolve(fetching).then(() => {
      on.frame(frame);
      if (frame.content === undefined) return;
      event.detail.message.data = JSON.stringify({ content: shown(frame.content) });
      tellWritten();
    }));
  }

  // What this page does not show need not be parsed; of a row whose kind is the same, only what differs is written.
  function shown(content) {
    const unseen = [...content.matchAll(PIECE)].filter(([, id]) => sight.isOut(document.getElementById(id)));
    if (unseen.length > CROWD) for (const piece of unseen) waiting.set(piece[1], piece);
    else unseen.length = 0;
    const late = new Set(unseen.map(([, id]) => id));
    return content.replace(PIECE, (...piece) => late.has(piece[1]) ? "" : left(piece)) || undefined;
  }

  // What htmx has to draw of a piece.
  function left([piece, id, html]) {
    const old = document.getElementById(id);
    waiting.delete(id);
    return old && !isWritten(old, html) ? piece : "";
  }

  function catchUp(rows) {
    if (fetching) return;  // which brings all of it
    const ids = rows ? rows.map(({ id }) => id) : [...waiting.keys()];
    const text = ids.filter((id) => waiting.has(id)).map((id) => left(waiting.get(id))).join("");
    if (text) htmx.swap({ sourceElement: document.body, target: document.body, swap: "none", text });
    tellWritten();
  }

  function tellWritten() {
    if (written) document.dispatchEvent(new Event("htmx:after:swap"));  // as htmx says of what it draws
    written = false;
  }

  function isWritten(old, html) {
    const [head, ...cells] = html.slice(0, -END.length).split(CELL), [revision, number] = head.match(REVISION) ?? [];
    if (!cells.length || +number < +old.dataset.rev) return false;
    const kind = head.replace(revision, ""), last = drawn.get(old.id);
    drawn.set(old.id, { kind, cells, number });
    // Where revisions do not tell, and while what came last is still on its way into the page, all is drawn anew.
    if (number === "0" || last?.number !== old.dataset.rev) return false;
    if (last.kind !== kind || last.cells.length !== cells.length || selecting || "reloads" in old.dataset) return false;
    if (old.contains(document.activeElement) || old.querySelector("[aria-busy]")) return false;
    const fresh = document.createElement("template"), differ = cells.map((cell, at) => cell === last.cells[at] ? "" : cell);
    fresh.innerHTML = differ.join("");
    const news = [...fresh.content.children];
    differ.forEach((cell, at) => cell && write(old.children[at], news.shift()));
    old.dataset.rev = number;
    on.changed(old, old, false);
    return written = true;
  }

  // Nodes that can stay do. What a time says is written by whoever writes times.
  function write(old, fresh) {
    const [before, now] = [old.childNodes, [...fresh.childNodes]];
    if (old.nodeName !== fresh.nodeName || before.length !== now.length || old.id !== fresh.id) return old.replaceWith(fresh);
    if (old.nodeType !== Node.ELEMENT_NODE) { if (old.data !== fresh.data) old.data = fresh.data; return; }
    const isTime = old.nodeName === "TIME";  // whose class and title are the viewer's
    for (const name of old.getAttributeNames()) {
      if (!fresh.hasAttribute(name) && !(isTime && !name.startsWith("data-"))) old.removeAttribute(name);
    }
    for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    if (!isTime) now.forEach((node, at) => write(before[at], node));
  }

  function closed({ detail: { code } }) {
    if (greeted) abort?.abort();
    else refusals += 1;
    greeted = false;
    if (code === 4401) { clearTimeout(polling); polling = null; }
    if (!polling) on.lost(code);
    if (!polling && code !== 4401 && refusals >= REFUSALS) poll();
  }

  function start(handlers) {
    on = handlers;
    sight.tell(catchUp);
    document.addEventListener("htmx:ws:before:connection", (event) => { connection = event.detail.connection; });
    document.addEventListener("htmx:ws:before:message:incoming", receive);
    document.addEventListener("htmx:ws:close", closed);
    document.addEventListener("selectionchange", () => {
      selecting = !getSelection().isCollapsed;
      if (missed && !selecting) { missed = false; resync(); }
    });
  }

  return { start, drop, retry, resync, catchUp };
})();
