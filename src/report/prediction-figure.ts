/** Whether throughput is what it was thought to be: measured against predicted ratios to the dense model, on the diagonal where they agree. */
import type { Measured } from '../auto/index.ts';
import { axis, type ChartSize, drawChart, roundAxis } from './chart.ts';
import { PALETTE } from './palette.ts';

export const PREDICTION_SIZE: ChartSize = { width: 480, height: 340 };

/** Nothing where nothing that was trained had been predicted. */
export function predictionFigure(trials: readonly Measured[], size: ChartSize): string | undefined {
  const pairs = trials.flatMap(({ predictedRatio, ratio }) =>
    predictedRatio === undefined ? [] : [[predictedRatio, ratio]],
  );
  if (pairs.length === 0) return undefined;
  const { max: most, ...round } = roundAxis([0, 1.05 * Math.max(...pairs.flat())], 6);
  const limits = { type: 'value', ...round, max: most };
  const color = PALETTE.frontier.light;
  return drawChart(
    {
      grid: { left: 56, right: 20, top: 16, bottom: 52 },
      xAxis: axis('predicted ratio', limits),
      yAxis: axis('measured ratio', limits),
      series: [
        {
          ...{
            type: 'line',
            symbol: 'none',
            silent: true,
            data: [
              [0, 0],
              [most, most],
            ],
          },
          lineStyle: { color: PALETTE.trial.light, type: 'dashed' },
        },
        { type: 'scatter', silent: true, symbolSize: 9, itemStyle: { color }, data: pairs },
      ],
    },
    size,
  );
}
