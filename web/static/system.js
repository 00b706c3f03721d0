"use strict";
// Says whether frames of a WebSocket arrive here, and reads the figures again while somebody looks at them.
(() => {
  const PATIENCE = 5000, REREAD = 10000;
  let result = "testing";
  // The page is read again now and then, which takes away what was written on it.
  const write = () => document.getElementById("socket-test")?.setAttribute("data-result", result);
  const tell = (found) => { result = found; write(); };

  const address = new URL(document.getElementById("socket-test").dataset.url, location.href);
  address.protocol = address.protocol.replace("http", "ws");
  const socket = new WebSocket(address);
  const patience = setTimeout(() => { tell("fails"); socket.close(); }, PATIENCE);
  socket.addEventListener("message", () => { clearTimeout(patience); tell("works"); socket.close(); });
  socket.addEventListener("close", () => { if (result === "testing") { clearTimeout(patience); tell("fails"); } });
  write();
  setInterval(write, 500);

  setInterval(() => {
    const is_used = document.activeElement?.closest("main form, dialog");
    if (!document.hidden && !is_used && !document.body.classList.contains("offline")) transport.resync();
  }, REREAD);
})();
