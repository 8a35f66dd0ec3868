// Two charts: the scores above and below a line, and the ROC curve. Drawn again when the page changes its width.

const BINS = 50;
const charts = {}; // what of each chart moves with the threshold
const curve = traceCurve();

/** The points of the ROC curve from (0, 0) to (1, 1), each with a threshold that has it: between two scores. */
function traceCurve() {
  const scores = [...new Set([...data.matched, ...data.mismatched])].sort((a, b) => b - a);
  const points = [{ ...measure(high + 1), threshold: high }];
  for (const [place, score] of scores.entries()) {
    const middle = (score + scores[place + 1]) / 2; // NaN after the last; the lower one, where floats lie no closer
    points.push({ ...measure(score), threshold: middle > scores[place + 1] ? middle : score });
  }
  return points;
}

function binned(values) {
  const bins = new Array(BINS).fill(0);
  for (const value of values) bins[Math.min(Math.floor(((value - low) / (high - low)) * BINS), BINS - 1)] += 1;
  return bins;
}

/** About so many round numbers between two limits. */
function roundNumbers(first, last, wanted) {
  const power = 10 ** Math.floor(Math.log10((last - first) / wanted));
  const size = [1, 2, 5, 10].map((factor) => factor * power).find((size) => (last - first) / size <= wanted);
  const numbers = [];
  for (let n = Math.ceil(first / size - 1e-9); n * size <= last + size * 1e-9; n++) numbers.push(n * size);
  return { numbers, places: Math.max(0, -Math.floor(Math.log10(size) + 1e-9)) };
}

