/** Wait longer after each failure, with jitter so that a thousand pages do not return at once. */
const BASE_SECONDS = 1;
const MAX_SECONDS = 30;

export function backoffSeconds(attempt, random = Math.random) {
  const ceiling = Math.min(MAX_SECONDS, BASE_SECONDS * 2 ** Math.min(attempt, 10));
  return ceiling / 2 + (random() * ceiling) / 2;
}

/** A wait that can be cut short: `wake()` ends it at once. */
export class Nap {
  constructor() {
    this.wake = () => {};
  }

  async sleep(seconds) {
    await new Promise((resolve) => {
      const timer = setTimeout(resolve, seconds * 1000);
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.wake = () => {};
  }
}
