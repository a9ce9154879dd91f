/** What `telemetry.test.ts` starts: opens a model in threads, and says whether that was with the runtime's telemetry switched off. */
import { exportClassifier, openStreams } from '../src/infer/index.ts';
import { cpu } from '../src/runtime/index.ts';
import { loudParameters, tinyConfig } from './tiny-bert.kit.ts';

const streams = await openStreams(
  exportClassifier(tinyConfig, loudParameters(tinyConfig, 1)).bytes,
  tinyConfig,
  cpu(2),
  2,
);
await streams.close();
process.stdout.write(String(process.env.ORT_DISABLE_TELEMETRY));
