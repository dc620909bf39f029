/**
 * Keep one event stream open: resume where it ended, back off when it fails, wake when it can work.
 *
 * States: connecting, connected, reconnecting (with seconds left), offline, gone.
 */
import { Nap, backoffSeconds } from "./backoff.js";

const STABLE_MS = 5_000;

export class Connection {
  constructor(client, { lastId, onEvent, onState, beforeOpen }) {
    this.client = client;
    this.lastId = lastId;
    this.onEvent = onEvent;
    this.onState = onState;
    this.beforeOpen = beforeOpen;
    this.nap = new Nap();
    this.attempt = 0;
    this.line = null;
  }

  start() {
    window.addEventListener("online", () => this.retryNow());
    window.addEventListener("offline", () => this.drop());
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible") this.nap.wake();
    });
    return this.run();
  }

  retryNow() {
    this.attempt = 0;
    this.nap.wake();
  }

  /** Close the line; the loop opens the next one. */
  drop() {
    this.line?.abort();
  }

  async run() {
    while (true) {
      const error = await this.listen();
      if (isGone(error)) return this.onState("gone");
      await this.pause(error);
    }
  }

  async listen() {
    this.line = new AbortController();
    this.onState("connecting");
    let openedAt = Infinity;
    try {
      await this.beforeOpen();
      const onOpen = () => {
        openedAt = Date.now();
        this.onState("connected");
      };
      for await (const event of this.client.events(this.lastId(), this.line.signal, onOpen)) {
        this.onEvent(event);
      }
      return null;
    } catch (error) {
      return error;
    } finally {
      if (Date.now() - openedAt > STABLE_MS) this.attempt = 0;
    }
  }

  async pause(error) {
    const seconds = Math.max(backoffSeconds(this.attempt), error?.retryAfter ?? 0);
    this.attempt += 1;
    const end = Date.now() + seconds * 1000;
    const show = () => {
      const left = Math.max(1, Math.ceil((end - Date.now()) / 1000));
      this.onState(navigator.onLine ? "reconnecting" : "offline", left);
    };
    show();
    const ticker = setInterval(show, 1000);
    await this.nap.sleep(seconds);
    clearInterval(ticker);
  }
}

/** The channel does not exist or does not talk to this site: asking again will not help. */
function isGone(error) {
  return error?.status === 404 || error?.status === 403;
}
