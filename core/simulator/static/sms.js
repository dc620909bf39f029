/** Text messages on a phone: what each one costs and whether it was delivered stands below it. */
import { element } from "/static/dom.js";
import { Composer } from "./composer.js";
import { icon } from "./icons.js";
import { Log } from "./log.js";
import { pictures } from "./pane.js";
import { phone } from "./phone.js";
import { richText } from "./rich.js";
import { timeOf } from "./times.js";

const STATES = { queued: "Queued", sent: "Sent", delivered: "Delivered", read: "Read", failed: "Not delivered" };
const ENCODINGS = { gsm7: "GSM-7", ucs2: "UCS-2" };

export function smsSkin(pane) {
  const log = new Log("Text messages");
  const title = element("p", { class: "title" });
  const bar = element("div", { class: "chat-bar" }, icon("back"), element("div", { class: "names" }, element("div", { class: "face" }, "C"), title), element("span", { class: "spacer" }));
  const composer = new Composer({ label: "Text message", placeholder: "Text Message", icon: icon("up"), send: (text) => pane.say(text) });
  const dots = element("div", { class: "typing", hidden: "" });
  return {
    root: phone("sms-phone", bar, log.root, dots, composer.root),
    log,
    show: () => (title.textContent = "Cairn"),
    typing: () => {}, // text messages have no such signal
    bubble: (bubble, context) => draw(pane, bubble, context),
    suggestions: (texts) => [...texts.slice(0, 2), "HELP"],
    empty: (place) => [element("p", { class: "hint" }, "Text Message"), element("p", { class: "hint" }, `From ${place.title}`)],
  };
}

function draw(pane, bubble, { follows }) {
  if (bubble.author === "notice") return element("div", { class: "notice" }, bubble.text);
  const body = element("div", { class: "bubble" }, ...pictures(bubble), element("div", { class: "text" }, richText(bubble.text, bubble.marks)));
  return element("div", { class: `row from-${bubble.author}${follows ? " follows" : ""}`, "data-bubble": bubble.id }, element("div", { class: "stack" }, body, small(bubble)));
}

function small(bubble) {
  const parts = [element("time", {}, timeOf(bubble.at))];
  if (bubble.segments > 0) {
    const word = bubble.segments === 1 ? "segment" : "segments";
    parts.push(element("span", { class: "segments" }, `${bubble.segments} ${word}${bubble.encoding ? ` · ${ENCODINGS[bubble.encoding] ?? bubble.encoding}` : ""}`));
  }
  if (bubble.state) parts.push(state(bubble.state));
  return element("p", { class: "small" }, ...parts);
}

function state(name) {
  const signs = { queued: "clock", sent: "tick", delivered: "ticks", read: "ticks", failed: "alert" };
  return element("span", { class: `state ${name}` }, icon(signs[name] ?? "tick"), STATES[name] ?? name);
}
