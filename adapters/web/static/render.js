/** Build DOM nodes from the Markdown tree. Text only ever becomes text nodes. */
import { parseMarkdown } from "./markdown.js";
import { element, icon } from "./dom.js";

const PLAIN_TAGS = new Set([
  "p", "blockquote", "ul", "ol", "li", "hr", "br", "em", "strong", "s", "code", "span",
  "thead", "tbody", "tr", "th", "td",
]);
const LINK_REL = "noopener noreferrer nofollow";

/**
 * Draw Markdown into `host`, keeping the blocks whose source did not change since the last call.
 * `makeSource(number)` returns a node for a source mark such as [1], or null to leave it as text.
 */
export function renderMarkdown(host, text, makeSource = () => null) {
  const blocks = parseMarkdown(text);
  const kept = host.renderedSources ?? [];
  let same = 0;
  while (same < blocks.length && kept[same] === blocks[same].source) same += 1;
  while (host.childNodes.length > same) host.lastChild.remove();
  host.append(...blocks.slice(same).map((block) => toDom(block.node, makeSource)));
  host.renderedSources = blocks.map((block) => block.source);
}

function toDom(node, makeSource) {
  if (typeof node === "string") return document.createTextNode(node);
  const children = () => node.children.map((child) => toDom(child, makeSource));
  if (PLAIN_TAGS.has(node.tag)) return plain(node, children());
  if (node.tag === "heading") return heading(node, children());
  if (node.tag === "a") return link(node.href, children());
  if (node.tag === "pre") return codeBlock(node.children[0], node.language);
  if (node.tag === "table") return scrollable(element("table", {}, ...children()));
  return makeSource(node.number) ?? document.createTextNode(node.children[0]);
}

function plain(node, children) {
  const made = element(node.tag, {}, ...children);
  if (node.tag === "ol" && node.start !== 1) made.start = node.start;
  return made;
}

/** Headings of a message start below the page's own. */
function heading(node, children) {
  return element(`h${Math.min(node.level + 2, 6)}`, {}, ...children);
}

export function link(href, children) {
  return element("a", { href, rel: LINK_REL, target: "_blank", title: href }, ...children);
}

function scrollable(table) {
  const label = { role: "region", "aria-label": "Table", tabindex: "0" };
  return element("div", { class: "table", ...label }, table);
}

function codeBlock(code, language) {
  const copy = element("button", { type: "button", class: "copy" }, icon("copy"), "Copy");
  copy.addEventListener("click", () => copyText(code, copy));
  const head = element("div", { class: "code-head" }, element("span", {}, language || "code"), copy);
  const body = element("pre", { tabindex: "0" }, element("code", {}, code));
  return element("div", { class: "code" }, head, body);
}

async function copyText(text, button) {
  const isDone = await writeClipboard(text);
  const label = isDone ? "Copied" : "Press Ctrl+C";
  button.replaceChildren(icon(isDone ? "check" : "copy"), label);
  setTimeout(() => button.replaceChildren(icon("copy"), "Copy"), 1600);
}

async function writeClipboard(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false; // plain http or a frame without permission: the reader selects by hand
  }
}
