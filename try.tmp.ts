import { writeFile } from 'node:fs/promises';
import { reportPage } from './src/report/index.ts';
import { sampleRecord } from './test/auto-record.kit.ts';
await writeFile('/tmp/w/scratch-trialqueue/report.html', reportPage(sampleRecord));
