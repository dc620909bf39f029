/** Reveal a streamed answer evenly, however unevenly its pieces arrive. */
import { element } from "./dom.js";
import { renderMarkdown } from "./render.js";

const CATCH_UP_FRAMES = 12;

export class GrowingText {
  constructor(host) {
    this.host = host;
    this.text = "";
    this.shown = 0;
    this.frame = null;
    this.isCalm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  }

  show(text) {
    this.text = text;
    if (this.isCalm || document.hidden) this.draw(text.length);
    else this.frame ??= requestAnimationFrame(() => this.step());
  }

  stop() {
    cancelAnimationFrame(this.frame);
  }

  step() {
    this.frame = null;
    const left = this.text.length - this.shown;
    if (left <= 0) return;
    this.draw(this.shown + Math.max(1, Math.ceil(left / CATCH_UP_FRAMES)));
    this.frame = requestAnimationFrame(() => this.step());
  }

  draw(length) {
    this.shown = wholeCharacter(this.text, Math.min(length, this.text.length));
    renderMarkdown(this.host, this.text.slice(0, this.shown), comingSource);
  }
}

/** A source is opened once the whole message is here; until then its number holds the place. */
function comingSource(number) {
  return element("span", { class: "mark" }, String(number));
}

/** Never cut a surrogate pair in two. */
function wholeCharacter(text, length) {
  const code = text.charCodeAt(length - 1);
  return code >= 0xd800 && code <= 0xdbff && length < text.length ? length + 1 : length;
}
