/** Small helpers to make elements without ever parsing a string as HTML. */
const SVG = "http://www.w3.org/2000/svg";

const PATHS = {
  copy: ["M9 9h10v11H9z", "M5 15V4h10"],
  check: ["M5 12.5l4.5 4.5L19 7.5"],
  book: ["M5 4h11a3 3 0 0 1 3 3v13H8a3 3 0 0 1-3-3z", "M5 17a3 3 0 0 1 3-3h11"],
  person: ["M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8z", "M4.5 20a7.5 7.5 0 0 1 15 0"],
};

export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  for (const d of PATHS[name]) {
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("d", d);
    svg.append(path);
  }
  return svg;
}

/** The cairn: three balanced stones, the bot's face. */
export function cairn() {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 32 32");
  svg.setAttribute("aria-hidden", "true");
  for (const [cx, cy, rx, ry] of [[16, 24, 11, 4.4], [15.4, 15.6, 7.6, 3.7], [16.4, 8.6, 4.6, 3]]) {
    const stone = document.createElementNS(SVG, "ellipse");
    Object.entries({ cx, cy, rx, ry }).forEach(([name, value]) => stone.setAttribute(name, value));
    svg.append(stone);
  }
  return svg;
}

export function byId(id) {
  return document.getElementById(id);
}
