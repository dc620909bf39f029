/** The connection in words: a dot in the header, a strip when something needs patience. */
import { byId } from "./dom.js";

const TEXT_BY_STATE = {
  connecting: "Connecting…",
  connected: "Connected",
  reconnecting: "Reconnecting",
  offline: "You are offline",
  gone: "This chat is not available",
};
const TROUBLE = new Set(["reconnecting", "offline", "gone"]);

export class Status {
  constructor(onRetry) {
    this.strip = byId("strip");
    this.words = byId("connection");
    this.text = byId("strip-text");
    this.countdown = byId("countdown");
    this.retry = byId("retry");
    this.isTroubled = false;
    this.retry.addEventListener("click", onRetry);
  }

  /** A countdown ticks in a part hidden from screen readers: they hear the state once. */
  show(state, seconds) {
    if (TROUBLE.has(state)) this.isTroubled = true;
    if (state === "connected") this.isTroubled = false;
    const shown = state === "connecting" && this.isTroubled ? "reconnecting" : state;
    document.documentElement.dataset.connection = shown;
    setText(this.words, TEXT_BY_STATE[shown]);
    setText(this.text, stripText(shown));
    setText(this.countdown, shown === "reconnecting" && seconds ? ` in ${seconds} s` : "");
    this.strip.hidden = !this.isTroubled;
    this.retry.hidden = shown !== "reconnecting" || !seconds;
  }
}

function stripText(state) {
  if (state === "offline") return "You are offline. What you write is sent when you are back.";
  return TROUBLE.has(state) ? TEXT_BY_STATE[state] : "";
}

function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}
