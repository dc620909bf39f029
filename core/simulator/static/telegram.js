/** Telegram on a phone: bubbles with ticks, an inline keyboard, commands to tap. */
import { cairn, element } from "/static/dom.js";
import { Composer } from "./composer.js";
import { icon } from "./icons.js";
import { Log } from "./log.js";
import { pictures } from "./pane.js";
import { phone } from "./phone.js";
import { richText } from "./rich.js";
import { timeOf } from "./times.js";

const COMMAND = /(^|\s)(\/[a-z][a-z0-9_]{0,31})\b/gi;

export function telegramSkin(pane) {
  const log = new Log("Telegram chat");
  const status = element("p", { class: "status" }, "bot");
  const bar = element("div", { class: "chat-bar" }, icon("back"), element("div", { class: "face" }, cairn()), element("div", { class: "names" }, element("p", { class: "title" }, "Cairn"), status));
  const composer = new Composer({ label: "Message on Telegram", placeholder: "Message", icon: icon("plane"), send: (text) => pane.say(text) });
  const start = element("button", { type: "button", class: "start" }, "Start");
  start.addEventListener("click", () => pane.say("/start"));
  return {
    root: phone("telegram-phone", bar, log.root, start, composer.root),
    log,
    show: () => {},
    typing: (is) => {
      status.textContent = is ? "typing" : "bot";
      status.classList.toggle("is-typing", is);
    },
    bubble: (bubble, context) => draw(pane, bubble, context),
    suggestions: (texts) => texts.slice(0, 2),
    empty: (place) => [element("div", { class: "card" }, element("p", { class: "strong" }, "What can this bot do?"), element("p", {}, `${place.person} opens the chat. Tap Start, or ask right away:`))],
  };
}

function draw(pane, bubble, { follows }) {
  const text = element("div", { class: "text" }, richText(bubble.text, bubble.marks, (words) => withCommands(words, pane)));
  const meta = element("span", { class: "meta" }, ...(bubble.edited ? ["edited "] : []), timeOf(bubble.at), ...ticks(bubble));
  const body = element("div", { class: "bubble" }, ...pictures(bubble), text, meta);
  const keys = pane.buttons(bubble);
  const keyboard = keys.length ? [element("div", { class: "keyboard" }, ...keys)] : [];
  return element("div", { class: `row from-${bubble.author}${follows ? " follows" : ""}`, "data-bubble": bubble.id }, element("div", { class: "stack" }, body, ...keyboard, ...reactions(bubble)));
}

function ticks(bubble) {
  if (bubble.author !== "person") return [];
  const mark = element("span", { class: "ticks", role: "img", "aria-label": bubble.state || "sending" });
  mark.append(icon(bubble.state === "read" ? "ticks" : bubble.state === "sent" ? "tick" : "clock"));
  return [mark];
}

function reactions(bubble) {
  if (!bubble.reactions.length) return [];
  return [element("div", { class: "reactions" }, ...bubble.reactions.map((each) => element("span", {}, each)))];
}

/** Telegram makes every /command a link that sends it. */
function withCommands(words, pane) {
  const nodes = [];
  let end = 0;
  for (const match of words.matchAll(COMMAND)) {
    const at = match.index + match[1].length;
    const link = element("button", { type: "button", class: "command" }, match[2]);
    link.addEventListener("click", () => pane.say(match[2]));
    nodes.push(words.slice(end, at), link);
    end = at + match[2].length;
  }
  return [...nodes, words.slice(end)];
}
