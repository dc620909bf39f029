/** The field where a message is written: grows with its text, counts near the limit, keeps a draft. */
const MAX_CHARACTERS = 8000;
const SHOW_COUNT_FROM = 7000;
const INVISIBLE = /[\s\u200b-\u200f\u2060\ufeff]/g;

export class Composer {
  constructor(form, storage, onSend) {
    this.field = form.querySelector("textarea");
    this.button = form.querySelector("button[type=submit]");
    this.count = form.querySelector("#count");
    this.storage = storage;
    this.onSend = onSend;
    this.field.value = storage.read("draft", "");
    this.field.addEventListener("input", () => this.refresh());
    this.field.addEventListener("keydown", (event) => this.onKey(event));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit();
    });
    this.refresh();
    this.field.readOnly = false; // before this, Enter would have gone unheard
  }

  /** Enter while an input method composes picks a word, it does not send. */
  onKey(event) {
    const isComposing = event.isComposing || event.keyCode === 229;
    if (event.key !== "Enter" || event.shiftKey || isComposing) return;
    event.preventDefault();
    this.submit();
  }

  submit() {
    const text = this.field.value.trim();
    if (!isSendable(text)) return;
    this.field.value = "";
    this.refresh();
    this.field.focus();
    this.onSend(text);
  }

  refresh() {
    const text = this.field.value;
    const length = characters(text.trim());
    this.button.disabled = !isSendable(text.trim());
    this.showCount(length);
    this.fit();
    if (text) this.storage.write("draft", text);
    else this.storage.remove("draft");
  }

  showCount(length) {
    const over = length - MAX_CHARACTERS;
    this.count.hidden = length < SHOW_COUNT_FROM;
    this.count.classList.toggle("over", over > 0);
    this.count.textContent =
      over > 0 ? `${over} characters too many` : `${length} of ${MAX_CHARACTERS} characters`;
    this.field.setAttribute("aria-invalid", String(over > 0));
  }

  fit() {
    this.field.style.height = "auto";
    this.field.style.height = `${this.field.scrollHeight}px`;
  }

  /** On a phone the focus would raise the keyboard over what is to be read. */
  focusUnlessTouch() {
    if (matchMedia("(hover: hover)").matches) this.field.focus();
  }

  disable(reason) {
    this.field.disabled = true;
    this.button.disabled = true;
    this.field.placeholder = reason;
  }
}

export function isSendable(text) {
  return text.replace(INVISIBLE, "") !== "" && characters(text) <= MAX_CHARACTERS;
}

/** Characters as the server counts them: code points, not UTF-16 halves. */
function characters(text) {
  return text.length < SHOW_COUNT_FROM ? text.length : [...text].length;
}
