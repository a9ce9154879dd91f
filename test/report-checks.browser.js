/** What `report-browser.test.ts` asks a page, as a script of the page itself. */

const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
const known = new Map();

/** A CSS colour as red, green, blue and opacity, 0 to 255: what painting it gives. */
function channelsOf(color) {
  if (known.has(color)) return known.get(color);
  canvas.clearRect(0, 0, 1, 1);
  canvas.fillStyle = color;
  canvas.fillRect(0, 0, 1, 1);
  const channels = [...canvas.getImageData(0, 0, 1, 1).data];
  known.set(color, channels);
  return channels;
}

/** `front`, as far as it is opaque, over `back`. */
function over(front, back, opacity = front[3] / 255) {
  return [0, 1, 2].map((at) => opacity * front[at] + (1 - opacity) * back[at]);
}

/** What is behind an element. */
function behind(element) {
  if (element === null) return [255, 255, 255];
  return over(channelsOf(getComputedStyle(element).backgroundColor), behind(element.parentElement));
}

/** Relative luminance, as WCAG 2.2 defines it. */
function luminance(color) {
  const [r, g, b] = color.map((value) => {
    const share = value / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function hasOwnText(element) {
  return [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.textContent.trim() !== '');
}

const isSeen = (element) => element.getClientRects().length > 0;

/** Texts whose contrast to what is behind them is below 4.5 (WCAG 2.2, 1.4.3), with it. */
globalThis.paleTexts = () =>
  [...document.querySelectorAll('body *')]
    .filter((element) => hasOwnText(element) && isSeen(element) && element.closest('style,title') === null)
    .flatMap((element) => {
      const { fill, fillOpacity, color } = getComputedStyle(element);
      const isDrawn = element instanceof SVGElement;
      const back = behind(element);
      const front = over(channelsOf(isDrawn ? fill : color), back, isDrawn ? Number(fillOpacity) : undefined);
      const [dark, light] = [luminance(front), luminance(back)].sort((a, b) => a - b);
      const contrast = (light + 0.05) / (dark + 0.05);
      return contrast >= 4.5 ? [] : [`${element.textContent.trim()}: ${contrast.toFixed(2)}`];
    });

const chartsSeen = () => [...document.querySelectorAll('svg')].filter(isSeen);

function isOutside(box, whole) {
  const [x, y] = [
    box.left < whole.left - 1 || box.right > whole.right + 1,
    box.top < whole.top - 1 || box.bottom > whole.bottom + 1,
  ];
  return x || y;
}

/** Boxes of lines of text have some air above and below, which may be shared. */
function isOver(one, other) {
  const width = Math.min(one.right, other.right) - Math.max(one.left, other.left);
  const height = Math.min(one.bottom, other.bottom) - Math.max(one.top, other.top);
  return width > 1 && height > 3;
}

/** What is wrong with the texts of the charts: one lies over another, or leaves its chart. */
globalThis.clashingLabels = () =>
  chartsSeen().flatMap((chart) => {
    const texts = [...chart.querySelectorAll('text')].map((text) => [text.textContent, text.getBoundingClientRect()]);
    const whole = chart.getBoundingClientRect();
    const cut = texts.filter(([, box]) => isOutside(box, whole)).map(([text]) => `${text} is cut`);
    const over = texts.flatMap(([text, box], at) =>
      texts
        .slice(at + 1)
        .flatMap(([otherText, otherBox]) => (isOver(box, otherBox) ? [`${text} over ${otherText}`] : [])),
    );
    return [...cut, ...over];
  });

/** How many marks each chart has: shapes that have a size and a colour. */
globalThis.marks = () =>
  chartsSeen().map((chart) => {
    const shapes = [...chart.querySelectorAll('path,circle,rect,polyline')];
    return shapes.filter((shape) => {
      const { width, height } = shape.getBoundingClientRect();
      const { fill, stroke } = getComputedStyle(shape);
      return (width > 1 || height > 1) && (fill !== 'none' || stroke !== 'none');
    }).length;
  });
