/** The simulator's page: panes side by side, or behind tabs on a narrow screen. */
import { byId, cairn, element } from "/static/dom.js";
import { startTheme } from "/static/theme.js";
import { Clock } from "./clock.js";
import { followChanges, readStage, setBot } from "./api.js";
import { Pane, titleOf } from "./pane.js";
import { plainSkin } from "./plain.js";
import { slackSkin } from "./slack.js";
import { smsSkin } from "./sms.js";
import { Tabs } from "./tabs.js";
import { telegramSkin } from "./telegram.js";
import { WebPane } from "./web.js";

const SKINS = { telegram: telegramSkin, slack: slackSkin, sms: smsSkin };
const ORDER = ["telegram", "slack", "sms"];
const TOAST_MS = 6000;

class App {
  constructor(stage) {
    this.bots = stage.bots;
    this.panes = new Map();
    for (const data of [...stage.panes].sort(byOrder)) {
      this.add(new Pane(data, stage.bots, SKINS[data.name] ?? plainSkin, trouble, () => this.checkBots()));
    }
    if (stage.web) this.add(new WebPane(stage.web, stage.bots, trouble, () => this.checkBots()));
    byId("panes").setAttribute("aria-busy", "false");
    this.tabs = new Tabs(byId("tabs"), [...this.panes.keys()].map((name) => [name, titleOf(name)]));
    this.drawBots();
    this.clock = new Clock(byId("clock"), trouble);
    new MutationObserver(() => this.panes.get("web")?.showTheme(document.documentElement.dataset.theme)).observe(document.documentElement, { attributeFilter: ["data-theme"] });
  }

  add(pane) {
    this.panes.set(pane.name, pane);
    byId("panes").append(pane.root);
    pane.refresh();
  }

  drawBots() {
    for (const { name } of this.bots) {
      const input = element("input", { type: "radio", name: "bot", value: name });
      input.addEventListener("change", () => this.changeBots(name));
      byId("bots").append(element("label", {}, input, element("span", {}, name)));
    }
    this.checkBots();
  }

  /** One is chosen when all panes have it, and none when they differ. */
  checkBots() {
    const behind = new Set([...this.panes.values()].map((pane) => pane.bot));
    for (const input of byId("bots").querySelectorAll("input")) {
      input.checked = behind.size === 1 && behind.has(input.value);
    }
  }

  async changeBots(bot) {
    try {
      await setBot(bot);
      for (const pane of this.panes.values()) pane.showBot(bot);
    } catch (error) {
      trouble(error.message);
    }
  }

  changed(names) {
    for (const name of names) {
      const pane = this.panes.get(name);
      pane?.refresh();
      pane?.wire?.refresh();
      if (this.isFollowing) this.tabs.mark(name);
    }
    this.isFollowing = true; // the first event names all panes
  }
}

function byOrder(a, b) {
  const place = ({ name }) => (ORDER.indexOf(name) + ORDER.length + 1) % (ORDER.length + 1);
  return place(a) - place(b) || a.name.localeCompare(b.name);
}

let toast = 0;

function trouble(text) {
  const alert = byId("alert");
  alert.textContent = text;
  alert.hidden = false;
  clearTimeout(toast);
  toast = setTimeout(() => (alert.hidden = true), TOAST_MS);
}

function showConnection(isThere) {
  const line = byId("connection");
  line.dataset.state = isThere ? "connected" : "away";
  line.lastElementChild.textContent = isThere ? "Connected" : "Reconnecting…";
}

byId("logo").append(cairn());
startTheme(byId("theme"));
try {
  const app = new App(await readStage());
  followChanges((names) => app.changed(names), showConnection);
} catch (error) {
  trouble(error.message);
}
