/**
 * How long this machine takes for sub-layers of every width: small classifiers of nothing but such sub-layers, exported and run as those that
 * are delivered, side by side; what one takes longer than the classifier without layers is its sub-layers' time.
 * Papers: ZipLM (Kurtic et al. 2023), section 3.2 - https://arxiv.org/abs/2302.04089; Kwon et al. (2022), section 4.1 -
 * https://arxiv.org/abs/2204.09656. Theirs are tables of widths alone; here the hidden size may shrink too, and is an axis of the table.
 */
import { partOf } from '../base/index.ts';
import type { EncoderConfig, LayerShape } from '../model/index.ts';
import { type Place, type SubLayerTimes, type TimeTable, uniformShape, type WidthMultiples } from '../prune/index.ts';
import type { RunFolder } from './checkpoint.ts';
import { fingerprintOf, machineOf } from './deliver.ts';
import { type PassSetting, type Probe, probe, relativeTimes, wholeProbe } from './relative-times.ts';
import { taskOf } from './task-table.ts';

/** Widths that are measured, ascending; between them times are interpolated. */
export interface WidthGrid {
  readonly heads: readonly number[];
  readonly units: readonly number[];
  readonly hidden: readonly number[];
}

/** Sub-layers of a kind in one classifier, so that they outweigh the rest of it. */
const COPIES = 2;
const ascending = (values: readonly number[]): number[] => [...new Set(values)].toSorted((a, b) => a - b);

/** The nearest multiple of 16, where there is one. */
const aligned = (width: number): number => (width < 16 ? Math.max(1, Math.round(width)) : 16 * Math.round(width / 16));

/** Every number of heads up to 6, then six more; units by halving, hidden sizes down to a quarter. */
export function gridFor(encoder: EncoderConfig): WidthGrid {
  const { D, H, F } = uniformShape(encoder);
  const heads = Array.from({ length: Math.min(6, H) }, (_, at) => at + 1);
  const more = Array.from({ length: 6 }, (_, at) => Math.round(6 + ((at + 1) * (H - 6)) / 6));
  return {
    heads: ascending(H > 6 ? [...heads, ...more] : heads),
    units: ascending([...[32, 16, 8, 4, 2].map((part) => aligned(F / part)), F]),
    hidden: ascending([aligned(D / 4), aligned(D / 2), D]),
  };
}

const copies = (count: number, layer: LayerShape): LayerShape[] => Array.from({ length: count }, () => layer);

/** Times by width of one hidden size, and the rest of the pass. */
interface Column {
  readonly rest: number;
  readonly attention: readonly number[];
  readonly feedForward: readonly number[];
}

/** No time below 0, and none below that of a narrower sub-layer: what says otherwise is noise. */
export function rising(times: readonly number[]): number[] {
  let most = 0;
  return times.map((time) => {
    most = Math.max(most, time);
    return most;
  });
}

/** Where an attention reads only some states, only the last of several does; so there is one. */
async function measureColumn(place: Place, hiddenSize: number, grid: WidthGrid, whole: PassSetting): Promise<Column> {
  const setting = settingAt(place, whole);
  const wanted = place === 'read' ? 'first' : 'all';
  const attentions = place === 'read' ? 1 : COPIES;
  const [rest = 0, ...times] = await relativeTimes(
    [
      probe(setting, hiddenSize, [], wanted),
      ...grid.heads.map((heads) =>
        probe(setting, hiddenSize, copies(attentions, { heads, intermediateSize: 0 }), wanted),
      ),
      ...grid.units.map((intermediateSize) =>
        probe(setting, hiddenSize, copies(COPIES, { heads: 0, intermediateSize }), wanted),
      ),
    ],
    wholeProbe(whole),
    setting,
  );
  const beyondRest = (from: number, to: number, count: number): number[] =>
    rising(times.slice(from, to).map((time) => (time - rest) / count));
  return {
    rest,
    attention: beyondRest(0, grid.heads.length, attentions),
    feedForward: beyondRest(grid.heads.length, times.length, COPIES),
  };
}

/** How the layers of one place are run: those before the mixture as a model of single rows. */
function settingAt(place: Place, setting: PassSetting): PassSetting {
  if (place !== 'rows') return setting;
  const { mux, ...config } = setting.config;
  return { ...setting, config, groups: setting.groups * (mux?.instances ?? 1) };
}

const FASTER = 0.98;
const MULTIPLES = [16, 8, 4, 2] as const;

