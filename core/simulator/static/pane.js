/** One platform's window: whose it is, which bot is behind it, what was said, where to write. */
import { element } from "/static/dom.js";
import { press, readView, setBot, write } from "./api.js";
import { icon } from "./icons.js";
import { dayOf } from "./times.js";
import { WireDrawer } from "./wire.js";

export const TITLES = { telegram: "Telegram", slack: "Slack", sms: "SMS", web: "Web chat" };
export const titleOf = (name) => TITLES[name] ?? name;

export class Pane {
  /** `makeSkin(pane)` draws the platform: {root, log, show(place), bubble(b), typing(is), empty}. */
  constructor({ name, bot, places }, bots, makeSkin, onTrouble, onBot) {
    Object.assign(this, { name, bot, places, bots, onTrouble, onBot });
    this.place = places[0];
    this.seen = new Map(); // by place: how many bubbles its person has looked at
    this.threads = new Map(); // by bubble: whether somebody opened or closed it
    this.view = { bubbles: [], is_typing: false, status: "", counts: {} };
    this.wire = new WireDrawer(name);
    this.skin = makeSkin(this);
    this.people = [...new Set(places.map((place) => place.person))];
    this.root = element("section", { class: `pane ${name}`, id: `pane-${name}`, "aria-label": titleOf(name), "data-pane": name });
    this.root.append(this.caption(), element("div", { class: "stage" }, this.skin.root, this.wire.root));
    this.skin.show(this.place);
  }

  caption() {
    const bar = element("header", { class: "caption" }, element("h2", {}, titleOf(this.name)));
    if (this.people.length > 1) bar.append(this.personPicker());
    this.botPicker = picker("bot", "Bot", this.bots.map((bot) => bot.name), this.bot, (bot) => this.changeBot(bot));
    bar.append(this.botPicker, this.wire.button);
    return bar;
  }

  personPicker() {
    return picker("person", "You are", this.people, this.place.person, (person) => {
      const same = (place) => place.person === person && place.kind === this.place.kind;
      this.open(this.places.find(same) ?? this.places.find((place) => place.person === person));
    });
  }

  async changeBot(bot) {
    try {
      await setBot(bot, this.name);
      this.showBot(bot);
      this.onBot();
    } catch (error) {
      this.onTrouble(error.message);
    }
  }

  showBot(bot) {
    this.bot = bot;
    this.botPicker.querySelector("select").value = bot;
    this.draw();
  }

  get suggestions() {
    return this.bots.find((bot) => bot.name === this.bot)?.suggestions ?? [];
  }

  /** Look at another place. */
  open(place) {
    this.place = place;
    this.threads.clear();
    this.view = { bubbles: [], is_typing: false, status: "", counts: {} };
    this.skin.log.clear();
    this.skin.show(place);
    this.refresh();
  }

  /** Read the place again; a change while reading makes it read once more. */
  async refresh() {
    if (this.isReading) {
      this.isStale = true;
      return;
    }
    this.isReading = true;
    do {
      this.isStale = false;
      await this.read();
    } while (this.isStale);
    this.isReading = false;
  }

  async read() {
    const place = this.place;
    try {
      const view = await readView(this.name, place.id);
      if (place !== this.place) {
        this.isStale = true;
        return;
      }
      this.view = view;
      this.seen.set(place.id, view.counts[place.id]);
      this.draw();
    } catch {
      /* the connection line tells that the server is away */
    }
  }

  draw() {
    const { bubbles, is_typing: isTyping, status } = this.view;
    const isEmpty = bubbles.length === 0;
    this.skin.log.show(isEmpty ? [this.emptyItem()] : this.items(bubbles));
    this.skin.typing(isTyping, status);
    this.skin.news?.();
    this.skin.root.classList.toggle("is-empty", isEmpty);
  }

  hasNews(place) {
    return (this.view.counts[place.id] ?? 0) > (this.seen.get(place.id) ?? 0);
  }

  items(bubbles) {
    const answers = new Map();
    for (const bubble of bubbles) {
      if (bubble.thread && bubble.thread !== bubble.id) {
        answers.set(bubble.thread, [...(answers.get(bubble.thread) ?? []), bubble]);
      }
    }
    const shown = bubbles.filter((bubble) => !answers.get(bubble.thread)?.includes(bubble));
    const items = [];
    const newest = shown.findLast((bubble) => answers.has(bubble.id))?.id;
    let before = null;
    for (const bubble of shown) {
      if (!before || dayOf(before.at) !== dayOf(bubble.at)) items.push(dayItem(bubble.at));
      const isOpen = this.threads.get(bubble.id) ?? bubble.id === newest;
      items.push(this.item(bubble, before, answers.get(bubble.id) ?? [], isOpen));
      before = bubble;
    }
    return items;
  }

  item(bubble, before, answers, isOpen) {
    const follows = before !== null && before.author === bubble.author && before.name === bubble.name && bubble.at - before.at < 300;
    const context = { follows, answers, isOpen };
    return {
      key: bubble.id,
      signature: JSON.stringify([bubble, context]),
      make: (old) => this.skin.bubble(bubble, context, old),
    };
  }

  emptyItem() {
    const make = () => {
      const chips = this.skin.suggestions(this.suggestions).map((text) => {
        const chip = element("button", { type: "button", class: "chip" }, text);
        chip.addEventListener("click", () => this.say(text));
        return chip;
      });
      return element("div", { class: "empty" }, ...this.skin.empty(this.place), element("div", { class: "chips" }, ...chips));
    };
    return { key: "empty", signature: `${this.place.id} ${this.bot}`, make };
  }

  setThread(id, isOpen) {
    this.threads.set(id, isOpen);
    this.draw();
  }

  /** True when the platform took it. */
  async say(text, thread = null) {
    this.skin.log.toEnd();
    return this.attempt(() => write(this.name, this.place.id, text, thread));
  }

  async press(bubble, button) {
    return this.attempt(() => press(this.name, this.place.id, bubble.id, button.value));
  }

  async attempt(act) {
    try {
      await act();
      return true;
    } catch (error) {
      this.onTrouble(error.message);
      return false;
    }
  }

  /** The buttons of a bubble, ready to be pressed. */
  buttons(bubble) {
    return bubble.buttons.map((button) => {
      const made = element("button", { type: "button", class: "key" }, button.label);
      made.addEventListener("click", async () => {
        made.classList.add("pressed");
        await this.press(bubble, button);
        made.classList.remove("pressed");
      });
      return made;
    });
  }
}

function dayItem(at) {
  const day = dayOf(at);
  return { key: `day ${day}`, signature: day, make: () => element("div", { class: "day" }, element("span", {}, day)) };
}

export function picker(sign, label, values, value, onPick) {
  const select = element("select", { "aria-label": label, title: label });
  for (const each of values) select.append(element("option", { value: each }, each));
  select.value = value;
  select.addEventListener("change", () => onPick(select.value));
  return element("span", { class: "picker" }, icon(sign), select);
}

/** Pictures are named, not loaded: nothing of the simulator leaves this machine. */
export function pictures(bubble) {
  return bubble.images.map((url) => {
    const name = url.split("/").pop() || url;
    return element("a", { class: "picture", href: url, target: "_blank", rel: "noopener noreferrer" }, icon("link"), element("span", {}, name));
  });
}
