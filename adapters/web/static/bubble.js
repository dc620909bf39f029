/** One message on the page: avatar, words, sources, choices, time, state. */
import { cairn, element } from "./dom.js";
import { safeUrl } from "./inline.js";
import { renderMarkdown } from "./render.js";

const TIME = new Intl.DateTimeFormat(undefined, { hour: "numeric", minute: "2-digit" });
const FULL_TIME = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "short" });
const STATE_TEXT = { sending: "Sending…", sent: "Sent", failed: "Not sent" };
const WAITING_TEXT = {
  "too fast": "Waiting a moment to send…",
  "no connection": "Waiting for the connection…",
};

/** `actions` is {openSource, choose, retry, discard}; `names` is {bot, coach}. */
export function makeBubble(item, names, actions) {
  const isOwn = item.role === "contact";
  const body = element("div", { class: "bubble", dir: "auto" });
  const article = element("article", {
    class: "message",
    "data-role": item.role,
    "data-message-id": item.id,
    "data-testid": "message",
  });
  const says = element("span", { class: "sr-only" }, `${speaker(item.role, names)}: `);
  const column = element("div", { class: "column" }, says, body);
  if (!isOwn) article.append(avatar(item.role, names));
  article.append(column);
  if (item.role === "coach") column.prepend(element("p", { class: "who" }, speaker("coach", names)));
  if (isOwn) body.textContent = item.text;
  else fillAnswer(body, item, actions);
  if (item.attachments?.length) column.append(attachments(item.attachments));
  if (item.citations?.length) column.append(sources(item, actions));
  if (item.choices?.length) column.append(choices(item, actions));
  column.append(element("p", { class: "meta" }));
  updateMeta(article, item, actions);
  return article;
}

function speaker(role, names) {
  if (role === "contact") return "You";
  return role === "coach" ? names.coach : names.bot;
}

export function avatar(role, names) {
  if (role !== "coach") return element("div", { class: "avatar", "aria-hidden": "true" }, cairn());
  return element("div", { class: "avatar person", "aria-hidden": "true" }, initials(names.coach));
}

function initials(name) {
  const words = name.split(/\s+/).filter(Boolean).slice(0, 2);
  return words.map((word) => [...word][0].toUpperCase()).join("");
}

function fillAnswer(body, item, actions) {
  body.classList.add("prose");
  const byNumber = new Map((item.citations ?? []).map((citation) => [citation.number, citation]));
  renderMarkdown(body, item.text, (number) => {
    const citation = byNumber.get(number);
    return citation ? sourceMark(citation, actions) : null;
  });
}

/** The small number inside the sentence it supports. */
function sourceMark(citation, actions) {
  const label = `Source ${citation.number}: ${citation.title}`;
  const mark = element("button", { type: "button", class: "mark", "aria-label": label });
  mark.append(String(citation.number));
  mark.addEventListener("click", () => actions.openSource(citation, mark));
  return mark;
}

function sources(item, actions) {
  const list = element("ul", { class: "sources", "aria-label": "Sources" });
  for (const citation of item.citations) {
    const number = element("span", { class: "number" }, String(citation.number));
    const title = element("span", { class: "title" }, sourceName(citation));
    const label = `Open source ${citation.number}: ${sourceName(citation)}`;
    const chip = element("button", { type: "button", class: "chip", "aria-label": label }, number, title);
    chip.dataset.testid = "citation";
    chip.addEventListener("click", () => actions.openSource(citation, chip));
    list.append(element("li", {}, chip));
  }
  return list;
}

/** A picture of our own is shown. All else is a link: loading it would tell its host who reads. */
function attachments(items) {
  const list = element("ul", { class: "sources", "aria-label": "Attachments" });
  for (const item of items) {
    const name = item.name || item.description || (item.kind === "image" ? "Picture" : "File");
    const title = element("span", { class: "title" }, name);
    const opens = { href: safeUrl(item.url), target: "_blank", rel: "noopener noreferrer" };
    const picture = item.kind === "image" && isOurs(item.url) ? drawn(item) : null;
    const look = { class: picture ? "shown" : "chip", "data-testid": "attachment" };
    list.append(element("li", {}, element("a", { ...look, ...opens }, picture ?? title)));
  }
  return list;
}

function drawn({ url, description }) {
  return element("img", { src: url, alt: description || "Picture", width: "720", loading: "lazy" });
}

function isOurs(address) {
  const url = URL.canParse(address) ? new URL(address) : null;
  return url?.origin === location.origin && url.pathname.startsWith("/pictures/");
}

export function sourceName({ title, heading, page }) {
  const name = heading && heading !== title ? `${title} › ${heading}` : title;
  return page ? `${name}, page ${page}` : name;
}

function choices(item, actions) {
  const group = element("div", { class: "choices", role: "group", "aria-label": "Choices" });
  for (const choice of item.choices) {
    const button = element("button", { type: "button", class: "choice", "data-testid": "choice" });
    button.append(choice.label);
    button.addEventListener("click", () => actions.choose(item, choice));
    group.append(button);
  }
  return group;
}

/** Only the newest offer can be answered; a picked choice stays marked. */
export function updateChoices(article, isOpen, picked) {
  for (const button of article.querySelectorAll(".choice")) {
    button.disabled = !isOpen;
    button.classList.toggle("picked", picked === button.textContent);
  }
}

/** Time and state change in place, so a screen reader is not told the message twice. */
export function updateMeta(article, item, actions) {
  article.dataset.state = item.state ?? "received";
  const meta = article.querySelector(".meta");
  const at = new Date(item.at ?? Date.now());
  const time = element("time", { datetime: at.toISOString(), title: FULL_TIME.format(at) }, TIME.format(at));
  const state = item.state === "waiting" ? WAITING_TEXT[item.reason] : STATE_TEXT[item.state];
  meta.replaceChildren(time);
  if (state) meta.append(element("span", { class: "state", "data-testid": "state" }, state));
  if (item.state === "failed") meta.append(...failure(item, actions));
}

function failure(item, actions) {
  const retry = element("button", { type: "button", class: "quiet" }, "Try again");
  retry.addEventListener("click", () => actions.retry(item));
  const discard = element("button", { type: "button", class: "quiet" }, "Discard");
  discard.addEventListener("click", () => actions.discard(item));
  const reason = element("span", { class: "reason" }, item.reason ?? "");
  return [reason, element("span", { class: "remedies" }, retry, discard)];
}

export function emptyCard(config, onSuggestion) {
  const face = element("div", { class: "face", "aria-hidden": "true" }, cairn());
  const greeting = element("div", { class: "greeting prose" });
  renderMarkdown(greeting, config.greeting || "What would you like to work on?");
  const card = element("section", { class: "welcome", "aria-label": "Welcome" }, face, greeting);
  card.prepend(element("h2", { class: "sr-only" }, `Welcome to ${config.name}`));
  if (config.suggestions?.length) card.append(suggestions(config.suggestions, onSuggestion));
  return card;
}

function suggestions(texts, onSuggestion) {
  const list = element("ul", { class: "suggestions", "aria-label": "Suggested questions" });
  for (const text of texts.slice(0, 6)) {
    const button = element("button", { type: "button", "data-testid": "suggestion" }, text);
    button.addEventListener("click", () => onSuggestion(text));
    list.append(element("li", {}, button));
  }
  return list;
}

