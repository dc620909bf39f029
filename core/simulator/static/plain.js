/** A channel whose app we have no picture of: plain bubbles, everything a bubble can hold. */
import { element } from "/static/dom.js";
import { Composer } from "./composer.js";
import { icon } from "./icons.js";
import { Log } from "./log.js";
import { pictures, titleOf } from "./pane.js";
import { richText } from "./rich.js";
import { timeOf } from "./times.js";

export function plainSkin(pane) {
  const log = new Log(`${titleOf(pane.name)} messages`);
  const title = element("h3", { class: "place-title" });
  const status = element("p", { class: "assistant-status", role: "status" });
  const composer = new Composer({ label: `Message on ${titleOf(pane.name)}`, placeholder: "Message", icon: icon("plane"), send: (text) => pane.say(text) });
  return {
    root: element("div", { class: "device plain-window" }, element("div", { class: "place-bar" }, title), log.root, status, composer.root),
    log,
    show: (place) => (title.textContent = `${place.title} · ${place.person}`),
    typing: (is) => (status.textContent = is ? "typing…" : ""),
    bubble: (bubble, context) => draw(pane, bubble, context),
    suggestions: (texts) => texts.slice(0, 3),
    empty: () => [element("p", {}, "Nothing was said here yet.")],
  };
}

function draw(pane, bubble, { follows }) {
  const notes = [timeOf(bubble.at), bubble.state, bubble.edited ? "edited" : ""].filter(Boolean);
  const context = bubble.context.map((line) => element("p", { class: "context" }, line));
  const body = element("div", { class: "bubble" }, ...pictures(bubble), element("div", { class: "text" }, richText(bubble.text, bubble.marks)), ...context);
  const keys = element("div", { class: "actions" }, ...pane.buttons(bubble));
  return element("div", { class: `row from-${bubble.author}${follows ? " follows" : ""}`, "data-bubble": bubble.id }, element("div", { class: "stack" }, body, keys, element("p", { class: "small" }, notes.join(" · "))));
}
