// The errors with their pictures, and the map.

const SHOWN = 12; // errors of each kind
const COLOURS = 7; // of the marks on the map, times three shapes

function nameOf(image) {
  return data.people[data.images[image][0]].replaceAll("_", " ");
}

function fileOf(image) {
  return data.images[image][1];
}

/** Tile number `image` of the sheet that the style holds. */
function face(image, label) {
  const element = make("span", label ? { class: "face", role: "img", "aria-label": label } : { class: "face" });
  const rows = Math.ceil(data.images.length / data.columns);
  const share = (place, places) => `${places > 1 ? (100 * place) / (places - 1) : 0}%`;
  element.style.backgroundPositionX = share(image % data.columns, data.columns);
  element.style.backgroundPositionY = share(Math.floor(image / data.columns), rows);
  return element;
}

function pairItem([score, matched, first, second], limit) {
  const item = make("li", { "data-score": score });
  const faces = make("div", { class: "two" });
  faces.append(...[first, second].map((image) => face(image, `${nameOf(image)}, ${fileOf(image)}`)));
  const distance = `${Math.abs(score - limit).toFixed(digits)} ${score < limit ? "below" : "above"}`;
  const names = matched ? [nameOf(first)] : [nameOf(first), nameOf(second)];
  const text = make("div", { class: "text" });
  text.append(make("b", {}, score.toFixed(digits)), make("span", {}, distance));
  text.append(...names.map((name) => make("span", { class: "name", title: name }, name)));
  item.append(faces, text);
  return item;
}

/** What is said above a list: how many errors there are, and which of them are shown. The worst all have pictures. */
function noteOn(errors, pictured, shown, nearest) {
  if (!errors) return "None at this threshold.";
  const pairs = `${count(errors)} ${errors === 1 ? "pair" : "pairs"}`;
  if (!nearest) return `${pairs}, the worst ${shown}:`;
  return `${pairs}, the ${shown} nearest${pictured < errors ? ` of ${count(pictured)} with pictures` : ""}:`;
}

function showErrors(figures) {
  const nearest = document.querySelector("input[name=order]:checked").value === "nearest";
  const wrong = data.pairs.filter(([score, matched]) => score >= figures.threshold !== Boolean(matched));
  const far = ([score]) => Math.abs(score - figures.threshold);
  wrong.sort((a, b) => (nearest ? far(a) - far(b) : far(b) - far(a)));
  for (const [id, kind, errors] of [["accepts", 0, figures.accepts], ["rejects", 1, figures.rejects]]) {
    const pictured = wrong.filter((pair) => pair[1] === kind);
    const shown = pictured.slice(0, SHOWN);
    find(id).replaceChildren(...shown.map((pair) => pairItem(pair, figures.threshold)));
    find(`${id}-note`).textContent = noteOn(errors, pictured.length, shown.length, nearest);
  }
}

function startErrors() {
  let asked = 0;
  followers.push((figures) => {
    cancelAnimationFrame(asked); // at most once for each picture on the screen
    asked = requestAnimationFrame(() => showErrors(figures));
  });
  for (const input of document.querySelectorAll("input[name=order]")) {
    input.addEventListener("change", () => showErrors(measure(threshold)));
  }
}

// --- the map ---

/** The mark of the person with this number among those on the map: a colour and a shape. */
function personSign(number) {
  const sign = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  sign.setAttribute("viewBox", "-9 -9 18 18");
  sign.setAttribute("aria-hidden", "true");
  const shape = ["circle", "far", "best"][Math.floor(number / COLOURS) % 3];
  draw(sign, "path", { d: shapeOf(shape, 0, 0, shape === "circle" ? 6 : 7), class: `sign colour-${number % COLOURS}` });
  return sign;
}

