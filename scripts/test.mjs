/** `npm test`: installs what is missing, then lint, types, build, tests. */
import { build, install, step } from './setup.mjs';

install();
step('lint', 'biome', ['check']);
step('types', 'tsc', ['--noEmit']);
build();
step('tests', 'vitest', ['run', '--reporter=default']);