function drawStripes(svg) {
  const definitions = draw(svg, "defs");
  for (const kind of ["matched", "mismatched"]) {
    const stripes = { id: `stripes-${kind}`, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" };
    const pattern = draw(definitions, "pattern", { width: 6, height: 6, ...stripes });
    draw(pattern, "rect", { width: 6, height: 6, class: `${kind} pale` });
    draw(pattern, "rect", { width: 2.6, height: 6, class: kind });
  }
  return definitions;
}

function drawHistogram() {
  const svg = find("histogram");
  const [width, height] = [svg.clientWidth, svg.clientHeight];
  const [left, right, top, bottom] = [44, 8, 26, 40];
  const x = (score) => left + ((score - low) / (high - low)) * (width - left - right);
  const bins = { matched: binned(data.matched), mismatched: binned(data.mismatched) };
  const tallest = Math.max(...bins.matched, ...bins.mismatched);
  const zero = top + (height - top - bottom) / 2;
  const y = (number) => zero - (number / tallest) * (zero - top - 22);
  svg.replaceChildren();
  const definitions = drawStripes(svg);

  const counts = roundNumbers(0, tallest, 3).numbers.filter(Number.isInteger);
  for (const number of new Set([...counts, ...counts.map((value) => -value)])) {
    draw(svg, "line", { x1: left, x2: width - right, y1: y(number), y2: y(number), class: number ? "grid" : "axis" });
    draw(svg, "text", { x: left - 6, y: y(number) + 4, class: "end" }, count(Math.abs(number)));
  }
  const { numbers, places } = roundNumbers(low, high, width > 500 ? 8 : 5);
  for (const number of numbers) {
    draw(svg, "line", { x1: x(number), x2: x(number), y1: height - bottom, y2: height - bottom + 4, class: "axis" });
    draw(svg, "text", { x: x(number), y: height - bottom + 17, class: "middle" }, number.toFixed(places));
  }
  const middle = (left + width - right) / 2;
  draw(svg, "text", { x: middle, y: height - 4, class: "middle" }, "score, higher for the same person");
  draw(svg, "text", { x: left - 6, y: top + 10, class: "end" }, "pairs");

  const clips = ["left", "right"].map((side) => {
    const clip = draw(definitions, "clipPath", { id: `clip-${side}` });
    return draw(clip, "rect", { y: 0, height });
  });
  const size = (width - left - right) / BINS;
  for (const kind of ["matched", "mismatched"]) {
    const bars = bins[kind].map((number, place) => {
      const tip = y(kind === "matched" ? number : -number);
      return number ? `M${left + place * size + 0.5} ${zero}V${tip}h${Math.max(size - 1, 0.5)}V${zero}Z` : "";
    }).join("");
    for (const side of ["left", "right"]) {
      const decided = (side === "right") === (kind === "matched") ? "rightly" : "wrongly";
      const look = decided === "rightly" ? { class: kind } : { fill: `url(#stripes-${kind})` };
      draw(svg, "path", { d: bars, "clip-path": `url(#clip-${side})`, ...look });
    }
  }
  for (const mark of data.marks) {
    if (mark.threshold < low || mark.threshold > high) continue;
    const place = x(mark.threshold);
    draw(svg, "line", { x1: place, x2: place, y1: top - 6, y2: height - bottom, class: "hint" });
    draw(svg, "path", { d: shapeOf(mark.kind, place, top - 14, 5), class: "mark" });
  }
  const corner = (place, line, side) => draw(svg, "text", { x: place, y: line, class: `corner ${side}` });
  charts.histogram = {
    x, clips, width, left, right,
    line: draw(svg, "line", { y1: top - 6, y2: height - bottom, class: "cut" }),
    rejects: corner(left + 4, top + 10, "start"), accepted: corner(width - right, top + 10, "end"),
    refused: corner(left + 4, height - bottom - 6, "start"), accepts: corner(width - right, height - bottom - 6, "end"),
  };
}

function drawRoc() {
  const svg = find("roc");
  const [width, height] = [svg.clientWidth, svg.clientHeight];
  const [left, right, top, bottom] = [44, 22, 12, 40];
  const logarithmic = find("logarithmic").checked;
  const least = 0.5 / data.mismatched.length; // stands for no false accept at all
  const share = (far) => (logarithmic ? 1 - Math.log(Math.max(far, least)) / Math.log(least) : far);
  const x = (far) => left + share(far) * (width - left - right);
  const y = (tar) => top + (1 - tar) * (height - top - bottom);
  svg.replaceChildren();
  for (const number of [0, 0.25, 0.5, 0.75, 1]) {
    draw(svg, "line", { x1: left, x2: width - right, y1: y(number), y2: y(number), class: number ? "grid" : "axis" });
    draw(svg, "text", { x: left - 6, y: y(number) + 4, class: "end" }, `${100 * number} %`);
  }
  const rates = logarithmic ? [0.0001, 0.001, 0.01, 0.1, 1].filter((rate) => rate > least) : [0, 0.25, 0.5, 0.75, 1];
  for (const rate of rates) {
    draw(svg, "line", { x1: x(rate), x2: x(rate), y1: top, y2: height - bottom, class: rate ? "grid" : "axis" });
    const text = `${parseFloat((100 * rate).toPrecision(2))} %`;
    draw(svg, "text", { x: x(rate), y: height - bottom + 17, class: "middle" }, text);
  }
  const middle = (left + width - right) / 2;
  draw(svg, "text", { x: middle, y: height - 4, class: "middle" }, "false accept rate; up: true accept rate");
  const chance = Array.from({ length: 101 }, (_, place) => (logarithmic ? least ** (1 - place / 100) : place / 100));
  draw(svg, "path", { d: `M${chance.map((rate) => `${x(rate)} ${y(rate)}`).join("L")}`, class: "chance" });
  draw(svg, "text", { x: x(0.94), y: y(0.82), class: "end" }, "chance");
  draw(svg, "path", { d: `M${curve.map((point) => `${x(point.far)} ${y(point.tar)}`).join("L")}`, class: "curve" });
  for (const mark of data.marks) {
    const point = measure(mark.threshold);
    const sign = draw(svg, "path", { d: shapeOf(mark.kind, x(point.far), y(point.tar), 6), class: "mark" });
    draw(sign, "title", {}, `${mark.name}: ${mark.threshold.toFixed(digits)}`);
  }
  charts.roc = {
    x, y, left, foot: height - bottom,
    cross: draw(svg, "path", { class: "cross" }), point: draw(svg, "circle", { r: 9, class: "chosen" }),
  };
}

function followHistogram(figures) {
  const { x, clips, width, left, line, ...parts } = charts.histogram;
  const place = x(figures.threshold);
  clips[0].setAttribute("x", left);
  clips[0].setAttribute("width", Math.max(place - left, 0));
  clips[1].setAttribute("x", place);
  clips[1].setAttribute("width", Math.max(width - place, 0));
  line.setAttribute("x1", place);
  line.setAttribute("x2", place);
  parts.rejects.textContent = `${count(figures.rejects)} wrongly refused`;
  parts.accepted.textContent = `${count(figures.accepted)} accepted`;
  parts.refused.textContent = `${count(figures.refused)} refused`;
  parts.accepts.textContent = `${count(figures.accepts)} wrongly accepted`;
  find("histogram-text").textContent = `Scores from ${low.toFixed(2)} to ${high.toFixed(2)}. At the threshold ` +
    `${figures.threshold.toFixed(digits)}, of ${count(data.matched.length)} pairs of one person ` +
    `${parts.rejects.textContent}, of ${count(data.mismatched.length)} of two people ${parts.accepts.textContent}.`;
}

function followRoc(figures) {
  const { x, y, left, foot, cross, point } = charts.roc;
  const [far, tar] = [x(figures.far), y(figures.tar)];
  point.setAttribute("cx", far);
  point.setAttribute("cy", tar);
  cross.setAttribute("d", `M${left} ${tar}H${far}V${foot}`);
  find("roc-text").textContent =
    `Chosen point: false accept rate ${percent(figures.far)}, true accept rate ${percent(figures.tar)}.`;
}

function drawCharts() {
  drawHistogram();
  drawRoc();
  if (Number.isFinite(threshold)) [followHistogram, followRoc].forEach((follow) => follow(measure(threshold)));
}

/** Whenever the pointer is down on the chart, call with its place. */
function drag(svg, call) {
  const place = (event) => {
    const box = svg.getBoundingClientRect();
    call(event.clientX - box.left, event.clientY - box.top);
  };
  svg.addEventListener("pointerdown", (event) => {
    svg.setPointerCapture(event.pointerId);
    place(event);
  });
  svg.addEventListener("pointermove", (event) => event.buttons && place(event));
}

function startCharts() {
  drawCharts();
  drag(find("histogram"), (x) => {
    const { left, right, width } = charts.histogram;
    moveTo(Math.round((low + ((x - left) / (width - left - right)) * (high - low)) / step) * step);
  });
  drag(find("roc"), (x, y) => {
    const distance = (point) => Math.hypot(charts.roc.x(point.far) - x, charts.roc.y(point.tar) - y);
    moveTo(curve.reduce((best, point) => (distance(point) < distance(best) ? point : best)).threshold);
  });
  find("logarithmic").addEventListener("change", drawCharts);
  followers.push(followHistogram, followRoc);
}
