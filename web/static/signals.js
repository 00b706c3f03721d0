"use strict";
// The few numbers that every page shows: badges in the navigation, the title, the icon.
const signals = (() => {
  const icon = document.querySelector("link[rel=icon]"), title = document.title;
  let numbers = JSON.parse(document.body.dataset.signals || "{}");

  function write(offline) {
    const { running, trouble, inbox } = numbers;
    for (const badge of document.querySelectorAll("[data-signal]")) {
      const number = String(numbers[badge.dataset.signal] || "");
      if (badge.textContent !== number) badge.textContent = number;
    }
    const said = trouble ? say("failed", { number: trouble }) + " · " : running ? say("running", { number: running }) + " · " : "";
    const told = (offline ? say("offline") + " · " : (inbox ? `(${inbox}!) ` : "") + said) + title;
    if (document.title !== told) document.title = told;
    const dot = icon.dataset[offline ? "offline" : trouble ? "trouble" : inbox ? "attention" : "live"];
    if (icon.getAttribute("href") !== dot) icon.href = dot;  // set anew, it is fetched anew
  }

  return { write, take: (news) => { numbers = news ?? numbers; } };
})();
