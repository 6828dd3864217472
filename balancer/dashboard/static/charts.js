// The two charts: what waits and runs, and how long it waits. Colours come from the style sheet.
"use strict";

window.slotgridCharts = function () {
  const queueElement = document.getElementById("queue-chart");
  const waitElement = document.getElementById("wait-chart");
  if (!queueElement || !waitElement) return null;

  const KEPT = 15 * 60;
  const LEAST = 3 * 60;
  const HEIGHT = 160;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  let points = [];
  let plots = [];

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const count = (value) => (value == null ? "–" : value.toLocaleString("en"));
  const time = (value) =>
    value == null ? "–" : value < 1 ? `${Math.round(value * 1000)} ms` : `${value.toFixed(1)} s`;
  const clock = (seconds) => new Date(seconds * 1000).toTimeString().slice(0, 8);

  // As much as is known, up to a quarter of an hour; never so little that a second is a cliff.
  function span() {
    const now = points.at(-1)?.[0] ?? Date.now() / 1000;
    return [Math.min(points[0]?.[0] ?? now, now - LEAST), now];
  }

  function plot(element, series, read, say, least) {
    const line = (label, stroke, more) => ({
      label, stroke: colour(stroke), width: 1.75, points: { show: false },
      value: (_, value) => say(value), ...more,
    });
    const axis = { stroke: colour("--quiet"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false }, font: "12px system-ui, sans-serif" };
    const drawn = new uPlot(
      {
        width: element.clientWidth,
        height: HEIGHT,
        cursor: { y: false, drag: { x: false, y: false } },
        legend: { live: true },
        scales: { x: { time: true, range: span }, y: { range: (_, __, most) => [0, Math.max(least, (most ?? 0) * 1.1)] } },
        axes: [
          { ...axis, size: 30, gap: 6, incrs: [60, 120, 300], values: (_, ticks) => ticks.map((tick) => clock(tick).slice(0, 5)) },
          { ...axis, size: 56, space: 30, values: (_, ticks) => ticks.map(say) },
        ],
        series: [{ label: "Time", value: (_, at) => (at == null ? "–" : clock(at)) }, ...series.map((one) => line(...one))],
      },
      read(),
      element,
    );
    return { element, drawn, read };
  }

  function column(index) {
    return points.map((point) => point[index]);
  }

  function draw() {
    plots.forEach(({ drawn }) => drawn.destroy());
    const fill = colour("--waiting-fill");
    plots = [
      plot(queueElement, [["waiting", "--waiting", { fill }], ["running", "--running"]],
        () => [column(0), column(1), column(2)], count, 4),
      plot(waitElement, [["longest", "--waiting", { fill }], ["mean of started tasks", "--running", { dash: [5, 3], spanGaps: true }]],
        () => [column(0), column(5), column(4)], time, 0.02),
    ];
  }

  function show() {
    for (const { drawn, read } of plots) {
      drawn.setData(read());
      // The newest, unless somebody points at another.
      if (drawn.cursor.idx == null) drawn.setLegend({ idx: points.length - 1 });
    }
  }

  new ResizeObserver(() => {
    plots.forEach(({ element, drawn }) => drawn.setSize({ width: element.clientWidth, height: HEIGHT }));
  }).observe(queueElement.parentElement);
  dark.addEventListener("change", draw);
  draw();

  return {
    add(more) {
      const last = points.at(-1)?.[0] ?? 0;
      // A stream begins with all points there are, then brings one at a time.
      points = points.concat(more.filter((point) => point[0] > last)).slice(-KEPT);
      show();
    },
  };
};
