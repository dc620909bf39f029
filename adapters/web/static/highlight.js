/** Mark a quote inside rendered text, whatever the white space and the tags between its words. */

/** Wrap every piece of `quote` found under `root` in <mark>; false when it is not there. */
export function highlight(root, quote) {
  const letters = [...lettersOf(root)];
  const needle = squeeze(quote);
  const at = needle === "" ? -1 : letters.map((letter) => letter.char).join("").indexOf(needle);
  if (at === -1) return false;
  for (const range of rangesOf(letters.slice(at, at + needle.length))) {
    range.surroundContents(document.createElement("mark"));
  }
  return true;
}

function squeeze(text) {
  return text.replace(/\s+/g, "");
}

/** Every visible UTF-16 unit with the place it stands in. */
function* lettersOf(root) {
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    for (let at = 0; at < node.data.length; at += 1) {
      if (!/\s/.test(node.data[at])) yield { char: node.data[at], node, at };
    }
  }
}

/** One range for each text node, the last node first so that splitting moves no earlier one. */
function rangesOf(letters) {
  const spanByNode = new Map();
  for (const { node, at } of letters) {
    const span = spanByNode.get(node) ?? { start: at, end: at };
    spanByNode.set(node, { start: span.start, end: at });
  }
  const first = letters[0].node;
  const last = letters.at(-1).node;
  return [...spanByNode].reverse().map(([node, { start, end }]) => {
    const range = document.createRange();
    // Between two nodes the white space is part of the quote too.
    range.setStart(node, node === first ? start : 0);
    range.setEnd(node, node === last ? end + 1 : node.length);
    return range;
  });
}
