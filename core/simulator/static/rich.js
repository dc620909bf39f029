/** Text and its marks as nodes: never parsed as HTML, links only where a browser may go. */
import { element } from "/static/dom.js";

const TAGS = { bold: "strong", italic: "em", strike: "s", code: "code", pre: "pre", quote: "blockquote" };
const SAFE = /^(https?:|mailto:)/i;

/** `plain(text)` gives the nodes of a stretch without code in it; by default the text itself. */
export function richText(text, marks = [], plain = (words) => [words]) {
  const points = Array.from(text); // marks count code points, strings count UTF-16 units
  const sorted = [...marks].sort((a, b) => a.start - b.start || b.end - a.end);
  const fragment = document.createDocumentFragment();
  fragment.append(...nodes(points, sorted, 0, points.length, plain));
  return fragment;
}

function nodes(points, marks, start, end, plain) {
  const made = [];
  let position = start;
  let index = 0;
  while (index < marks.length) {
    const mark = marks[index];
    const from = Math.max(mark.start, position);
    const to = Math.min(mark.end, end);
    index += 1;
    if (to <= from) continue;
    if (from > position) made.push(...plain(points.slice(position, from).join("")));
    const inside = [];
    while (index < marks.length && marks[index].start < to) inside.push(marks[index++]);
    const isCode = mark.kind === "code" || mark.kind === "pre";
    const node = wrapper(mark);
    node.append(...nodes(points, inside, from, to, isCode ? (words) => [words] : plain));
    made.push(node);
    position = to;
    // What begins inside and ends outside goes on after it.
    for (const rest of inside.reverse()) if (rest.end > to) marks.splice(index, 0, { ...rest, start: to });
  }
  if (position < end) made.push(...plain(points.slice(position, end).join("")));
  return made;
}

function wrapper(mark) {
  if (mark.kind !== "link") return element(TAGS[mark.kind] ?? "span");
  if (!SAFE.test(mark.value)) return element("span");
  return element("a", { href: mark.value, target: "_blank", rel: "noopener noreferrer" });
}
