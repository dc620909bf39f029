/**
 * Read the inside of a paragraph: emphasis, code, links, source marks.
 *
 * One pass with a bounded stack of open marks; a mark that never closes stays literal text.
 */
const MAX_OPEN = 24;
const MAX_URL = 2000;
const SCHEMES = new Set(["http:", "https:", "mailto:", "tel:"]);
const PUNCTUATION = /[!-/:-@[-`{-~]/;
const PLAIN = /[^\\`*_~[\]!<h\n]+/y;
const BARE_URL = /https?:\/\/[^\s<>"'`]+/y;
const ANGLE_URL = /<((?:https?:\/\/|mailto:|tel:)[^\s<>"']{1,2000})>/y;
const SOURCE_MARK = /\[(\d{1,3})\](?!\()/y;
const TAG_BY_MARK = { "*": "em", _: "em", "**": "strong", __: "strong", "~~": "s" };

/** The address if it is one a reader may be sent to, else null. */
export function safeUrl(address) {
  let url;
  try {
    url = new URL(address.trim());
  } catch {
    return null;
  }
  return SCHEMES.has(url.protocol) ? url.href : null;
}

export function parseInline(text) {
  return new InlineReader(text).read();
}

class InlineReader {
  constructor(text) {
    this.text = text;
    this.at = 0;
    this.stack = [{ mark: null, children: [] }];
    this.ticks = indexTicks(text);
  }

  read() {
    while (this.at < this.text.length) this.step();
    while (this.stack.length > 1) this.abandon();
    return this.stack[0].children;
  }

  step() {
    const plain = this.match(PLAIN);
    if (plain) return this.push(plain[0]);
    const char = this.text[this.at];
    const handled = this.special(char);
    if (!handled) {
      this.at += 1;
      this.push(char);
    }
    return undefined;
  }

  special(char) {
    if (char === "\\") return this.readEscape();
    if (char === "`") return this.readCode();
    if (char === "\n") return this.readBreak();
    if (char === "h") return this.readBareUrl();
    if (char === "<") return this.readAngleUrl();
    if (char === "[" || char === "!") return this.readOpening(char);
    if (char === "]") return this.readClosing();
    return this.readEmphasis(char);
  }

  match(pattern) {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text);
    if (found) this.at += found[0].length;
    return found;
  }

  push(node) {
    const { children } = this.stack.at(-1);
    const last = children.length - 1;
    if (typeof node === "string" && typeof children[last] === "string") children[last] += node;
    else children.push(node);
  }

  /** Give up on the innermost open mark: it was plain text after all. */
  abandon() {
    const frame = this.stack.pop();
    this.push(frame.mark);
    frame.children.forEach((node) => this.push(node));
  }

  readEscape() {
    const next = this.text[this.at + 1];
    if (next === undefined || !PUNCTUATION.test(next)) return false;
    this.at += 2;
    this.push(next);
    return true;
  }

  /** The newline stays beside its break: a style that hides breaks (documents) keeps the words apart. */
  readBreak() {
    this.at += 1;
    this.push({ tag: "br", children: [] });
    this.push("\n");
    return true;
  }

  readCode() {
    const start = this.at;
    const length = runLength(this.text, start);
    const end = this.ticks.next(length, start);
    if (end === null) {
      this.at += length;
      this.push("`".repeat(length));
      return true;
    }
    const code = this.text.slice(start + length, end).replaceAll("\n", " ");
    this.push({ tag: "code", children: [code.trim() || code] });
    this.at = end + length;
    return true;
  }

  readBareUrl() {
    if (/\w/.test(this.text[this.at - 1] ?? "")) return false;
    const found = this.match(BARE_URL);
    if (!found) return false;
    const length = urlLength(found[0]);
    this.at -= found[0].length - length;
    const address = found[0].slice(0, length);
    this.push(linkNode(safeUrl(address), [address]));
    return true;
  }

  readAngleUrl() {
    const found = this.match(ANGLE_URL);
    if (found) this.push(linkNode(safeUrl(found[1]), [found[1]]));
    return Boolean(found);
  }

  readOpening(char) {
    const isImage = char === "!" && this.text[this.at + 1] === "[";
    if (char === "!" && !isImage) return false;
    const source = isImage ? null : this.match(SOURCE_MARK);
    if (source) {
      this.push({ tag: "source", number: Number(source[1]), children: [source[0]] });
      return true;
    }
    return this.open(isImage ? "![" : "[");
  }

  readClosing() {
    const index = this.stack.findLastIndex((frame) => frame.mark?.endsWith("["));
    if (index === -1) return false;
    while (this.stack.length - 1 > index) this.abandon();
    const target = readTarget(this.text, this.at + 1);
    if (target === null) {
      this.abandon();
      return false;
    }
    const frame = this.stack.pop();
    this.push(linkNode(safeUrl(target.address), withoutLinks(frame.children)));
    this.at = target.end;
    return true;
  }

  readEmphasis(char) {
    const length = Math.min(runOf(this.text, this.at, char), 3);
    if (char === "~" && length < 2) return false;
    const before = this.text[this.at - 1] ?? " ";
    const after = this.text[this.at + length] ?? " ";
    const isInWord = char === "_" && /\w/.test(before) && /\w/.test(after);
    if (isInWord) return false;
    if (!/\s/.test(before) && this.close(char, length)) return true;
    if (/\s/.test(after)) return false;
    return this.open(char.repeat(length === 1 ? 1 : 2));
  }

  close(char, length) {
    const top = this.stack.at(-1).mark;
    const byLength = { 1: char, 2: char + char };
    const mark = byLength[length] ?? (top?.[0] === char ? top : char + char);
    const index = this.stack.findLastIndex((frame) => frame.mark === mark);
    const bracket = this.stack.findLastIndex((frame) => frame.mark?.endsWith("["));
    if (index === -1 || index < bracket) return false;
    while (this.stack.length - 1 > index) this.abandon();
    const frame = this.stack.pop();
    this.at += mark.length;
    this.push({ tag: TAG_BY_MARK[mark], children: frame.children });
    return true;
  }

  open(mark) {
    this.at += mark.length;
    if (this.stack.length > MAX_OPEN) this.push(mark);
    else this.stack.push({ mark, children: [] });
    return true;
  }
}

/** `(address "title")` straight after a closing bracket; null when it is something else. */
function readTarget(text, at) {
  if (text[at] !== "(") return null;
  const limit = Math.min(text.length, at + MAX_URL);
  let depth = 0;
  for (let end = at; end < limit && text[end] !== "\n"; end += 1) {
    if (text[end] === "(") depth += 1;
    if (text[end] === ")") depth -= 1;
    if (depth > 3) return null;
    if (depth === 0) return { address: addressOf(text.slice(at + 1, end)), end: end + 1 };
  }
  return null;
}

function addressOf(target) {
  const [address] = target.trim().split(/\s+["'(]/, 1);
  return address.replace(/^<(.*)>$/, "$1");
}

/** A refused address leaves only its words. An image is a link too: nothing remote is loaded. */
function linkNode(href, children) {
  return href === null ? { tag: "span", children } : { tag: "a", href, children };
}

/** A link inside a link would let one address wear another's words. */
function withoutLinks(nodes) {
  return nodes.flatMap((node) => {
    if (typeof node === "string") return [node];
    const children = withoutLinks(node.children);
    return node.tag === "a" ? children : [{ ...node, children }];
  });
}

function urlLength(address) {
  let opened = 0;
  let closed = 0;
  for (const char of address) {
    if (char === "(") opened += 1;
    if (char === ")") closed += 1;
  }
  let end = address.length;
  while (end > 0 && /[.,;:!?*_~\])]/.test(address[end - 1])) {
    if (address[end - 1] === ")" && closed-- <= opened) break;
    end -= 1;
  }
  return end;
}

function runOf(text, at, char) {
  let end = at;
  while (text[end] === char && end - at < 4) end += 1;
  return end - at;
}

function runLength(text, at) {
  let end = at;
  while (text[end] === "`") end += 1;
  return end - at;
}

/** Where runs of n backticks stand, walked forward only, so unmatched ones cost nothing. */
function indexTicks(text) {
  const byLength = new Map();
  for (const run of text.matchAll(/`+/g)) {
    const runs = byLength.get(run[0].length) ?? { starts: [], cursor: 0 };
    runs.starts.push(run.index);
    byLength.set(run[0].length, runs);
  }
  const next = (length, after) => {
    const runs = byLength.get(length);
    while (runs && runs.starts[runs.cursor] <= after) runs.cursor += 1;
    return runs?.starts[runs.cursor] ?? null;
  };
  return { next };
}
