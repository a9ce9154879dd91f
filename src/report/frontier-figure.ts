/** Accuracy against throughput: the dense model, every trained and predicted candidate, the frontier, the allowed drop, and the choice. */
import type { Exploration, Measured } from '../auto/index.ts';
import { type ChartSize, drawChart } from './chart.ts';
import { type Place, type Plane, placeOf, placeOfBound, placeOfPrediction, planeOf } from './frontier-plane.ts';
import { type Box, findRoom, type LabelPlace, textWidth } from './label-room.ts';
import { PALETTE } from './palette.ts';
import { percentPruned } from './quantities.ts';

export const FRONTIER_SIZE: ChartSize = { width: 720, height: 440 };
const NARROW = FRONTIER_SIZE.width / 2;

/** A kind of mark; marks are see-through unless told otherwise. */
interface MarkStyle {
  readonly name: string;
  readonly symbolSize: number;
  readonly color: string;
  readonly symbol?: string;
  /** What is nearer to the reader. */
  readonly z?: number;
}

const CHOSEN: MarkStyle = { name: 'chosen', symbolSize: 15, color: PALETTE.chosen.light, z: 4 };
const DENSE: MarkStyle = { name: 'dense', symbolSize: 14, color: PALETTE.frontier.light, symbol: 'diamond', z: 3 };
const TRAINED: MarkStyle = { name: 'trained', symbolSize: 9, color: PALETTE.trial.light };

/** A name that fits into a figure. */
function shortTitle({ name, point, precision }: Measured): string {
  if (name === 'dense') return name;
  const pruned = point.sparsity === 0 ? '' : `, ${percentPruned(point.sparsity)} %`;
  return `N=${point.instances}${pruned}${precision === 'fp32' ? '' : `, ${precision}`}`;
}

type Labels = ReadonlyMap<string, LabelPlace>;

/** The frontier falls to the right: a name is clear of it above its right side, and below its left. */
const BESIDE: readonly LabelPlace[] = [
  { side: 'right', dy: -10 },
  { side: 'left', dy: 11 },
  { side: 'right', dy: 0 },
  { side: 'left', dy: 0 },
];

const allowedText = ({ maxDrop }: Exploration): string => `allowed drop: ${maxDrop} points`;

/** What the name of the allowed drop covers: the right end of its line, below it, where the choice never is. */
function allowedBox(exploration: Exploration, { pixelOf, grid }: Plane, { width }: ChartSize): Box {
  const { dense, maxDrop } = exploration;
  const [, y] = pixelOf([dense.examplesPerSecond, 100 * dense.accuracy - maxDrop]);
  const right = width - grid.right;
  return { left: right - textWidth(allowedText(exploration)) - 10, right, top: y, bottom: y + 20 };
}

/** What a mark covers, with its line down to the bound; a name must not lie on those of other models. */
function markBox(model: Measured, { dense }: Exploration, { pixelOf }: Plane): Box {
  const [[x, top], [, bottom]] = [pixelOf(placeOf(model)), pixelOf(placeOfBound(model, dense))];
  const radius = TRAINED.symbolSize / 2;
  return { left: x - radius, right: x + radius, top: top - radius, bottom: Math.max(bottom, top + radius) };
}

/** Where the names of the models stand that have one: the choice, the dense model, and what else is on the frontier, if there is room. */
function labelsOf(exploration: Exploration, plane: Plane, size: ChartSize): Labels {
  const { chosen, dense, frontier, trials } = exploration;
  const named = [...new Map([chosen, dense, ...frontier.toReversed()].map((model) => [model.name, model])).values()];
  const marks = named.map((model) => {
    const [x, y] = plane.pixelOf(placeOf(model));
    return { text: shortTitle(model), x, y, radius: 8, places: BESIDE };
  });
  const whole = {
    left: plane.grid.left,
    right: size.width,
    top: plane.grid.top,
    bottom: size.height - plane.grid.bottom,
  };
  const drawn = [dense, ...trials].map((model) => markBox(model, exploration, plane));
  const found = findRoom(marks, whole, [allowedBox(exploration, plane, size), ...drawn]);
  return new Map(named.flatMap(({ name }, at) => (found[at] === undefined ? [] : [[name, found[at]]])));
}

