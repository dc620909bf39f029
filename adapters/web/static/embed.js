/**
 * The page inside a widget: tell the site around it about unread messages and closing.
 *
 * The server lets only the channel's own sites frame this page (frame-ancestors), so whoever says
 * hello first from the parent window is such a site; answers go to that origin and no other.
 */
export class Embed {
  constructor() {
    this.parentOrigin = null;
    this.isOpen = window.parent === window;
    this.unread = 0;
    this.onOpen = () => {};
    window.addEventListener("message", (event) => this.onMessage(event));
    window.addEventListener("focus", () => this.clear());
    document.addEventListener("visibilitychange", () => this.clear());
  }

  /** Escape and the cross close the frame, unless something nearer took the key. */
  closeWith(button) {
    button.addEventListener("click", () => this.close());
    window.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && !event.defaultPrevented) this.close();
    });
  }

  get isFramed() {
    return window.parent !== window;
  }

  get isWatched() {
    return this.isOpen && document.visibilityState === "visible";
  }

  onMessage(event) {
    if (!this.isFramed || event.source !== window.parent) return;
    if (event.data?.type === "cairn:hello") this.parentOrigin ??= event.origin;
    if (event.origin !== this.parentOrigin) return;
    if (event.data.type === "cairn:hello") this.tell("ready", { unread: this.unread });
    if (event.data.type === "cairn:shown") this.show(event.data.isOpen === true);
  }

  show(isOpen) {
    this.isOpen = isOpen;
    this.clear();
    if (isOpen) this.onOpen();
  }

  /** A message arrived: count it unless the reader is looking. */
  arrived() {
    if (this.isWatched) return;
    this.unread += 1;
    this.report();
  }

  clear() {
    if (!this.isWatched || this.unread === 0) return;
    this.unread = 0;
    this.report();
  }

  report() {
    const name = document.title.replace(/^\(\d+\) /, "");
    document.title = this.unread > 0 ? `(${this.unread}) ${name}` : name;
    this.tell("unread", { count: this.unread });
  }

  close() {
    this.tell("close", {});
  }

  tell(type, data) {
    if (this.parentOrigin) window.parent.postMessage({ type: `cairn:${type}`, ...data }, this.parentOrigin);
  }
}
