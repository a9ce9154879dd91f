/** `prumux report`: the page of a finished `auto` run, made again from its record. */
import { join } from 'node:path';
import { autoRecordIn } from '../auto/index.ts';
import { writeFileAtomically } from '../model/index.ts';
import { frontierFigure } from '../report/index.ts';
import { readRunFile } from '../train/index.ts';
import { command } from './command.ts';
import { writeReport } from './deliver-choice.ts';
import { optional, text } from './option.ts';

export default command({
  name: 'report',
  description: 'Write the report of a finished auto run again, from the record in its folder.',
  example: 'models/fast --figure frontier.svg',
  operands: { name: 'dir', description: 'folder that auto wrote' },
  options: { figure: optional('also write the figure of the frontier, as SVG', text('FILE')) },
  unheeded: ['seed', 'device', 'threads', 'progress'],
  async run({ figure }, [folder]) {
    const record = autoRecordIn(await readRunFile(folder), join(folder, 'run.json'));
    if (figure !== undefined) await writeFileAtomically(figure, frontierFigure(record.exploration));
    return { path: await writeReport(folder, record) };
  },
  print: ({ path }) => `report      ${path}\n`,
});
