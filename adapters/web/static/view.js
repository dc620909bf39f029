/** Keep the log on the page equal to the store, touching only what changed. */
import { avatar, emptyCard, makeBubble, updateChoices, updateMeta } from "./bubble.js";
import { byId, element } from "./dom.js";
import { GrowingText } from "./growing.js";

const GROUP_MS = 5 * 60 * 1000;
const DAY = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });

export class View {
  constructor(store, config, actions) {
    this.store = store;
    this.config = config;
    this.actions = actions;
    this.names = { bot: config.name, coach: "Your coach" };
    this.log = byId("log");
    this.live = byId("live");
    this.drawn = new Map();
    this.isReady = false;
    this.isTyping = false;
    this.growing = null;
    this.welcome = null;
  }

  /** History is on the page: from now on the log announces what is added. */
  ready() {
    this.isReady = true;
    this.log.setAttribute("aria-live", "polite");
    this.log.removeAttribute("aria-busy");
    this.draw();
  }

  draw() {
    const items = this.store.items();
    const nodes = this.nodesFor(items);
    placeInOrder(this.log, nodes);
    this.drawOffers();
    this.drawWelcome(items);
    this.drawLive();
  }

  nodesFor(items) {
    const drawn = new Map();
    const nodes = items.flatMap((item, at) => {
      const entry = this.entryFor(item);
      drawn.set(item.id, entry);
      markGroup(entry.node, item, items[at - 1], items[at + 1]);
      return isNewDay(item, items[at - 1]) ? [this.daySeparator(entry, item), entry.node] : [entry.node];
    });
    const lastOwn = items.findLast((item) => item.role === "contact")?.id;
    drawn.forEach((entry, id) => entry.node.classList.toggle("last-own", id === lastOwn));
    this.drawn = drawn;
    return nodes;
  }

  entryFor(item) {
    const known = this.drawn.get(item.id);
    if (!known || known.item.text !== item.text) return this.newEntry(item);
    if (known.item !== item) updateMeta(known.node, item, this.actions);
    return { ...known, item };
  }

  newEntry(item) {
    const node = makeBubble(item, this.names, this.actions);
    if (this.isReady && !this.growing) node.classList.add("arrives");
    return { item, node };
  }

  daySeparator(entry, item) {
    const day = new Date(item.at ?? Date.now());
    const label = dayLabel(day);
    if (entry.day?.textContent !== label) {
      const time = element("time", { datetime: day.toISOString().slice(0, 10) }, label);
      entry.day = element("p", { class: "day" }, time);
    }
    return entry.day;
  }

  drawOffers() {
    for (const [id, { isOpen, picked }] of this.store.offers()) {
      updateChoices(this.drawn.get(id).node, isOpen, picked);
    }
  }

  drawWelcome(items) {
    const isShown = this.isReady && this.store.isUntouched && this.store.offers().size === 0;
    if (isShown && !this.welcome) {
      this.welcome = emptyCard(this.config, this.actions.suggest);
      this.log.before(this.welcome);
    }
    this.welcome?.classList.toggle("brief", items.length > 0);
    if (!isShown) this.welcome?.remove();
    if (!isShown) this.welcome = null;
  }

  setTyping(isOn) {
    this.isTyping = isOn;
    this.drawLive();
  }

  drawLive() {
    const { text } = this.store.turns;
    if (text && !this.growing) this.startGrowing();
    if (!text && this.growing) this.stopGrowing();
    this.growing?.show(text);
    const isWaiting = this.isTyping && !text;
    byId("typing").hidden = !isWaiting;
    byId("typing-status").textContent = isWaiting ? `${this.names.bot} is typing` : "";
  }

  startGrowing() {
    const body = element("div", { class: "bubble prose", dir: "auto" });
    const column = element("div", { class: "column" }, body);
    const message = { class: "message first growing", "data-role": "bot", "data-testid": "growing" };
    this.growingNode = element("div", message, avatar("bot", this.names), column);
    this.live.prepend(this.growingNode);
    this.growing = new GrowingText(body);
  }

  stopGrowing() {
    this.growing.stop();
    this.growingNode.remove();
    this.growing = null;
  }
}

/** Move as little as possible: a node already in its place is left alone. */
function placeInOrder(host, nodes) {
  const wanted = new Set(nodes);
  [...host.childNodes].filter((node) => !wanted.has(node)).forEach((node) => node.remove());
  let place = host.firstChild;
  for (const node of nodes) {
    if (node === place) place = place.nextSibling;
    else host.insertBefore(node, place);
  }
}

function markGroup(node, item, before, after) {
  node.classList.toggle("first", !isSameGroup(before, item));
  node.classList.toggle("last", !isSameGroup(item, after));
}

function isSameGroup(a, b) {
  if (!a || !b || a.role !== b.role || isNewDay(b, a)) return false;
  return Math.abs(timeOf(b) - timeOf(a)) < GROUP_MS;
}

function isNewDay(item, before) {
  return !before || new Date(timeOf(item)).toDateString() !== new Date(timeOf(before)).toDateString();
}

function timeOf(item) {
  return item.at ? new Date(item.at).getTime() : Date.now();
}

function dayLabel(day, now = new Date()) {
  const yesterday = new Date(now.getFullYear(), now.getMonth(), now.getDate() - 1);
  if (day.toDateString() === now.toDateString()) return "Today";
  if (day.toDateString() === yesterday.toDateString()) return "Yesterday";
  const year = day.getFullYear() === now.getFullYear() ? "" : ` ${day.getFullYear()}`;
  return DAY.format(day) + year;
}
