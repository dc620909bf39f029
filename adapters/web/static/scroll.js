/**
 * Follow the conversation while the reader is at its end; never pull them away from elsewhere.
 *
 * A long answer stops moving once its beginning reaches the top, so it can be read from there.
 */
const NEAR_END = 60;
const HEADROOM = 20;

export class Follower {
  constructor(scroller, thread, pill) {
    this.scroller = scroller;
    this.pill = pill;
    this.isFollowing = true;
    this.anchor = null;
    this.unseen = 0;
    this.lastTop = 0;
    this.wasAtEnd = true;
    scroller.addEventListener("scroll", () => this.onScroll(), { passive: true });
    pill.addEventListener("click", () => this.toEnd());
    const grown = new ResizeObserver(() => this.follow());
    grown.observe(thread);
    grown.observe(scroller);
  }

  get distance() {
    const { scrollHeight, scrollTop, clientHeight } = this.scroller;
    return scrollHeight - scrollTop - clientHeight;
  }

  onScroll() {
    const { scrollTop } = this.scroller;
    if (scrollTop < this.lastTop - 2) this.isFollowing = false;
    if (this.distance < NEAR_END) this.isFollowing = true;
    if (this.distance < NEAR_END) this.unseen = 0;
    this.settle();
  }

  /** An incoming message begins at this node: do not scroll its beginning out of sight. */
  hold(node) {
    if (this.wasAtEnd || !this.anchor?.isConnected) this.anchor = node;
    if (!this.wasAtEnd) this.unseen += 1;
    this.follow();
  }

  toEnd() {
    this.anchor = null;
    this.isFollowing = true;
    this.unseen = 0;
    this.follow();
  }

  follow() {
    if (this.isFollowing) {
      const end = this.scroller.scrollHeight - this.scroller.clientHeight;
      const top = Math.min(end, this.anchorTop());
      if (top > this.scroller.scrollTop || this.anchor === null) this.scroller.scrollTop = top;
    }
    this.settle();
  }

  settle() {
    this.lastTop = this.scroller.scrollTop;
    this.wasAtEnd = this.distance < NEAR_END;
    this.showPill();
  }

  anchorTop() {
    if (!this.anchor?.isConnected) return Infinity;
    const box = this.anchor.getBoundingClientRect();
    return this.scroller.scrollTop + box.top - this.scroller.getBoundingClientRect().top - HEADROOM;
  }

  showPill() {
    this.pill.hidden = this.distance < NEAR_END * 2;
    const label = this.unseen > 0 ? newMessages(this.unseen) : "Latest messages";
    const text = this.pill.querySelector("span");
    if (text.textContent !== label) text.textContent = label;
    this.pill.classList.toggle("unseen", this.unseen > 0);
  }
}

function newMessages(count) {
  return count === 1 ? "1 new message" : `${count} new messages`;
}
