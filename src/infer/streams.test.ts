/** Streams against one session in this thread: the same logits for every batch, whichever stream it goes to and however many are in flight. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { globalFeeds, loudParameters, tinyConfig, tinySet } from '../../test/tiny-bert.kit.ts';
import { cpu, openSession } from '../runtime/index.ts';
import { exportClassifier } from './export.ts';
import { type Predictor, predictorOf } from './predictor.ts';
import { openStreams, streamChoices } from './streams.ts';

const { bytes } = exportClassifier(tinyConfig, loudParameters(tinyConfig, 1));

describe('streams', () => {
  let single: Predictor;
  let streams: Predictor;
  beforeAll(async () => {
    single = predictorOf(await openSession(bytes, cpu(1)), tinyConfig);
    streams = await openStreams(bytes, tinyConfig, cpu(2), 2);
  });
  afterAll(() => Promise.all([single.close(), streams.close()]));

  it('answer every run with its own logits', async () => {
    const batches = Array.from({ length: 12 }, (_, seed) => globalFeeds(tinySet(5, seed)));
    const expected = [];
    for (const feeds of batches) expected.push((await single.run(feeds)).data);
    const answers = await Promise.all(batches.map((feeds) => streams.run(feeds)));
    expect(answers.map(({ data }) => data)).toEqual(expected);
  });

  it('fail a run that cannot be, and go on', async () => {
    const { input_ids, ...rest } = globalFeeds(tinySet());
    await expect(streams.run(rest)).rejects.toThrow('input_ids');
    expect((await streams.run({ ...rest, ...(input_ids && { input_ids }) })).shape).toEqual([5, 3]);
  });

  it('say so where a model does not open', async () => {
    await expect(openStreams(new Uint8Array([1, 2, 3]), tinyConfig, cpu(2), 2)).rejects.toThrow('stream');
  });

  it('end what is under way before they close, and their threads serve the next model', async () => {
    const first = await openStreams(bytes, tinyConfig, cpu(2), 2);
    const answer = first.run(globalFeeds(tinySet()));
    await first.close();
    const expected = (await answer).data;
    const second = await openStreams(bytes, tinyConfig, cpu(2), 2);
    expect((await second.run(globalFeeds(tinySet()))).data).toEqual(expected);
    await second.close();
  });
});

it('there are as many choices as make sense', () => {
  expect(streamChoices(cpu(1))).toEqual([1]);
  expect(streamChoices(cpu(2))).toEqual([1, 2]);
  expect(streamChoices(cpu(16))).toEqual([1, 4, 16]);
  expect(streamChoices({ device: 'webgpu', threads: 16 })).toEqual([1]);
});
