/** A phone's frame: status bar, what the app shows, and the bar to swipe by. */
import { element } from "/static/dom.js";
import { now } from "./times.js";

export function phone(name, bar, ...content) {
  const clock = element("span", {}, now());
  setInterval(() => (clock.textContent = now()), 10_000);
  const signs = element("span", { class: "signs", "aria-hidden": "true" }, element("i", { class: "bars" }), element("i", { class: "battery" }));
  const top = element("div", { class: "status-bar" }, clock, element("i", { class: "island", "aria-hidden": "true" }), signs);
  const screen = element("div", { class: "screen" }, element("div", { class: "phone-top" }, top, bar), ...content, element("i", { class: "swipe", "aria-hidden": "true" }));
  return element("div", { class: `device phone ${name}` }, screen);
}
