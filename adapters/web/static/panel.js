/** The source behind a citation: a side panel on wide screens, a bottom sheet on phones. */
import { sourceName } from "./bubble.js";
import { element } from "./dom.js";
import { highlight } from "./highlight.js";
import { renderMarkdown } from "./render.js";

const WIDE = matchMedia("(min-width: 900px)");

export class SourcePanel {
  constructor(dialog, client) {
    this.dialog = dialog;
    this.client = client;
    this.body = dialog.querySelector(".panel-body");
    this.heading = dialog.querySelector("h2");
    this.opener = null;
    this.current = null;
    dialog.querySelector(".close").addEventListener("click", () => this.close());
    dialog.addEventListener("cancel", (event) => this.onCancel(event));
    dialog.addEventListener("click", (event) => event.target === dialog && this.close());
    document.addEventListener("keydown", (event) => this.onKey(event));
    WIDE.addEventListener("change", () => this.close());
  }

  onCancel(event) {
    event.preventDefault();
    this.close();
  }

  onKey(event) {
    if (event.key !== "Escape" || !this.dialog.open) return;
    event.preventDefault();
    this.close();
  }

  async open(citation, opener) {
    this.opener = opener;
    this.current = citation;
    this.heading.textContent = citation.title;
    this.dialog.querySelector(".number").textContent = citation.number;
    this.dialog.querySelector(".trail").textContent = trail(citation);
    this.body.replaceChildren(quoted(citation), element("p", { class: "soft" }, "Opening the passage…"));
    this.body.setAttribute("aria-busy", "true");
    this.reveal();
    await this.load(citation);
  }

  reveal() {
    if (this.dialog.open) this.dialog.close();
    if (WIDE.matches) this.dialog.show();
    else this.dialog.showModal();
    document.documentElement.classList.add("panel-open");
    this.heading.focus();
  }

  close() {
    if (!this.dialog.open) return;
    this.dialog.close();
    document.documentElement.classList.remove("panel-open");
    this.current = null;
    if (this.opener?.isConnected) this.opener.focus();
  }

  async load(citation) {
    let parts;
    try {
      parts = passage(await this.client.passage(citation.chunk_id), citation);
    } catch (error) {
      parts = [quoted(citation), this.apology(error, citation)];
    }
    if (this.current !== citation) return; // another one was opened, or the panel was closed
    this.body.replaceChildren(...parts);
    this.body.removeAttribute("aria-busy");
    this.body.querySelector("mark")?.scrollIntoView({ block: "center" });
  }

  apology(error, citation) {
    const isGone = error.status === 404;
    const words = isGone ? "This passage is no longer available." : "The passage could not be opened.";
    const note = element("p", { class: "soft", role: "alert" }, words);
    if (isGone) return note;
    const again = element("button", { type: "button", class: "quiet" }, "Try again");
    again.addEventListener("click", () => this.load(citation));
    note.append(" ", again);
    return note;
  }
}

function trail({ title, heading, page }) {
  return [heading && heading !== title ? heading : "", page ? `page ${page}` : ""].filter(Boolean).join(" · ");
}

function quoted(citation) {
  const quote = element("blockquote", { class: "quote prose", cite: null });
  renderMarkdown(quote, citation.quote ?? "");
  quote.setAttribute("aria-label", `Quote from ${sourceName(citation)}`);
  return quote;
}

/** The passage between its neighbours, with the quoted words marked. */
function passage({ text, before, after }, citation) {
  const main = prose("passage", text);
  const isFound = highlight(main, plainText(citation.quote ?? ""));
  const parts = [prose("context", before), main, prose("context", after)];
  const shown = parts.filter((part) => part.textContent.trim() !== "");
  return isFound ? shown : [quoted(citation), ...shown];
}

function prose(name, markdown) {
  const part = element("div", { class: `${name} prose`, dir: "auto" });
  renderMarkdown(part, markdown ?? "");
  return part;
}

function plainText(markdown) {
  return prose("quote", markdown).textContent;
}
