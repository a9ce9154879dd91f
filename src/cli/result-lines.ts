/** Results in words: short lines that begin with what they say. */
import type { Precision } from '../base/index.ts';
import type { Compressed, Evaluation, GoalFigures, Isolation, Speedup, VocabularyRecord } from '../train/index.ts';

/** Line breaks as spaces. */
export function oneLine(text: string): string {
  return text.trim().replace(/\s*\n\s*/g, ' ');
}

export function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

export function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

/** What dropping words alone has done; nothing where the vocabulary was not pruned. */
export function vocabularyLine(vocabulary: VocabularyRecord | undefined): string {
  if (vocabulary === undefined) return '';
  const { tokens, tokensBefore, parameters, parametersBefore, spanF1, spanF1Before } = vocabulary;
  const { accuracy, accuracyBefore } = vocabulary;
  const arrow = (before: string, after: string): string => `${before} -> ${after}`;
  const counts = [
    `${arrow(tokensBefore.toLocaleString('en'), tokens.toLocaleString('en'))} tokens`,
    `${arrow(parametersBefore.toLocaleString('en'), parameters.toLocaleString('en'))} parameters`,
    spanF1 === undefined || spanF1Before === undefined
      ? `accuracy ${arrow(percent(accuracyBefore), percent(accuracy))} by that alone`
      : `span F1 ${arrow(percent(spanF1Before), percent(spanF1))} by that alone`,
  ];
  return `vocabulary  ${counts.join(', ')}\n`;
}

interface EvaluatedModel extends Evaluation {
  readonly folder: string;
  readonly parameters?: number | undefined;
  /** Where it may be either, the precision that was measured. */
  readonly precision?: Precision;
}

/** Quality of a model, and where it is. */
export function qualityLines(result: EvaluatedModel): string {
  const { accuracy, accuracyStd, macroF1, spanF1, spanF1Std = 0, groupings, examples, examplesPerSecond } = result;
  const { parameters, folder, precision } = result;
  const spread = (std: number): string => (groupings > 1 ? ` ± ${percent(std)} over ${groupings} groupings` : '');
  const lines = [
    ...(spanF1 === undefined ? [] : [`span F1     ${percent(spanF1)}${spread(spanF1Std)}`]),
    `accuracy    ${percent(accuracy)}${spread(accuracyStd)} of ${examples} rows; macro F1 ${percent(macroF1)}`,
    `throughput  ${Math.round(examplesPerSecond)} examples/s`,
    ...(parameters === undefined ? [] : [`parameters  ${parameters.toLocaleString('en')}`]),
    `model       ${folder}${precision === undefined ? '' : ` in ${precision}`}`,
  ];
  return `${lines.join('\n')}\n`;
}

/** Quality in int8, beside that in fp32; nothing where there is no int8 model. */
export function quantizedLine(fp32: Evaluation, int8: Evaluation | undefined): string {
  if (int8 === undefined) return '';
  const [before, after] = [fp32.spanF1 ?? fp32.accuracy, int8.spanF1 ?? int8.accuracy];
  const points = 100 * (after - before);
  const spread = int8.groupings > 1 ? ` ± ${percent(int8.spanF1Std ?? int8.accuracyStd)}` : '';
  return `int8        ${percent(after)}${spread}, ${points < 0 ? '' : '+'}${points.toFixed(2)} points; ${Math.round(int8.examplesPerSecond)} examples/s\n`;
}

/** A compressed model, beside the dense one. */
interface CompressedResult extends Evaluation, GoalFigures {
  readonly folder: string;
  readonly parameters: number;
  readonly sparsity: number;
  readonly target: Compressed['target'];
  readonly settled?: number;
  readonly instances: number;
  readonly bytes: number;
  readonly teacherBytes: number;
  readonly int8?: Evaluation;
}

/** Quality, structure and size of a compressed model; and its speed, where that was aimed at. */
export function compressedLines(result: CompressedResult): string {
  const { instances, sparsity, bytes, teacherBytes, speedup } = result;
  const lines = [
    `structure   ${instances} inputs per pass, sparsity ${sparsity.toFixed(3)}`,
    `size        ${megabytes(bytes)} on disk, of ${megabytes(teacherBytes)}`,
    ...(speedup === undefined ? [] : [speedupLine(speedup)]),
    ...unsettledLines(result),
  ];
  return `${qualityLines(result)}${quantizedLine(result, result.int8)}${lines.join('\n')}\n`;
}

/** Share of what is to be kept that gates may still be off by when they are decided. */
const SETTLED = 0.15;

/** That gates had not arrived when they were decided, and what helps; nothing where they had. */
function unsettledLines({ target: { measure, level }, settled }: CompressedResult): string[] {
  if (settled === undefined) return [];
  const kept = (reached: number): number => (measure === 'sparsity' ? 1 - reached : 1 / reached);
  if (Math.abs(kept(settled) / kept(level) - 1) <= SETTLED) return [];
  const [reached, asked] = [settled, level].map((value) => Number(value.toFixed(3)));
  return [
    `pruning     had come to ${measure} ${reached} of ${asked} when it was decided: more --prune-epochs let it arrive`,
  ];
}

function speedupLine({ asked, predicted, measured }: Speedup): string {
  return `speed-up    ${measured.toFixed(2)}x the dense model's throughput; asked ${asked}x, predicted ${predicted.toFixed(2)}x`;
}

/** What averaging over slots brings; nothing where it was not asked for. */
export function ensembleLine(evaluation: Evaluation): string {
  const { ensembleAccuracy, ensembleSpanF1, ensembleGain = 0, ensembleGainStd = 0 } = evaluation;
  if (ensembleAccuracy === undefined) return '';
  const sign = ensembleGain < 0 ? '' : '+';
  const gain = `${sign}${ensembleGain.toFixed(1)} ± ${ensembleGainStd.toFixed(1)} points`;
  return `ensemble    ${percent(ensembleSpanF1 ?? ensembleAccuracy)}, ${gain}: answers averaged over all slots\n`;
}

/** What is said of a model of one text per pass, where nothing is measured. */
const ALONE: Readonly<Record<Precision, string>> = {
  fp32: 'complete: one text per pass has no neighbours',
  int8: 'one text per pass has no neighbours, but numbers are rounded in steps that are one for all texts of a batch',
};

/** How far neighbours change answers; nothing where it was not measured. */
export function isolationLines(isolation: Isolation | undefined, precision: Precision): string {
  if (isolation === undefined) return '';
  const { groupings, probedRows, groupsPerRow } = isolation;
  if (groupings === 0) return `isolation   ${ALONE[precision]}\n`;
  const chance = `${percent(isolation.randomFlipRate)} ± ${percent(isolation.randomFlipRateStd)}`;
  return (
    `isolation   ${chance} of the answers change with the grouping, over ${groupings} groupings\n` +
    `            ${percent(isolation.adversarialFlipRate)} of ${probedRows} rows change with neighbours sought for it ` +
    `(${groupsPerRow.toFixed(0)} groups tried per row)\n` +
    `            largest change of a logit ${isolation.largestLogitChange.toFixed(2)}, ` +
    `of a score ${isolation.largestScoreChange.toFixed(2)}\n`
  );
}

/** Columns of a table, aligned; the first to the left, the others to the right. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]): string =>
    row.map((cell, at) => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0))).join('  ');
  return `${rows.map(line).join('\n')}\n`;
}
