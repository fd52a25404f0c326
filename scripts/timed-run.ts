/** What scripts have in common that go on with a check from a seed for some minutes, and show now and then how far it is. */
import { parseArgs } from 'node:util';

export interface TimedRunOptions {
  readonly seed: number;
  readonly milliseconds: number;
  /** Called often: what it is told is shown now and then. */
  readonly progress: (done: unknown) => void;
}

const SHOW_EVERY_MS = 5000;

/**
 * Runs a check as `--seed` and `--minutes` of the command line say, and says `good` with its result. Ends the process with 2 when they are
 * wrong, with 1 when the check throws.
 */
export async function timedRun(good: string, check: (options: TimedRunOptions) => Promise<unknown>): Promise<void> {
  const { values } = parseArgs({
    options: {
      seed: { type: 'string', default: String(Date.now() & 0x7fff_ffff) },
      minutes: { type: 'string', default: '1' },
    },
  });
  const [seed, minutes] = [Number(values.seed), Number(values.minutes)];
  if (!Number.isInteger(seed) || seed < 0 || !(minutes > 0)) {
    console.error('--seed is a whole number, and --minutes one above 0.');
    process.exit(2);
  }
  console.log(`seed ${seed}`);
  let shownMs = performance.now();
  const progress = (done: unknown): void => {
    if (performance.now() - shownMs < SHOW_EVERY_MS) return;
    shownMs = performance.now();
    console.log(JSON.stringify(done));
  };
  try {
    const result = await check({ seed, milliseconds: minutes * 60_000, progress });
    console.log(`${good}: ${JSON.stringify(result)}`);
  } catch (error) {
    console.error(error);
    process.exit(1);
  }
}