function labelAt(place: LabelPlace | undefined): object {
  if (place === undefined) return { show: false };
  return { show: true, position: place.side, color: PALETTE.ink.light, fontSize: 12, formatter: '{b}' };
}

function models(all: readonly Measured[], { color, ...style }: MarkStyle, labels: Labels): object {
  return {
    ...{ type: 'scatter', silent: true, itemStyle: { color, opacity: 1 }, ...style },
    labelLayout: ({ dataIndex = 0 }) => ({ dy: labels.get(all[dataIndex]?.name ?? '')?.dy ?? 0 }),
    data: all.map((model) => ({
      ...{ name: shortTitle(model), value: placeOf(model), label: labelAt(labels.get(model.name)) },
    })),
  };
}

/** From each accuracy down to what it surely is not below. */
function bounds(all: readonly Measured[], dense: Measured): object {
  return {
    silent: true,
    symbol: 'none',
    label: { show: false },
    lineStyle: { color: PALETTE.trial.light, type: 'solid', width: 1.5 },
    data: all.map((model) => [{ coord: placeOf(model) }, { coord: placeOfBound(model, dense) }]),
  };
}

function predictedMarks(places: readonly Place[]): object {
  return {
    ...{ name: 'predicted', type: 'scatter', silent: true, symbolSize: 7, data: places },
    itemStyle: { color: 'none', borderColor: PALETTE.trial.light, borderWidth: 1.5, opacity: 1 },
  };
}

function frontierLine(frontier: readonly Measured[]): object {
  const color = PALETTE.frontier.light;
  return {
    ...{ name: 'frontier', type: 'line', symbol: 'none', silent: true, data: frontier.map(placeOf) },
    ...{ lineStyle: { color, width: 2 }, itemStyle: { color } },
  };
}

function allowedLine(exploration: Exploration): object {
  const { dense, maxDrop } = exploration;
  const color = PALETTE.allowed.light;
  return {
    type: 'line',
    data: [],
    markLine: {
      silent: true,
      symbol: 'none',
      lineStyle: { color, type: 'dashed' },
      label: { color, position: 'insideEndBottom', formatter: allowedText(exploration) },
      data: [{ yAxis: 100 * dense.accuracy - maxDrop }],
    },
  };
}

/** Kinds of marks, as many as are drawn. */
function legend({ predicted }: Exploration, isNarrow: boolean): object {
  return {
    ...{ top: 4, left: 'center', itemGap: isNarrow ? 8 : 16, textStyle: { color: PALETTE.ink.light } },
    data: ['chosen', 'dense', 'trained', ...(predicted.length > 0 ? ['predicted'] : []), 'frontier'],
  };
}

export function frontierFigure(exploration: Exploration, size: ChartSize = FRONTIER_SIZE): string {
  const { dense, trials, predicted, frontier, chosen } = exploration;
  const isNarrow = size.width < NARROW;
  const plane = planeOf(exploration, size, isNarrow);
  const labels = labelsOf(exploration, plane, size);
  const { grid, xAxis, yAxis } = plane;
  return drawChart(
    {
      ...{ grid, xAxis, yAxis, legend: legend(exploration, isNarrow) },
      series: [
        frontierLine(frontier),
        predictedMarks(predicted.map((prediction) => placeOfPrediction(prediction, exploration))),
        models([chosen], CHOSEN, labels),
        models(chosen.name === dense.name ? [] : [dense], DENSE, labels),
        {
          ...models(
            trials.filter(({ name }) => name !== chosen.name),
            TRAINED,
            labels,
          ),
          markLine: bounds(trials, dense),
        },
        allowedLine(exploration),
      ],
    },
    size,
  );
}