/** The images on the map by person: [{ name, dots }], people in the order of their names. */
function buildDots() {
  const groups = new Map();
  for (const [image, across, down] of data.map) {
    const person = data.images[image][0];
    if (!groups.has(person)) groups.set(person, { name: nameOf(image), dots: [] });
    groups.get(person).dots.push({ image, across, down });
  }
  const people = [...groups.entries()].sort(([a], [b]) => a - b).map(([, group]) => group);
  for (const [number, { name, dots }] of people.entries()) {
    for (const [place, dot] of dots.entries()) {
      const label = `${name}, image ${place + 1} of ${dots.length}`;
      const roles = { role: "option", tabindex: -1, "aria-label": label, "aria-selected": false };
      dot.element = make("div", { class: `dot colour-${number % COLOURS}`, ...roles });
      dot.element.append(personSign(number), face(dot.image));
      dot.element.style.left = `${100 * dot.across}%`;
      dot.element.style.top = `${100 * dot.down}%`;
    }
  }
  return people;
}

function startMap() {
  const map = find("map");
  const people = buildDots();
  const card = make("div", { class: "card", "aria-hidden": "true" });
  let [pinned, current] = [-1, [0, 0]];
  const buttons = people.map(({ name, dots }, number) => {
    const button = make("button", { type: "button", "aria-pressed": false });
    button.append(personSign(number), make("span", {}, name), make("i", {}, `${dots.length}`));
    return button;
  });

  const pointOut = (person) => {
    map.classList.toggle("dimmed", person >= 0);
    people.forEach(({ dots }, number) => {
      const elements = [buttons[number], ...dots.map((dot) => dot.element)];
      elements.forEach((element) => element.classList.toggle("lit", number === person));
    });
  };
  const show = (person, place) => {
    const { name, dots } = people[person];
    const { image, across, down, element } = dots[place];
    pointOut(person);
    card.replaceChildren(face(image), make("b", {}, name), make("span", {}, fileOf(image)));
    card.className = `card shown ${across > 0.5 ? "before" : "after"} ${down > 0.5 ? "above" : "below"}`;
    [card.style.left, card.style.top] = [element.style.left, element.style.top];
  };
  const hide = () => {
    card.className = "card";
    pointOut(pinned);
  };
  const focus = (person, place) => {
    people[current[0]].dots[current[1]].element.tabIndex = -1;
    current = [person, Math.min(place, people[person].dots.length - 1)];
    const { element } = people[person].dots[current[1]];
    element.tabIndex = 0;
    element.focus();
  };

  people.forEach(({ dots }, person) => dots.forEach(({ element }, place) => {
    element.addEventListener("pointerenter", () => show(person, place));
    element.addEventListener("pointerleave", hide);
    element.addEventListener("click", () => focus(person, place));
    element.addEventListener("focus", () => {
      element.setAttribute("aria-selected", true);
      show(person, place);
    });
    element.addEventListener("blur", () => {
      element.setAttribute("aria-selected", false);
      hide();
    });
    map.append(element);
  }));
  map.addEventListener("keydown", (event) => {
    const [person, place] = current;
    const size = people[person].dots.length;
    const turn = (number, by, whole) => (number + by + whole) % whole;
    const moves = {
      ArrowRight: () => focus(person, turn(place, 1, size)),
      ArrowLeft: () => focus(person, turn(place, -1, size)),
      ArrowDown: () => focus(turn(person, 1, people.length), 0),
      ArrowUp: () => focus(turn(person, -1, people.length), 0),
      Home: () => focus(0, 0),
      End: () => focus(people.length - 1, 0),
      Escape: hide,
    };
    if (!moves[event.key]) return;
    event.preventDefault();
    moves[event.key]();
  });
  buttons.forEach((button, number) => {
    button.addEventListener("click", () => {
      pinned = pinned === number ? -1 : number;
      buttons.forEach((other, place) => other.setAttribute("aria-pressed", place === pinned));
      pointOut(pinned);
    });
    const item = make("li");
    item.append(button);
    find("legend").append(item);
  });
  find("pictures").addEventListener("change", (event) => map.classList.toggle("pictures", event.target.checked));
  people[0].dots[0].element.tabIndex = 0;
  map.append(card);
}
