/** `prumux quantize`: the int8 model of a folder, with what it costs in accuracy. */
import { quantizeClassifier } from '../train/index.ts';
import { command } from './command.ts';
import { columnsOption, FORMATS, refuseIdleColumns } from './common-options.ts';
import { required, text } from './option.ts';
import { megabytes, qualityLines, quantizedLine } from './result-lines.ts';

export default command({
  name: 'quantize',
  description:
    'Make the int8 model of a classifier, dense or compressed, and measure both on labelled rows; its folder then runs in int8.',
  example: 'models/dense --eval dev.tsv -o models/dense-int8',
  operands: { name: 'model', description: 'folder or Hub id of a classifier' },
  options: {
    eval: required(`rows to measure on: ${FORMATS}`, text('FILE')),
    columns: columnsOption,
    output: required('model folder to write; it may be MODEL itself', text('DIR'), 'o'),
  },
  async run({ eval: evaluation, columns, output }, [model], { seed, placement, progress }) {
    refuseIdleColumns(columns, evaluation);
    const source = { evaluation, ...(columns && { columns }) };
    const told = { seed, placement, onProgress: progress.work };
    const { fp32, int8, ...rest } = await quantizeClassifier(model, { source, output, ...told });
    return { ...fp32, int8, ...rest };
  },
  print: (result) =>
    `${qualityLines(result)}${quantizedLine(result, result.int8)}` +
    `ONNX files  ${megabytes(result.onnxBytes.fp32)} in fp32, ${megabytes(result.onnxBytes.int8)} in int8\n` +
    'runs        in int8, unless --precision fp32 or DIR:fp32 says otherwise\n',
});
