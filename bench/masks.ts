/**
 * What masked addresses cost (`jord serve --mask-addresses`, see SECURITY.md): guarded modules with masks, as a ratio to guarded
 * modules without. Cases and method are those of guard.ts.
 */
import { compare } from './guard.ts';
import { type Experiment, runExperiment } from './harness/experiment.ts';
import { guardedGuest } from './harness/home.ts';

export const experiment: Experiment = {
  name: 'masks',
  summary: 'the time of guarded modules with masked addresses, as a ratio to guarded ones without',
  method: [
    'As bench -- guard, but both are guarded, in homes of one 4 GiB shared memory: plainUs is without masks, guardedUs with.',
    'sizeFactor: bytes of Wasm with masks by without.',
  ],
  run: (options) => {
    const guarded: typeof guardedGuest = (bytes, imports, space) =>
      guardedGuest(bytes, imports, space, { maskAddresses: true });
    return compare({ name: 'masks', plain: guardedGuest, guarded }, options);
  },
};

if (import.meta.main) process.exitCode = await runExperiment(experiment, process.argv.slice(2));
