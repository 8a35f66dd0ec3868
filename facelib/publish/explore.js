"use strict";
// The threshold: what it is, what it costs, and everything that follows it. A pair is accepted at a score >= threshold.

const data = JSON.parse(document.getElementById("data").textContent);
const all = data.matched.length + data.mismatched.length;
const low = Math.floor(Math.min(data.matched[0], data.mismatched[0]) * 100) / 100;
const high = Math.ceil(Math.max(data.matched.at(-1), data.mismatched.at(-1)) * 100 + 0.01) / 100;
const step = high - low > 0.1 ? 0.001 : 0.0001;
const digits = step < 0.001 ? 4 : 3;
const followers = []; // functions of the figures, called when the threshold has moved
let threshold = NaN;

function find(id) {
  return document.getElementById(id);
}

/** An element with attributes; the text is put in as text, whatever it holds. */
function make(name, attributes = {}, text = "") {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.textContent = text;
  return element;
}

function draw(parent, name, attributes = {}, text = "") {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text) element.textContent = text;
  return parent.appendChild(element);
}

/** How many of the rising values are below the limit. */
function countBelow(values, limit) {
  let first = 0;
  let last = values.length;
  while (first < last) {
    const middle = (first + last) >> 1;
    if (values[middle] < limit) first = middle + 1;
    else last = middle;
  }
  return first;
}

function measure(limit) {
  const rejects = countBelow(data.matched, limit);
  const refused = countBelow(data.mismatched, limit);
  const accepts = data.mismatched.length - refused;
  const accepted = data.matched.length - rejects;
  return {
    threshold: limit, rejects, refused, accepts, accepted,
    tar: accepted / data.matched.length, far: accepts / data.mismatched.length, accuracy: (accepted + refused) / all,
  };
}

function count(number) {
  return number.toLocaleString("en");
}

function percent(share, places = 2) {
  return `${(100 * share).toFixed(places)} %`;
}

/** A mark's shape around (x, y): a circle, a diamond or a triangle. */
function shapeOf(kind, x, y, size) {
  if (kind === "best") return `M${x} ${y - size}L${x + size} ${y}L${x} ${y + size}L${x - size} ${y}Z`;
  if (kind === "far") return `M${x - size} ${y - 0.8 * size}H${x + size}L${x} ${y + size}Z`;
  return `M${x - size} ${y}a${size} ${size} 0 1 0 ${2 * size} 0a${size} ${size} 0 1 0 ${-2 * size} 0Z`;
}

function moveTo(limit) {
  if (!Number.isFinite(limit)) return;
  threshold = Math.min(Math.max(limit, low), high);
  const figures = measure(threshold);
  for (const follow of followers) follow(figures);
}

// --- the slider, its figures and its marks ---

const slider = find("threshold");
Object.assign(slider, { min: low, max: high, step });
slider.addEventListener("input", () => moveTo(Number(slider.value)));
find("exact").addEventListener("change", (event) => moveTo(parseFloat(event.target.value)));

function showFigures(figures) {
  slider.value = figures.threshold;
  slider.setAttribute("aria-valuetext",
    `${figures.threshold.toFixed(digits)}: true accept rate ${percent(figures.tar, 1)}, false accept rate ` +
    `${percent(figures.far, 1)}, accuracy ${percent(figures.accuracy, 1)}`);
  find("exact").value = figures.threshold.toFixed(digits);
  const counts = {
    tar: [figures.accepted, data.matched.length],
    far: [figures.accepts, data.mismatched.length],
    accuracy: [figures.accepted + figures.refused, all],
  };
  for (const [name, [part, whole]] of Object.entries(counts)) {
    const place = find(name);
    place.dataset.value = figures[name];
    place.replaceChildren(make("b", {}, percent(figures[name])), make("span", {}, `${count(part)} of ${count(whole)}`));
  }
  document.documentElement.dataset.threshold = figures.threshold;
}

function buildMarks() {
  for (const mark of data.marks) {
    const button = make("button", { type: "button" });
    const sign = draw(button, "svg", { viewBox: "-8 -8 16 16", "aria-hidden": "true" });
    draw(sign, "path", { d: shapeOf(mark.kind, 0, 0, 6), class: "mark" });
    button.append(make("span", {}, mark.name), make("b", {}, mark.threshold.toFixed(digits)));
    button.addEventListener("click", () => moveTo(mark.threshold));
    followers.push((figures) => button.setAttribute("aria-pressed", figures.threshold === mark.threshold));
    find("marks").append(button);
  }
}

function drawTicks() {
  const ticks = find("ticks");
  const width = ticks.clientWidth;
  ticks.replaceChildren();
  for (const mark of data.marks) {
    const share = (Math.min(Math.max(mark.threshold, low), high) - low) / (high - low);
    draw(ticks, "path", { d: shapeOf(mark.kind, 10 + share * (width - 20), 7, 5), class: "mark" }); // 20: the thumb
  }
}

let speaking = 0;
/** Say where the threshold rests, once it rests. */
function announce(figures) {
  clearTimeout(speaking);
  speaking = setTimeout(() => {
    find("status").textContent = `${count(figures.accepts)} pairs of different people are accepted, ` +
      `${count(figures.rejects)} pairs of one person are refused.`;
  }, 700);
}

function start() {
  buildMarks();
  followers.push(showFigures, announce);
  startCharts();
  startErrors();
  startMap();
  let width = 0;
  new ResizeObserver(([main]) => {
    if (main.contentRect.width === width) return; // its height changes with the errors
    width = main.contentRect.width;
    drawTicks();
    drawCharts();
  }).observe(document.querySelector("main"));
  moveTo(data.marks[0].threshold);
}
// the other files stand below, and functions are known before they are reached
document.addEventListener("DOMContentLoaded", start);
