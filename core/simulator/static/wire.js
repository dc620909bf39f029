/** What went over the wire: webhooks to Cairn, calls of the platform's API; secrets are masked. */
import { element } from "/static/dom.js";
import { readWire } from "./api.js";
import { icon } from "./icons.js";
import { timeOf } from "./times.js";

export class WireDrawer {
  constructor(pane) {
    this.pane = pane;
    this.list = element("ol", { class: "exchanges" });
    const close = element("button", { type: "button", class: "round", "aria-label": "Close the wire" }, icon("close"));
    this.root = element("aside", { class: "wire", "aria-label": "Requests on the wire", hidden: "" }, element("header", {}, element("h3", {}, "On the wire"), close), element("p", { class: "legend" }, "→ webhook to Cairn, ← call of the platform's API. Secrets are masked."), this.list);
    this.button = element("button", { type: "button", class: "wire-button", "aria-expanded": "false", title: "Requests on the wire" }, icon("wire"), element("span", { class: "sr-only" }, "Requests on the wire"));
    this.button.addEventListener("click", () => this.toggle());
    close.addEventListener("click", () => this.toggle());
    this.root.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.toggle();
    });
    this.rows = new Map();
  }

  get isOpen() {
    return !this.root.hidden;
  }

  toggle() {
    this.root.hidden = this.isOpen;
    this.button.setAttribute("aria-expanded", String(this.isOpen));
    if (this.isOpen) this.refresh();
    else this.button.focus();
  }

  async refresh() {
    if (!this.isOpen) return;
    const exchanges = await readWire(this.pane).catch(() => []);
    for (const each of exchanges) {
      if (this.rows.has(each.number)) continue;
      const row = draw(each);
      this.rows.set(each.number, row);
      this.list.prepend(row);
    }
    this.list.classList.toggle("none", this.rows.size === 0);
  }
}

function draw(each) {
  const isGood = each.status >= 200 && each.status < 300;
  const summary = element(
    "summary",
    {},
    element("span", { class: `arrow ${each.direction}`, "aria-label": each.direction === "in" ? "webhook" : "API call" }, each.direction === "in" ? "→" : "←"),
    element("span", { class: "verb" }, each.method),
    element("span", { class: "path" }, each.path),
    element("span", { class: `code ${isGood ? "good" : "bad"}` }, each.status ? String(each.status) : "none"),
    element("span", { class: "ms" }, `${Math.round(each.milliseconds)} ms`),
  );
  const bodies = [["Request", each.request], ["Response", each.response]].filter(([, text]) => text);
  const parts = bodies.flatMap(([label, text]) => [element("h4", {}, label), element("pre", { tabindex: "0" }, pretty(text))]);
  return element("li", {}, element("details", {}, summary, element("p", { class: "when" }, timeOf(each.at)), ...parts));
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    /* a form, or cut off */
  }
  if (!/^[\w.%-]+=/.test(text)) return text;
  return [...new URLSearchParams(text)].map(([name, value]) => `${name}: ${value}`).join("\n");
}
