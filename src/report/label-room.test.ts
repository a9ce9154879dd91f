/** Names that find room, against the definition: none over another, none outside, and none left out that had room. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { findRoom, type Labelled, textWidth } from './label-room.ts';

const whole = { left: 0, right: 300, top: 0, bottom: 200 };
const places = [
  { side: 'right', dy: -10 },
  { side: 'left', dy: 10 },
] as const;

const label = fc
  .record({
    text: fc.string({ minLength: 1, maxLength: 12 }),
    x: fc.integer({ min: 0, max: 300 }),
    y: fc.integer({ min: 0, max: 200 }),
  })
  .map((mark): Labelled => ({ ...mark, radius: 4, places }));

/** As a plain reader of the definition would say it: 5 pixels beside the mark, 8 above and below the middle of the line. */
function boxOf({ text, x, y, radius }: Labelled, { side, dy }: (typeof places)[number]) {
  const left = side === 'right' ? x + radius + 5 : x - radius - 5 - textWidth(text);
  return { left, right: left + textWidth(text), top: y + dy - 8, bottom: y + dy + 8 };
}
type Box = ReturnType<typeof boxOf>;

const isApart = (a: Box, b: Box): boolean =>
  a.right <= b.left || b.right <= a.left || a.bottom <= b.top || b.bottom <= a.top;
const isInside = (a: Box): boolean => a.left >= 0 && a.right <= 300 && a.top >= 0 && a.bottom <= 200;

it('puts names apart and inside, and leaves out only those without room', () => {
  fc.assert(
    fc.property(fc.array(label, { maxLength: 12 }), (labels) => {
      const taken = [{ left: 200, right: 300, top: 90, bottom: 110 }];
      const found = findRoom(labels, whole, taken);
      const boxes: Box[] = [...taken];
      for (const [at, one] of labels.entries()) {
        const place = found[at] as (typeof places)[number] | undefined;
        const free = places.filter(
          (each) => isInside(boxOf(one, each)) && boxes.every((box) => isApart(boxOf(one, each), box)),
        );
        expect(place).toEqual(free[0]);
        if (place !== undefined) boxes.push(boxOf(one, place));
      }
    }),
  );
});
