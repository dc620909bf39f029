/**
 * Read chat Markdown into a tree of plain objects, in time linear to the text.
 *
 * A node is a string or {tag, children, ...}. Raw HTML is not a thing here: it stays text.
 * Depth is bounded, so hostile nesting ends as literal characters and never as a hang.
 */
import { parseInline } from "./inline.js";

const MAX_DEPTH = 8;
const MAX_COLUMNS = 24;

const FENCE = /^ {0,3}(`{3,}|~{3,})\s*([\w+#.-]{0,40})[^`]*$/;
const HEADING = /^ {0,3}(#{1,6})\s+(.*)$/;
const RULE = /^ {0,3}([-*_])[ \t]*(?:\1[ \t]*){2,}$/;
const QUOTE = /^ {0,3}>/;
const ITEM = /^( {0,3})([-*+]|\d{1,9}[.)])( +|$)(.*)$/;
const TABLE_RULE_CELL = /^:?-+:?$/;

/** Top-level blocks, each with the source it was read from (so a growing answer redraws its tail). */
export function parseMarkdown(text) {
  const lines = text.replace(/\r\n?/g, "\n").split("\n");
  return parseBlocks(lines, 0);
}

function parseBlocks(lines, depth) {
  const blocks = [];
  let at = 0;
  while (at < lines.length) {
    if (isBlank(lines[at])) {
      at += 1;
      continue;
    }
    const [node, next] = readBlock(lines, at, depth);
    blocks.push({ node, source: lines.slice(at, next).join("\n") });
    at = next;
  }
  return blocks;
}

function readBlock(lines, at, depth) {
  const line = lines[at];
  if (FENCE.test(line)) return readFence(lines, at);
  if (HEADING.test(line)) return [readHeading(line), at + 1];
  if (RULE.test(line)) return [{ tag: "hr", children: [] }, at + 1];
  if (depth < MAX_DEPTH && QUOTE.test(line)) return readQuote(lines, at, depth);
  if (depth < MAX_DEPTH && ITEM.test(line)) return readList(lines, at, depth);
  if (startsTable(lines, at)) return readTable(lines, at);
  return readParagraph(lines, at, depth);
}

function readFence(lines, at) {
  const [, mark, language] = FENCE.exec(lines[at]);
  const isEnd = (line) => {
    const text = line.trim();
    return text.length >= mark.length && text === mark[0].repeat(text.length);
  };
  let end = at + 1;
  while (end < lines.length && !isEnd(lines[end])) end += 1;
  const code = lines.slice(at + 1, end).join("\n");
  return [{ tag: "pre", language, children: [code] }, Math.min(end + 1, lines.length)];
}

function readHeading(line) {
  const [, marks, text] = HEADING.exec(line);
  return { tag: "heading", level: marks.length, children: parseInline(trimClosingMarks(text)) };
}

function trimClosingMarks(text) {
  let end = text.trimEnd().length;
  while (end > 0 && text[end - 1] === "#") end -= 1;
  return end === 0 || text[end - 1] === " " ? text.slice(0, end).trimEnd() : text.trimEnd();
}

function readQuote(lines, at, depth) {
  let end = at;
  while (end < lines.length && QUOTE.test(lines[end])) end += 1;
  const inner = lines.slice(at, end).map((line) => line.replace(/^ {0,3}> ?/, ""));
  return [{ tag: "blockquote", children: childNodes(inner, depth) }, end];
}

function readList(lines, at, depth) {
  const first = ITEM.exec(lines[at]);
  const isOrdered = /\d/.test(first[2]);
  const items = [];
  let next = at;
  while (next < lines.length && startsSibling(lines[next], isOrdered)) {
    const [item, end] = readItem(lines, next, depth);
    items.push(item);
    next = end;
  }
  const start = isOrdered ? Number.parseInt(first[2], 10) : undefined;
  return [{ tag: isOrdered ? "ol" : "ul", start, children: items }, next];
}

function startsSibling(line, isOrdered) {
  const item = ITEM.exec(line);
  return item !== null && !RULE.test(line) && /\d/.test(item[2]) === isOrdered;
}

function readItem(lines, at, depth) {
  const [, indent, marker, gap, text] = ITEM.exec(lines[at]);
  const width = indent.length + marker.length + Math.min(Math.max(gap.length, 1), 4);
  const body = [text];
  let end = at + 1;
  while (end < lines.length && belongsToItem(lines, end, width)) {
    body.push(dedent(lines[end], width));
    end += 1;
  }
  return [{ tag: "li", children: tight(childNodes(body, depth)) }, skipBlankBeforeItem(lines, end)];
}

function belongsToItem(lines, at, width) {
  const line = lines[at];
  if (isBlank(line)) return at + 1 < lines.length && indentOf(lines[at + 1]) >= Math.min(width, 2);
  if (indentOf(line) >= Math.min(width, 2)) return true;
  return !isBlank(lines[at - 1]) && !startsBlock(lines, at);
}

function skipBlankBeforeItem(lines, at) {
  const isGap = at + 1 < lines.length && isBlank(lines[at]) && ITEM.test(lines[at + 1]);
  return isGap ? at + 1 : at;
}

/** An item of one paragraph is shown without the paragraph's margins. */
function tight(nodes) {
  if (nodes.length > 0 && nodes[0].tag === "p") return [...nodes[0].children, ...nodes.slice(1)];
  return nodes;
}

function startsTable(lines, at) {
  if (at + 1 >= lines.length || !lines[at].includes("|")) return false;
  return splitRow(lines[at + 1]).every((cell) => TABLE_RULE_CELL.test(cell));
}

function readTable(lines, at) {
  let end = at + 2;
  while (end < lines.length && lines[end].includes("|")) end += 1;
  const head = splitRow(lines[at]);
  const rows = lines.slice(at + 2, end).map((line) => splitRow(line).slice(0, head.length));
  const toRow = (cells, tag) => ({
    tag: "tr",
    children: cells.map((cell) => ({ tag, children: parseInline(cell) })),
  });
  const body = { tag: "tbody", children: rows.map((cells) => toRow(cells, "td")) };
  const table = [{ tag: "thead", children: [toRow(head, "th")] }, body];
  return [{ tag: "table", children: table }, end];
}

function splitRow(line) {
  const text = line.trim().replace(/^\|/, "").replace(/\|$/, "");
  return text.split(/(?<!\\)\|/, MAX_COLUMNS).map((cell) => cell.trim().replaceAll("\\|", "|"));
}

function readParagraph(lines, at, depth) {
  let end = at + 1;
  while (end < lines.length && !isBlank(lines[end]) && !interrupts(lines, end, depth)) end += 1;
  const text = lines.slice(at, end).map((line) => line.trim()).join("\n");
  return [{ tag: "p", children: parseInline(text) }, end];
}

function interrupts(lines, at, depth) {
  return startsBlock(lines, at) && (depth < MAX_DEPTH || FENCE.test(lines[at]));
}

function startsBlock(lines, at) {
  const line = lines[at];
  return [FENCE, HEADING, RULE, QUOTE, ITEM].some((pattern) => pattern.test(line));
}

function childNodes(lines, depth) {
  return parseBlocks(lines, depth + 1).map((block) => block.node);
}

function isBlank(line) {
  return line.trim() === "";
}

function indentOf(line) {
  return line.length - line.trimStart().length;
}

function dedent(line, width) {
  return line.slice(Math.min(indentOf(line), width));
}
