/**
 * What has been said, in order, and what may still be answered. No DOM, no network.
 *
 * An item is a message of the API plus, for own ones, {state: sending|waiting|sent|failed, reason}.
 */
export class Store {
  constructor() {
    this.onChange = () => {};
    this.clear();
  }

  clear() {
    this.byId = new Map();
    this.arrivals = 0;
    this.turns = new Turns();
    this.onChange();
  }

  get lastSeq() {
    return Math.max(0, ...this.items().map((item) => item.seq ?? 0));
  }

  items() {
    const position = (item) => item.seq ?? Number.MAX_SAFE_INTEGER;
    const inOrder = (a, b) => position(a) - position(b) || a.arrival - b.arrival;
    return [...this.byId.values()].sort(inOrder);
  }

  /** True when the message was not known before (an own message's echo is known). */
  receive(message) {
    const known = this.byId.get(message.id);
    const state = message.role === "contact" ? "sent" : undefined;
    if (message.role !== "contact") this.turns.finish(message.in_reply_to);
    this.put({ ...known, ...message, state, reason: undefined });
    return !known;
  }

  receiveAll(messages) {
    messages.forEach((message) => this.receive(message));
  }

  /** Show an own message before the server has it. */
  expect(entry) {
    if (this.byId.has(entry.id)) return;
    const state = entry.refused ? "failed" : "sending";
    this.put({ ...entry, role: "contact", state, reason: entry.refused });
  }

  mark(id, change) {
    const item = this.byId.get(id);
    if (item && item.state !== "sent") this.put({ ...item, ...change });
  }

  remove(id) {
    this.byId.delete(id);
    this.onChange();
  }

  put(item) {
    this.byId.set(item.id, { arrival: this.arrivals++, ...item });
    this.onChange();
  }

  /** What was picked from each offer of choices, by message id; only the newest may be open. */
  offers() {
    const items = this.items();
    const newest = items.findLast(hasChoices);
    return new Map(
      items.filter(hasChoices).map((item) => {
        const picked = pickedLabel(item.choices, replies(items, item), item.id);
        return [item.id, { picked, isOpen: item === newest && picked === null }];
      }),
    );
  }

  get isUntouched() {
    return ![...this.byId.values()].some((item) => item.role === "contact");
  }
}

function hasChoices(item) {
  return item.choices?.length > 0;
}

/** What was said between an offer and the next one. */
function replies(items, offer) {
  const later = items.slice(items.indexOf(offer) + 1);
  const next = later.findIndex(hasChoices);
  return next === -1 ? later : later.slice(0, next);
}

/** The label the contact tapped or typed; after a reload only the text is known. */
export function pickedLabel(choices, later, offerId) {
  const labels = new Set(choices.map((choice) => choice.label));
  const own = later.filter((item) => item.role === "contact" && item.state !== "failed");
  const tapped = own.find((item) => item.message_id === offerId) ?? own[0];
  return tapped && labels.has(tapped.text) ? tapped.text : null;
}

/** The text of a turn while it grows, until the message that replaces it. */
class Turns {
  constructor() {
    this.textByTurn = new Map();
    this.closed = new Set();
  }

  get text() {
    return [...this.textByTurn.values()].join("");
  }

  append(turn, text) {
    if (this.closed.has(turn)) return;
    this.textByTurn.set(turn, (this.textByTurn.get(turn) ?? "") + text);
  }

  restart(turn) {
    this.textByTurn.delete(turn);
    this.closed.delete(turn);
  }

  /** A conversation has one turn at a time, so its message ends whatever was growing. */
  finish(inReplyTo) {
    if (inReplyTo) this.closed.add(inReplyTo);
    this.interrupt();
  }

  /** The line broke: pieces may be missing, so wait for the whole message. */
  interrupt() {
    for (const turn of this.textByTurn.keys()) this.closed.add(turn);
    this.textByTurn.clear();
  }
}
