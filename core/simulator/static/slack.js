/** Slack's window: a sidebar, a channel or a direct message, threads opened in place. */
import { cairn, element } from "/static/dom.js";
import { Composer } from "./composer.js";
import { icon } from "./icons.js";
import { Log } from "./log.js";
import { pictures } from "./pane.js";
import { richText } from "./rich.js";
import { timeOf } from "./times.js";

const HUES = ["#c2410c", "#0f766e", "#6d28d9", "#be185d", "#1d4ed8", "#4d7c0f"];

export function slackSkin(pane) {
  const log = new Log("Slack messages");
  const heading = element("h3", { class: "place-title" });
  const side = element("nav", { class: "sidebar", "aria-label": "Slack places" });
  const status = element("p", { class: "assistant-status", role: "status" });
  const composer = new Composer({ label: "Message on Slack", placeholder: "Message", icon: icon("plane"), send: (text) => pane.say(text) });
  const room = element("div", { class: "room" }, element("div", { class: "place-bar" }, heading), log.root, status, composer.root);
  const skin = {
    root: element("div", { class: "device slack-window" }, side, room),
    log,
    show: (place) => {
      heading.replaceChildren(...titleParts(place));
      composer.field.placeholder = `Message ${place.kind === "channel" ? "#" : ""}${bare(place.title)}`;
      drawSidebar(side, pane, place);
    },
    news: () => {
      for (const made of side.querySelectorAll(".entry")) {
        const place = pane.places.find((each) => each.id === made.dataset.place);
        made.classList.toggle("news", pane.hasNews(place));
      }
    },
    typing: (is, words) => {
      status.textContent = is ? `Cairn ${words || "is typing…"}` : "";
    },
    bubble: (bubble, context, old) => draw(pane, bubble, context, old),
    suggestions: (texts) => (pane.place.kind === "channel" ? texts.slice(0, 2).map((text) => `@Cairn ${text}`) : texts.slice(0, 3)),
    empty: (place) => [element("h4", {}, ...titleParts(place)), element("p", {}, place.kind === "channel" ? "This is the very beginning of the channel. Mention @Cairn and it answers in a thread." : "This is the very beginning of your direct messages with Cairn.")],
  };
  return skin;
}

const bare = (title) => title.replace(/^#/, "");

function titleParts(place) {
  if (place.kind === "channel") return [icon("hash"), bare(place.title)];
  return [element("span", { class: "avatar tiny bot" }, cairn()), bare(place.title)];
}

function drawSidebar(side, pane, current) {
  const mine = pane.places.filter((place) => place.person === current.person);
  const group = (label, places) => (places.length ? [element("p", { class: "group" }, label), ...places.map((place) => entry(pane, place, current))] : []);
  side.replaceChildren(
    element("p", { class: "workspace" }, "Northwind"),
    ...group("Channels", mine.filter((place) => place.kind === "channel")),
    ...group("Direct messages", mine.filter((place) => place.kind !== "channel")),
    element("p", { class: "self" }, avatar(current.person), element("span", {}, current.person)),
  );
}

function entry(pane, place, current) {
  const made = element("button", { type: "button", class: "entry", "data-place": place.id }, ...titleParts(place));
  if (place.id === current.id) made.setAttribute("aria-current", "page");
  made.addEventListener("click", () => {
    pane.open(place);
    pane.skin.root.querySelector(".entry[aria-current]")?.focus();
  });
  return made;
}

function avatar(name, isBot = false) {
  if (isBot) return element("span", { class: "avatar bot", "aria-hidden": "true" }, cairn());
  const made = element("span", { class: "avatar", "aria-hidden": "true" }, name.slice(0, 1).toUpperCase());
  const hue = [...name].reduce((sum, letter) => sum + letter.codePointAt(0), 0) % HUES.length;
  made.style.background = HUES[hue];
  return made;
}

function draw(pane, bubble, { follows, answers, isOpen }, old) {
  if (bubble.author === "notice") return element("div", { class: "notice" }, element("span", { class: "eye" }, "Only visible to you"), bubble.text);
  const isBot = bubble.author === "bot";
  const name = bubble.name || (isBot ? "Cairn" : pane.place.person);
  const head = follows ? [] : [element("p", { class: "head" }, element("strong", {}, name), ...(isBot ? [element("span", { class: "app" }, "APP")] : []), element("time", {}, timeOf(bubble.at)))];
  const text = element("div", { class: `text${bubble.growing ? " growing" : ""}` }, richText(bubble.text, bubble.marks, withMentions));
  if (bubble.edited) text.append(element("span", { class: "edited" }, " (edited)"));
  const content = element("div", { class: "content" }, ...head, text, ...pictures(bubble), ...actions(pane, bubble), ...context(bubble), ...reactions(bubble), ...thread(pane, bubble, answers, isOpen, old));
  const gutter = follows ? element("time", { class: "gutter" }, timeOf(bubble.at)) : avatar(name, isBot);
  return element("div", { class: `row from-${bubble.author}${follows ? " follows" : ""}`, "data-bubble": bubble.id }, gutter, content);
}

function actions(pane, bubble) {
  const keys = pane.buttons(bubble);
  return keys.length ? [element("div", { class: "actions" }, ...keys)] : [];
}

const context = (bubble) => bubble.context.map((line) => element("p", { class: "context" }, line));

function reactions(bubble) {
  if (!bubble.reactions.length) return [];
  return [element("div", { class: "reactions" }, ...bubble.reactions.map((each) => element("span", {}, each)))];
}

function thread(pane, bubble, answers, isOpen, old) {
  const isChannel = pane.place.kind === "channel";
  if (bubble.thread && bubble.thread !== bubble.id) return [];
  if (!answers.length && !isOpen) return isChannel ? [replyLink(pane, bubble)] : [];
  const count = answers.length === 1 ? "1 reply" : `${answers.length} replies`;
  const toggle = element("button", { type: "button", class: "replies", "aria-expanded": String(isOpen) }, isOpen ? "Hide thread" : count);
  toggle.addEventListener("click", () => pane.setThread(bubble.id, !isOpen));
  if (!isOpen) {
    const faces = [...new Map(answers.map((each) => [each.name, each])).values()].slice(0, 3);
    toggle.prepend(...faces.map((each) => avatar(each.name || "C", each.author === "bot")));
    return [toggle];
  }
  const rows = answers.map((each, index) => draw(pane, { ...each, thread: bubble.id }, { follows: index > 0 && answers[index - 1].name === each.name, answers: [], isOpen: false }));
  return [element("div", { class: "thread" }, ...rows, threadComposer(pane, bubble, old)), toggle];
}

function replyLink(pane, bubble) {
  const made = element("button", { type: "button", class: "reply-link" }, icon("reply"), "Reply in thread");
  made.addEventListener("click", () => pane.setThread(bubble.id, true));
  return made;
}

/** Goes on as it is when its message is drawn again: somebody may be writing in it. */
function threadComposer(pane, bubble, old) {
  const kept = old?.querySelector(":scope > .content > .thread > .composer");
  if (kept) return kept;
  const send = (text) => pane.say(text, bubble.id);
  return new Composer({ label: "Reply in thread", placeholder: "Reply…", icon: icon("plane"), send }).root;
}

function withMentions(words) {
  return words.split(/(@[A-Z][\w-]*)/).map((part, index) => (index % 2 ? element("span", { class: "mention" }, part) : part));
}
