/** A scrolling conversation that changes only what changed, and stays at its end if it was there. */
import { element } from "/static/dom.js";

const NEAR = 48;

export class Log {
  constructor(label) {
    this.list = element("div", { class: "log", role: "log", "aria-live": "polite", "aria-relevant": "additions text", "aria-label": label });
    this.root = element("div", { class: "scroller", tabindex: "0", role: "region", "aria-label": `${label}, scrollable` }, this.list);
    this.rows = new Map();
  }

  /** `items`: {key, signature, make()} in order. */
  show(items) {
    const wasAtEnd = this.isAtEnd;
    const rows = new Map();
    items.forEach(({ key, signature, make }, index) => {
      const old = this.rows.get(key);
      const row = old?.signature === signature ? old : { signature, node: make(old?.node) };
      if (old && old !== row) old.node.replaceWith(row.node);
      if (this.list.children[index] !== row.node) this.list.insertBefore(row.node, this.list.children[index] ?? null);
      if (!old && this.rows.size > 0) row.node.classList.add("arrives");
      rows.set(key, row);
    });
    for (const [key, row] of this.rows) if (!rows.has(key)) row.node.remove();
    this.rows = rows;
    if (wasAtEnd) this.toEnd();
  }

  clear() {
    this.list.replaceChildren();
    this.rows = new Map();
  }

  get isAtEnd() {
    return this.root.scrollHeight - this.root.scrollTop - this.root.clientHeight < NEAR;
  }

  toEnd() {
    this.root.scrollTop = this.root.scrollHeight;
  }
}