/**
 * The multiple that widths should have: the largest of which a width takes clearly less time than the mean of those half a multiple below and
 * above, which for kernels that do not care is the same. Times are of the middle width, and of the pairs around it.
 */
export function preferredMultiple(middle: number, pairs: readonly (readonly [number, number])[]): number {
  const at = pairs.findIndex(([below, above]) => middle < (FASTER * (below + above)) / 2);
  return MULTIPLES[at] ?? 1;
}

/** Narrower encoders are not worth it. */
const LEAST_MIDDLE = 32;

async function measureMultiple(
  width: number,
  probeOf: (width: number) => Probe,
  rest: number,
  setting: PassSetting,
): Promise<number> {
  const middle = aligned(width / 2);
  if (middle < LEAST_MIDDLE) return 1;
  const around = MULTIPLES.flatMap((multiple) => [middle - multiple / 2, middle + multiple / 2]);
  const [time = 0, ...others] = (
    await relativeTimes([middle, ...around].map(probeOf), wholeProbe(setting), setting)
  ).map((t) => t - rest);
  const pairs = MULTIPLES.map((_, at) => [others[2 * at] ?? 0, others[2 * at + 1] ?? 0] as const);
  return preferredMultiple(time, pairs);
}

async function measureMultiples(rest: number, setting: PassSetting): Promise<WidthMultiples> {
  const { D, H, F } = uniformShape(setting.config.encoder);
  const units = (intermediateSize: number): Probe =>
    probe(setting, D, copies(COPIES, { heads: 0, intermediateSize }), 'all');
  const hidden = (hiddenSize: number): Probe =>
    probe(setting, hiddenSize, copies(COPIES, { heads: H, intermediateSize: aligned(F / 2) }), 'all');
  return {
    units: await measureMultiple(F, units, rest, setting),
    hidden: await measureMultiple(D, hidden, 0, setting),
  };
}

/** The columns of a place as rows of widths, the first of width 0. */
function subLayerTimes(columns: readonly Column[]): SubLayerTimes {
  const byWidth = (family: 'attention' | 'feedForward'): number[][] => [
    columns.map(() => 0),
    ...(columns[0]?.[family] ?? []).map((_, at) => columns.map((column) => column[family][at] ?? 0)),
  ];
  return { attention: byWidth('attention'), feedForward: byWidth('feedForward') };
}

/**
 * The table of this machine. Each column is kept in the run's folder, under the machine's fingerprint: a run that goes on elsewhere measures
 * anew.
 */
export async function measureTimes(
  setting: PassSetting,
  folder: RunFolder,
  grid = gridFor(setting.config.encoder),
): Promise<TimeTable> {
  const { config, placement, tokens, groups, streams, onProgress } = setting;
  const prefillLayers = config.mux?.prefillLayers ?? 0;
  const isReadInPart = taskOf(config).wanted === 'first';
  const places: Place[] = [
    ...(prefillLayers > 0 ? (['rows'] as const) : []),
    'groups',
    ...(isReadInPart ? (['read'] as const) : []),
  ];
  const machine = fingerprintOf(machineOf(placement), { tokens, groups, streams, grid }).slice(0, 8);
  const keep = <T>(name: string, make: () => Promise<T>): Promise<T> =>
    folder.remembered(`times-${name}-${machine}`, make);
  const total = places.length * grid.hidden.length;
  const columnsOf = async (place: Place): Promise<Column[]> => {
    const columns: Column[] = [];
    for (const [at, size] of grid.hidden.entries()) {
      const done = places.indexOf(place) * grid.hidden.length + at;
      const told = { ...setting, onProgress: partOf(onProgress, 'measuring layers', done, total) };
      columns.push(await keep(`${place}-${size}`, () => measureColumn(place, size, grid, told)));
    }
    return columns;
  };
  const columns = new Map<Place, Column[]>();
  for (const place of places) columns.set(place, await columnsOf(place));
  const rest = rising((columns.get(places.at(-1) ?? 'groups') ?? []).map((column) => column.rest));
  const whole = columns.get('groups')?.at(-1)?.rest ?? 0;
  return {
    heads: [0, ...grid.heads],
    units: [0, ...grid.units],
    hidden: grid.hidden,
    rest,
    places: Object.fromEntries(Array.from(columns, ([place, measured]) => [place, subLayerTimes(measured)])),
    ...{ prefillLayers, isReadInPart },
    multiples: await keep('multiples', () => measureMultiples(whole, setting)),
  };
}
