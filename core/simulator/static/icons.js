/** Line icons of 24 by 24, drawn as nodes. */
const SVG = "http://www.w3.org/2000/svg";

const PATHS = {
  up: ["M12 19V6", "M6 11.5L12 5.5l6 6"],
  plane: ["M4 12l16-7-5.5 15-3-6.5z", "M11.5 13.5L20 5"],
  back: ["M14.5 5.5L8 12l6.5 6.5"],
  hash: ["M9.5 4L7.5 20M16.5 4l-2 16M4.5 9h16M3.5 15h16"],
  person: ["M12 11.5a3.8 3.8 0 1 0 0-7.6 3.8 3.8 0 0 0 0 7.600z", "M4.8 19.500a7.2 7.2 0 0 1 14.4 0"],
  bot: ["M6 9.500h12v9H6z", "M12 9.500V6M12 6v-.1M9.5 13.500v1M14.5 13.500v1"],
  wire: ["M4 8h13M13.5 4.5L17 8l-3.5 3.5", "M20 16H7M10.5 12.5L7 16l3.5 3.5"],
  close: ["M6 6l12 12M18 6L6 18"],
  tick: ["M4.5 12.5l4.5 4.5L19.5 7"],
  ticks: ["M1.5 12.5l4.5 4.5L16 7", "M11 16.5l.8.5L22.5 7"],
  clock: ["M12 7v5l3 2", "M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17z"],
  alert: ["M12 7.5v5.5M12 16.4v.1", "M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17z"],
  reply: ["M4 12h11a5 5 0 0 1 5 5v2", "M8.5 7.5L4 12l4.5 4.5"],
  link: ["M10 14a4 4 0 0 0 6 .4l3-3a4 4 0 0 0-5.7-5.7l-1.5 1.5", "M14 10a4 4 0 0 0-6-.4l-3 3a4 4 0 0 0 5.7 5.7l1.5-1.5"],
};

export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", `icon icon-${name}`);
  svg.setAttribute("aria-hidden", "true");
  for (const d of PATHS[name]) {
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("d", d);
    svg.append(path);
  }
  return svg;
}
