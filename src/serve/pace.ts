/**
 * Work that may wait a little, in small portions between other work. Under overload there are far more refusals than answers, and clients that ask again
 * at once: were all refused as they come, the server's thread would do little else, and workers would wait for it with a full queue.
 */

/** Pieces of one portion, some milliseconds of refusals on a slow core; or this share of what waits, where that is more, so that nothing waits for long. */
const PORTION = 16;
const SHARE = 1 / 16;
/** Between two portions, at least; what else the thread has to do comes on top. */
const PAUSE_MS = 2;

export class Pace {
  private waiting: (() => void)[] = [];
  private isResting = false;

  /** Does it now, or after those that came before it. */
  add(piece: () => void): void {
    this.waiting.push(piece);
    if (!this.isResting) this.goOn();
  }

  private goOn(): void {
    const portion = this.waiting.splice(0, Math.max(PORTION, Math.ceil(SHARE * this.waiting.length)));
    this.isResting = portion.length > 0;
    if (!this.isResting) return;
    setTimeout(() => this.goOn(), PAUSE_MS);
    for (const piece of portion) piece();
  }
}
