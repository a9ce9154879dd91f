/** `prumux predict`: labels for texts, or the entities in them, as JSON lines in the order of the texts. */
import { DataError, type DataPlace } from '../base/index.ts';
import { type Answer, answerTexts, openTextClassifier, type TextInput } from '../infer/index.ts';
import { command } from './command.ts';
import { ENSEMBLE, remarkOnEnsemble } from './ensemble-option.ts';
import { option, optional, toggle, whole } from './option.ts';
import { onlyModel, PRECISION } from './precision-option.ts';

/** Texts that are classified together; a stream of lines is answered after so many. */
const BATCH = 256;

export default command({
  name: 'predict',
  description: 'Classify texts, or the lines of standard input, or find the entities in them; one JSON line per text.',
  example: 'models/fast "please cancel my order"',
  operands: {
    name: 'model',
    description: 'model folder or Hub id, as DIR or, of a precision, DIR:int8',
    rest: { name: 'text', description: 'texts [the lines of standard input]' },
  },
  options: {
    pairs: option('every text is a pair, with a tab between the two', toggle, false),
    ensemble: ENSEMBLE,
    precision: PRECISION,
    maxTokens: optional('longest text, in tokens; longer ones are cut [as the model was trained]', whole(3)),
  },
  unheeded: ['seed', 'progress'],
  async run({ pairs, ensemble, maxTokens, precision: usual }, [operand, ...texts], { placement, terminal, isJson }) {
    const { model, precision } = onlyModel(operand, usual);
    const classifier = await openTextClassifier(model, placement, maxTokens, precision);
    remarkOnEnsemble(ensemble, classifier.predictor.config, terminal);
    const predictions: Answer[] = [];
    const [file, source] = texts.length > 0 ? ['TEXT', texts] : ['standard input', linesOf(terminal.stdin)];
    let line = 0;
    for await (const batch of batchesOf(source)) {
      const inputs = batch.map((text) => (pairs ? pairOf(text, { file, line: ++line }) : { text }));
      const answers = await answerTexts(classifier, inputs, { ensemble });
      const results = answers.map((answer, at) => ({ ...(inputs[at] as TextInput), ...answer }));
      if (isJson) predictions.push(...results);
      else terminal.stdout.write(results.map((result) => `${JSON.stringify(result)}\n`).join(''));
    }
    await classifier.close();
    return { predictions };
  },
  print: () => '',
});

function pairOf(texts: string, place: DataPlace): TextInput {
  const tab = texts.indexOf('\t');
  if (tab < 0) throw new DataError(place, { expected: 'a tab between the texts of a pair', got: 'none' });
  return { text: texts.slice(0, tab), pair: texts.slice(tab + 1) };
}

/**
 * Lines of UTF-8, which end with a line feed or with a carriage return before it: a carriage return alone is white space of a text. Other bytes are an
 * error, as they are in a data file: a text that was repaired would get an answer that nobody asked for.
 */
async function* linesOf(stdin: NodeJS.ReadableStream): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let line = 0;
  const textOf = (bytes: string): string => {
    line++;
    try {
      return decoder.decode(Buffer.from(bytes.replace(/\r$/, ''), 'latin1'));
    } catch (cause) {
      throw new DataError({ file: 'standard input', line }, { expected: 'UTF-8', got: 'other bytes', cause });
    }
  };
  let rest: string[] = []; // joined when its line ends: a line may be long
  for await (const chunk of stdin.setEncoding('latin1')) {
    const [first = '', ...others] = `${chunk}`.split('\n');
    rest.push(first);
    for (const next of others) {
      yield textOf(rest.join(''));
      rest = [next];
    }
  }
  const last = rest.join('');
  if (last !== '') yield textOf(last);
}

async function* batchesOf(texts: Iterable<string> | AsyncIterable<string>): AsyncGenerator<string[]> {
  let batch: string[] = [];
  for await (const text of texts) {
    batch.push(text);
    if (batch.length < BATCH) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}
