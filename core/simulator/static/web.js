/** The web chat's own page in a frame: nothing is emulated here. */
import { element } from "/static/dom.js";
import { setBot } from "./api.js";
import { picker } from "./pane.js";

const FONT_SIZE = "14.5px"; // beside phones, the page is a phone too

export class WebPane {
  constructor({ page, bot }, bots, onTrouble, onBot) {
    this.name = "web";
    this.page = page;
    Object.assign(this, { bot, onTrouble, onBot });
    this.frame = element("iframe", { src: page, title: "Web chat" });
    this.frame.addEventListener("load", () => this.adopt());
    this.botPicker = picker("bot", "Bot", bots.map((each) => each.name), bot, (name) => this.changeBot(name));
    const caption = element("header", { class: "caption" }, element("h2", {}, "Web chat"), this.botPicker);
    const address = element("div", { class: "browser-bar", "aria-hidden": "true" }, element("i"), element("i"), element("i"), element("span", {}, location.host));
    const browser = element("div", { class: "device browser" }, address, this.frame);
    this.root = element("section", { class: "pane web", id: "pane-web", "aria-label": "Web chat", "data-pane": "web" }, caption, element("div", { class: "stage" }, browser));
  }

  /** The framed page is of this origin: take the theme over, and the cross that has nothing to close. */
  adopt() {
    const inner = this.frame.contentDocument;
    if (!inner) return;
    this.showTheme(document.documentElement.dataset.theme);
    inner.documentElement.style.fontSize = FONT_SIZE;
    inner.getElementById("close-chat")?.remove();
    inner.getElementById("theme")?.remove();
    this.frame.contentWindow.postMessage({ type: "cairn:hello" }, location.origin);
    this.frame.contentWindow.postMessage({ type: "cairn:shown", isOpen: true }, location.origin);
  }

  showTheme(theme) {
    const root = this.frame.contentDocument?.documentElement;
    if (root && theme) root.dataset.theme = theme;
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
    this.frame.src = this.page; // it reads the bot's name and suggestions anew
  }

  refresh() {}
}
