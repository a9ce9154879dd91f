/** How long work tells whoever waits how far it has come. */

/** Called with the name of a piece of work, and how much of how much of it is done. */
export type OnProgress = (name: string, done: number, total: number) => void;

/** For one of `count` parts of a piece of work that take equally long: tells of the whole. */
export function partOf(whole: OnProgress | undefined, name: string, at: number, count: number): OnProgress {
  return (_, done, total) => whole?.(name, at * total + done, count * total);
}
