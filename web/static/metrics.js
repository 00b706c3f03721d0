"use strict";
// Draws each plot that the page holds as numbers; drag over it to look closer, double-click to see all.
(() => {
  const drawn = new WeakMap();

  function draw(place) {
    const { at, series } = JSON.parse(place.dataset.plot);
    // A canvas knows no variables: the element's own colours are what light or dark came to.
    const { color: ink, outlineColor: line } = getComputedStyle(place), lines = [line, ink];
    const axis = { stroke: ink, grid: { stroke: "#8884" }, ticks: { show: false } };
    place.replaceChildren();
    const plot = new uPlot({
      width: place.clientWidth,
      height: 200,
      axes: [axis, { ...axis, size: 60 }],
      scales: { y: { range: (self, least, most) => [Math.min(0, least ?? 0), (most || 1) * 1.05] } },
      series: [{}, ...series.map((one, number) => ({
        label: one.label, stroke: lines[number % 2], width: 2, spanGaps: false, points: { show: at.length < 100, size: 5 },
        dash: number ? [6, 4] : undefined, value: (self, value) => (value === null ? "—" : `${+value.toPrecision(3)} ${one.unit ?? ""}`),
      }))],
    }, [at, ...series.map((one) => one.values)], place);
    drawn.set(place, { plot, told: place.dataset.plot });
  }

  function show() {
    for (const place of document.querySelectorAll(".plot")) {
      const known = drawn.get(place);
      if (known?.told === place.dataset.plot && place.firstElementChild) known.plot.setSize({ width: place.clientWidth, height: 200 });
      else draw(place);
    }
  }

  document.addEventListener("htmx:after:swap", show);
  addEventListener("resize", show);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => document.querySelectorAll(".plot").forEach(draw));
  show();
})();
