/**
 * Cairn's chat on any site, with one tag:
 *
 *   <script src="https://HOST/widget.js" data-channel="ROUTE_KEY" async></script>
 *
 * Optional: data-position="left", data-color="#27695d", data-label="Chat with us".
 * Everything lives in a shadow root; the chat itself is a frame of HOST, which decides by
 * frame-ancestors which sites may show it. Messages between the two are checked by origin and window.
 */
(function cairnWidget(script) {
  "use strict";
  const host = new URL(script.src).origin;
  const channel = script.dataset.channel;
  const marker = `cairn-widget-${channel}`;
  if (!channel || document.getElementById(marker)) return;

  const label = script.dataset.label || "Chat";
  const isLeft = script.dataset.position === "left";
  const openedKey = `cairn.widget.${channel}.opened`;

  const STYLE = `
    :host { all: initial; }
    * { box-sizing: border-box; }
    button {
      position: fixed; z-index: 2147483000; bottom: max(20px, env(safe-area-inset-bottom));
      display: grid; place-items: center; width: 60px; height: 60px; padding: 0; border: 0;
      border-radius: 50%; background: var(--accent, #27695d); color: var(--on-accent, #fff);
      box-shadow: 0 6px 24px rgb(0 0 0 / 24%); cursor: pointer; transition: transform .15s ease;
    }
    button:hover { transform: scale(1.05); }
    button:focus-visible { outline: 3px solid var(--accent, #27695d); outline-offset: 3px; box-shadow: 0 0 0 3px #fff; }
    svg { width: 28px; height: 28px; fill: none; stroke: currentcolor; stroke-width: 1.8; stroke-linecap: round; stroke-linejoin: round; }
    .cross { display: none; }
    .open .cross { display: block; }
    .open .bubble { display: none; }
    .badge {
      position: absolute; top: -3px; right: -3px; min-width: 22px; height: 22px; padding: 0 6px;
      border: 2px solid #fff; border-radius: 12px; background: #b3261e; color: #fff;
      font: 700 12px/18px system-ui, sans-serif; text-align: center;
    }
    .panel {
      position: fixed; z-index: 2147483000; bottom: 96px; width: 400px; max-width: calc(100vw - 40px);
      height: min(680px, calc(100vh - 120px)); overflow: hidden; border-radius: 20px;
      background: Canvas; box-shadow: 0 12px 48px rgb(0 0 0 / 26%); transform-origin: bottom right;
      animation: rise .2s ease-out;
    }
    .right { right: 20px; }
    .left { left: 20px; transform-origin: bottom left; }
    iframe { display: block; width: 100%; height: 100%; border: 0; color-scheme: normal; }
    [hidden] { display: none !important; }
    @keyframes rise { from { opacity: 0; transform: translateY(12px) scale(.98); } }
    @media (max-width: 520px), (max-height: 480px) {
      .panel { inset: 0; width: 100%; max-width: none; height: 100%; height: 100dvh; border-radius: 0; }
      button.open { display: none; }
    }
    @media (prefers-reduced-motion: reduce) { * { animation: none !important; transition: none !important; } }
    @media print { button, .panel { display: none; } }
  `;

  class Widget {
    constructor() {
      this.isOpen = false;
      this.unread = 0;
      this.frame = null;
      this.isLoaded = false;
      this.root = makeRoot();
      this.button = makeLauncher();
      this.badge = make("span", { class: "badge", "aria-hidden": "true", hidden: "" });
      this.button.append(this.badge);
      const side = isLeft ? "left" : "right";
      this.panel = make("div", { class: `panel ${side}`, role: "dialog", "aria-label": label, hidden: "" });
      this.root.append(this.panel, this.button);
      this.button.addEventListener("click", () => this.toggle());
      window.addEventListener("message", (event) => this.onMessage(event));
      document.addEventListener("keydown", (event) => event.key === "Escape" && this.close());
      this.describe();
      if (wasOpenedBefore()) whenIdle(() => this.load());
    }

    toggle() {
      if (this.isOpen) this.close();
      else this.open();
    }

    /** Nothing of the chat is fetched until it is first wanted. */
    load() {
      if (this.frame) return;
      const src = `${host}/embed?channel=${encodeURIComponent(channel)}`;
      this.frame = make("iframe", { src, title: label, allow: "clipboard-write" });
      this.frame.addEventListener("load", () => this.greet());
      this.panel.append(this.frame);
    }

    greet() {
      this.isLoaded = true;
      this.tell({ type: "cairn:hello" });
    }

    open() {
      this.load();
      this.isOpen = true;
      this.panel.hidden = false;
      this.describe();
      this.frame.focus();
      this.tell({ type: "cairn:shown", isOpen: true });
      rememberOpened();
    }

    close() {
      if (!this.isOpen) return;
      this.isOpen = false;
      this.panel.hidden = true;
      this.describe();
      this.tell({ type: "cairn:shown", isOpen: false });
      this.button.focus();
    }

    onMessage(event) {
      if (event.origin !== host || !this.frame || event.source !== this.frame.contentWindow) return;
      const { type, count } = event.data || {};
      if (type === "cairn:ready") this.tell({ type: "cairn:shown", isOpen: this.isOpen });
      if (type === "cairn:close") this.close();
      if (type === "cairn:unread" && Number.isInteger(count) && count >= 0) this.count(count);
    }

    /** Before it has loaded, the frame is an empty page of this site, and not to be told anything. */
    tell(message) {
      if (this.isLoaded) this.frame.contentWindow.postMessage(message, host);
    }

    count(unread) {
      this.unread = unread;
      this.badge.hidden = unread === 0;
      this.badge.textContent = unread > 9 ? "9+" : String(unread);
      this.describe();
    }

    describe() {
      const news = this.unread > 0 ? `, ${this.unread} unread` : "";
      this.button.setAttribute("aria-label", this.isOpen ? `Close ${label}` : `Open ${label}${news}`);
      this.button.setAttribute("aria-expanded", String(this.isOpen));
      this.button.classList.toggle("open", this.isOpen);
    }
  }

  function makeRoot() {
    const place = make("div", { id: marker });
    document.body.append(place);
    const root = place.attachShadow({ mode: "open" });
    const sheet = new CSSStyleSheet(); // a constructed sheet passes a site's strict style-src
    sheet.replaceSync(STYLE);
    root.adoptedStyleSheets = [sheet];
    paint(place, script.dataset.color);
    return root;
  }

  function makeLauncher() {
    const button = make("button", { type: "button", class: isLeft ? "left" : "right" });
    button.append(drawing("bubble", "M4 6.5A2.5 2.5 0 0 1 6.5 4h11A2.5 2.5 0 0 1 20 6.5v7a2.5 2.5 0 0 1-2.5 2.5H11l-4.5 4v-4A2.5 2.5 0 0 1 4 13.5z"));
    button.append(drawing("cross", "M6 6l12 12M18 6L6 18"));
    return button;
  }

  function drawing(name, d) {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    svg.setAttribute("viewBox", "0 0 24 24");
    svg.setAttribute("class", name);
    svg.setAttribute("aria-hidden", "true");
    path.setAttribute("d", d);
    svg.append(path);
    return svg;
  }

  function make(tag, attributes) {
    const element = document.createElement(tag);
    Object.entries(attributes).forEach(([name, value]) => element.setAttribute(name, value));
    return element;
  }

  /** The site's colour, with black or white on it, whichever reads better. */
  function paint(place, color) {
    if (!color || !window.CSS.supports("color", color)) return;
    place.style.color = color;
    const channels = getComputedStyle(place).color.match(/[\d.]+/g).slice(0, 3).map(Number);
    place.style.removeProperty("color");
    const [r, g, b] = channels.map((value) => linear(value / 255));
    const luminance = 0.2126 * r + 0.7152 * g + 0.0722 * b;
    place.style.setProperty("--accent", `rgb(${channels.join(" ")})`);
    place.style.setProperty("--on-accent", luminance > 0.179 ? "#000" : "#fff");
  }

  function linear(value) {
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  }

  function wasOpenedBefore() {
    try {
      return localStorage.getItem(openedKey) === "1";
    } catch {
      return false;
    }
  }

  function rememberOpened() {
    try {
      localStorage.setItem(openedKey, "1");
    } catch {
      /* storage is off: the frame simply loads on the first click again */
    }
  }

  function whenIdle(work) {
    if (window.requestIdleCallback) window.requestIdleCallback(work, { timeout: 4000 });
    else setTimeout(work, 1500);
  }

  if (document.body) new Widget();
  else document.addEventListener("DOMContentLoaded", () => new Widget());
})(document.currentScript);
