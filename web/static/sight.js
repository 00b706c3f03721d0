"use strict";
// Which rows are out of sight: `isOut(row)`. One that was not asked about before counts as in sight until its place is known.
// `tell(seen)`: have seen(rows) called with those that come into it.
const sight = (() => {
  const asked = new WeakSet(), out = new WeakSet();
  let seen = () => {};
  const observer = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) isIntersecting ? out.delete(target) : out.add(target);
    seen(entries.filter(({ isIntersecting }) => isIntersecting).map(({ target }) => target));
  });

  function isOut(row) {
    if (row && !asked.has(row)) { asked.add(row); observer.observe(row); }
    return out.has(row);
  }

  return { isOut, tell: (handler) => { seen = handler; } };
})();
