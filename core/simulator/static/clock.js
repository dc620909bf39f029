/** The time that programs go by, and buttons that let it pass. */
import { passTime, readTime } from "./api.js";

const IDLE_MS = 15000;
const MOVING_MS = 400;
const SHOWN = new Intl.DateTimeFormat(undefined, {
  weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit",
});

export class Clock {
  constructor(root, onTrouble) {
    this.root = root;
    this.onTrouble = onTrouble;
    this.shown = root.querySelector("time");
    this.buttons = [...root.querySelectorAll("button")];
    for (const button of this.buttons) {
      button.addEventListener("click", () => this.pass(Number(button.dataset.minutes) || null));
    }
    this.refresh();
  }

  async pass(minutes) {
    try {
      this.show(await passTime(minutes));
    } catch (error) {
      this.onTrouble(error.message);
    }
    this.refresh();
  }

  /** Looks again by itself: often while time passes, else now and then. */
  async refresh() {
    clearTimeout(this.timer);
    let isMoving = false;
    try {
      const time = await readTime();
      this.show(time);
      isMoving = time.is_moving;
    } catch {
      /* the server is away: the page says so elsewhere */
    }
    this.timer = setTimeout(() => this.refresh(), isMoving ? MOVING_MS : IDLE_MS);
  }

  show({ now, is_moving, next_due }) {
    this.shown.dateTime = now;
    this.shown.textContent = SHOWN.format(new Date(now));
    this.root.dataset.state = is_moving ? "moving" : "still";
    for (const button of this.buttons) {
      button.disabled = is_moving || (!button.dataset.minutes && !next_due);
    }
  }
}
