"use strict";
// What scripts say, in the deck's language: say("asOf", { time: "14:03:22" }).
const say = (() => {
  const words = JSON.parse(document.body.dataset.words);
  document.documentElement.style.setProperty("--was", `"${words.was} "`);  // before the state of a row that is no longer known
  return (name, parts = {}) => words[name].replace(/\{(\w+)\}/g, (whole, part) => parts[part] ?? whole);
})();
