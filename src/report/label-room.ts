/** Names beside marks, where there is room for them. A charting library that draws without a browser has to guess widths, and so do we: generously. */

/** In pixels. */
export interface Box {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

/** Where a name stands: beside its mark, above or below its middle. */
export interface LabelPlace {
  readonly side: 'left' | 'right';
  readonly dy: number;
}

/** A mark with a name, and where it may stand, the best place first. */
export interface Labelled {
  readonly text: string;
  readonly x: number;
  readonly y: number;
  readonly radius: number;
  readonly places: readonly LabelPlace[];
}

const LETTER_WIDTH = 7.8;
const HALF_LINE = 8;
const GAP = 5;

export function textWidth(text: string): number {
  return LETTER_WIDTH * text.length;
}

function boxOf({ text, x, y, radius }: Labelled, { side, dy }: LabelPlace): Box {
  const start = side === 'right' ? x + radius + GAP : x - radius - GAP - textWidth(text);
  return { left: start, right: start + textWidth(text), top: y + dy - HALF_LINE, bottom: y + dy + HALF_LINE };
}

function overlap(one: Box, other: Box): boolean {
  return one.left < other.right && other.left < one.right && one.top < other.bottom && other.top < one.bottom;
}

function isWithin(inner: Box, outer: Box): boolean {
  const { left, right, top, bottom } = inner;
  return left >= outer.left && right <= outer.right && top >= outer.top && bottom <= outer.bottom;
}

/** A place for each, in order of precedence; none where all of its places are taken, or outside. */
export function findRoom(
  labels: readonly Labelled[],
  whole: Box,
  taken: readonly Box[],
): readonly (LabelPlace | undefined)[] {
  const boxes = [...taken];
  return labels.map((label) => {
    const isFree = (box: Box): boolean => isWithin(box, whole) && !boxes.some((other) => overlap(box, other));
    const place = label.places.find((each) => isFree(boxOf(label, each)));
    if (place !== undefined) boxes.push(boxOf(label, place));
    return place;
  });
}
