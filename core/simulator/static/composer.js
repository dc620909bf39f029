/** Where a person writes: Enter sends, Shift + Enter makes a line, what failed comes back. */
import { element } from "/static/dom.js";

const MAX_HEIGHT = 120;

export class Composer {
  constructor({ label, placeholder, send, icon }) {
    this.send = send;
    this.field = element("textarea", { rows: "1", placeholder, "aria-label": label, enterkeyhint: "send", autocomplete: "off", maxlength: "8000" });
    this.button = element("button", { type: "submit", class: "send", "aria-label": "Send", disabled: "" }, icon);
    this.root = element("form", { class: "composer" }, element("div", { class: "box" }, this.field, this.button));
    this.field.addEventListener("input", () => this.fit());
    this.field.addEventListener("keydown", (event) => this.onKey(event));
    this.root.addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit();
    });
  }

  onKey(event) {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    this.submit();
  }

  async submit() {
    const text = this.field.value;
    if (text.trim() === "") return;
    this.put("");
    if (!(await this.send(text)) && this.field.value === "") this.put(text);
  }

  put(text) {
    this.field.value = text;
    this.fit();
  }

  fit() {
    this.button.disabled = this.field.value.trim() === "";
    this.field.style.height = "auto";
    this.field.style.height = `${Math.min(this.field.scrollHeight, MAX_HEIGHT)}px`;
  }
}
