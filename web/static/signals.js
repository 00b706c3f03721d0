"use strict";
// The few numbers that every page shows: badges in the navigation, the title, the icon.
const signals = (() => {
  const icon = document.querySelector("link[rel=icon]"), title = document.title;
  let numbers = JSON.parse(document.body.dataset.signals || "{}");

  function write(offline) {
    const { running, trouble, inbox } = numbers;
    for (const badge of document.querySelectorAll("[data-signal]")) badge.textContent = numbers[badge.dataset.signal] || "";
    const said = trouble ? say("failed", { number: trouble }) + " · " : running ? say("running", { number: running }) + " · " : "";
    document.title = (offline ? say("offline") + " · " : (inbox ? `(${inbox}!) ` : "") + said) + title;
    icon.href = icon.dataset[offline ? "offline" : trouble ? "trouble" : inbox ? "attention" : "live"];
  }

  return { write, take: (news) => { numbers = news ?? numbers; } };
})();
