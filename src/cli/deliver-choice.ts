/** The end of `prumux auto`: the chosen model goes into the output folder, with the record of the run and its report. */
import { join } from 'node:path';
import { type AutoRecord, type Exploration, type FinalFigures, usualMargin } from '../auto/index.ts';
import { writeFileAtomically, writeModelFolder } from '../model/index.ts';
import { reportPage } from '../report/index.ts';
import { contentOf, machineOf, quantizeClassifier, withoutPruning } from '../train/index.ts';
import { detailsOf, type Laboratory } from './trials.ts';

/** What `auto` found, and what it knows of the choice. */
export interface Finding {
  readonly exploration: Exploration;
  readonly final: FinalFigures | undefined;
  readonly commandLine: string;
}

/** What a comparison of models should tell, in points. */
const HALF_A_POINT = 0.5;

/** Which rows chose, in words; where they are few and could be more, what to do about it. */
function describeRows({ rows, setAside }: Laboratory, confidence: number): string {
  const chose = `${rows.choosing.length - setAside} of the evaluation rows`;
  const kept = `${rows.final.length} were kept for the final figures`;
  if (setAside > 0) return `${chose} chose, and ${setAside} of the training file that nothing was trained on; ${kept}`;
  const margin = usualMargin(rows.choosing.length, confidence);
  const few = `so few usually tell a drop to ${margin.toFixed(1)} points only: train the dense model with --set-aside for more`;
  return `${chose} chose; ${kept}${margin > HALF_A_POINT ? `; ${few}` : ''}`;
}

async function recordOf({ exploration, final, commandLine }: Finding, laboratory: Laboratory): Promise<AutoRecord> {
  const { options, data, rows, notes } = laboratory;
  const models: AutoRecord['models'] = {};
  for (const trial of [exploration.dense, ...exploration.trials]) {
    if (trial.precision === 'fp32') models[trial.name] = await detailsOf(trial);
  }
  return {
    ...{ exploration, models, data },
    examples: rows.choosing.length,
    rows: describeRows(laboratory, exploration.confidence),
    ...(final && { final }),
    seconds: notes.seconds(),
    seed: options.seed,
    machine: machineOf(options.placement),
    commands: [commandLine],
  };
}

/** The folder holds the fp32 model in any case; where int8 was chosen, that one as well, measured on all evaluation rows, and the folder is meant to run it. */
export async function deliverChoice(output: string, finding: Finding, laboratory: Laboratory): Promise<AutoRecord> {
  const { chosen } = finding.exploration;
  const auto = await recordOf(finding, laboratory);
  if (chosen.precision === 'int8') {
    await quantizeClassifier(chosen.folder, { ...laboratory.options, output, evidence: { auto } });
  } else {
    const content = withoutPruning(await contentOf(chosen.folder));
    await writeModelFolder(output, { ...content, precision: 'fp32', evidence: { ...content.evidence, auto } });
  }
  await writeReport(output, auto);
  return auto;
}

/** Writes the page into a folder; gives its path. */
export async function writeReport(folder: string, record: AutoRecord): Promise<string> {
  const path = join(folder, 'report.html');
  await writeFileAtomically(path, reportPage(record));
  return path;
}
