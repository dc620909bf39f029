/** Tabs that show one pane at a time where the screen is narrow; arrow keys move between them. */
import { element } from "/static/dom.js";

const NARROW = matchMedia("(max-width: 759px)");

export class Tabs {
  constructor(root, names) {
    this.tabs = new Map(names.map(([name, title]) => [name, this.tab(name, title)]));
    root.append(...this.tabs.values());
    root.addEventListener("keydown", (event) => this.onKey(event));
    NARROW.addEventListener("change", () => this.select(this.current));
    this.select(names[0]?.[0]);
  }

  tab(name, title) {
    const made = element("button", { type: "button", role: "tab", id: `tab-${name}`, "aria-controls": `pane-${name}` }, element("span", {}, title));
    made.addEventListener("click", () => this.select(name));
    return made;
  }

  select(name) {
    this.current = name;
    for (const [each, tab] of this.tabs) {
      const isCurrent = each === name;
      tab.setAttribute("aria-selected", String(isCurrent));
      tab.tabIndex = isCurrent ? 0 : -1;
      if (isCurrent) tab.classList.remove("news");
      const pane = document.getElementById(`pane-${each}`);
      pane.classList.toggle("behind", !isCurrent);
      if (NARROW.matches) pane.setAttribute("role", "tabpanel");
      else pane.removeAttribute("role");
    }
  }

  /** Something changed behind another tab. */
  mark(name) {
    if (name !== this.current) this.tabs.get(name)?.classList.add("news");
  }

  onKey(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const names = [...this.tabs.keys()];
    const next = names[(names.indexOf(this.current) + step + names.length) % names.length];
    this.select(next);
    this.tabs.get(next).focus();
  }
}
