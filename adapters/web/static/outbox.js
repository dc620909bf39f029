/**
 * Messages on their way: kept in this browser until the server has them, sent in order.
 *
 * A retry carries the same uuid, so the server stores the message once however often it arrives.
 * An entry is {id, text, at, action?, message_id?, refused?}.
 */
import { Nap, backoffSeconds } from "./backoff.js";

const REASON_BY_STATUS = {
  403: "This chat does not accept messages from here.",
  404: "This chat is no longer available.",
  409: "This message was already sent with other words.",
  413: "This message is too long.",
  422: "There is nothing to read in this message.",
};

export class Outbox {
  constructor(client, storage, { onSent, onState }) {
    this.client = client;
    this.storage = storage;
    this.onSent = onSent;
    this.onState = onState;
    this.nap = new Nap();
    this.isRunning = false;
    this.attempt = 0;
  }

  entries() {
    return this.storage.read("outbox", []);
  }

  add(entry) {
    this.storage.write("outbox", [...this.entries(), entry]);
    this.flush();
  }

  drop(id) {
    this.storage.write("outbox", this.entries().filter((entry) => entry.id !== id));
  }

  /** Try a refused message again, as a new one. */
  retry(id, newId) {
    const renew = ({ refused, ...entry }) => ({ ...entry, id: newId });
    const entries = this.entries();
    const entry = entries.find((candidate) => candidate.id === id);
    if (!entry) return null;
    const others = entries.filter((candidate) => candidate.id !== id);
    this.storage.write("outbox", [...others, renew(entry)]);
    this.flush();
    return renew(entry);
  }

  /** The line is back: do not wait out the pause. */
  wake() {
    this.attempt = 0;
    this.nap.wake();
    this.flush();
  }

  async flush() {
    if (this.isRunning) return;
    this.isRunning = true;
    try {
      for (let entry = this.next(); entry; entry = this.next()) await this.deliver(entry);
    } finally {
      this.isRunning = false;
    }
  }

  next() {
    return this.entries().find((entry) => !entry.refused);
  }

  async deliver(entry) {
    const { at, refused, ...body } = entry;
    this.onState(entry.id, "sending");
    try {
      const { seq } = await this.client.send(body);
      this.attempt = 0;
      this.drop(entry.id);
      this.onSent(entry.id, seq);
    } catch (error) {
      await this.handle(error, entry);
    }
  }

  async handle(error, entry) {
    if (error.status && !error.isTemporary && error.status !== 401) return this.refuse(error, entry);
    const seconds = error.retryAfter ?? backoffSeconds(this.attempt);
    this.attempt += 1;
    this.onState(entry.id, "waiting", error.status === 429 ? "too fast" : "no connection");
    return this.nap.sleep(seconds);
  }

  refuse(error, entry) {
    const reason = REASON_BY_STATUS[error.status] ?? error.message;
    const mark = (other) => (other.id === entry.id ? { ...other, refused: reason } : other);
    this.storage.write("outbox", this.entries().map(mark));
    this.onState(entry.id, "failed", reason);
  }
}
