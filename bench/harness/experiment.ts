/** What an experiment is, and how one is run from the command line. */
import { parseArgs } from 'node:util';
import { environment } from './environment.ts';
import { type Result, resultsJson, resultsTable } from './report.ts';

export interface ExperimentOptions {
  /** Fewer and shorter measurements: for seeing that it works, not for numbers to quote. */
  readonly quick: boolean;
  /** Only cases whose name contains this; '' is all. */
  readonly only: string;
  /** Tells people how far it is. */
  readonly progress: (text: string) => void;
}

export interface Experiment {
  readonly name: string;
  /** One line for the list. */
  readonly summary: string;
  /** What is measured and how, line by line; printed before the results. */
  readonly method: readonly string[];
  /** Throws an Error when something could not be measured or computed a wrong result. */
  readonly run: (options: ExperimentOptions) => Promise<readonly Result[]>;
}

interface Arguments {
  readonly json: boolean;
  readonly quick: boolean;
  readonly only: string;
}

function parseArguments(argv: readonly string[]): Arguments | undefined {
  try {
    return parseArgs({
      args: [...argv],
      options: {
        json: { type: 'boolean', default: false },
        quick: { type: 'boolean', default: false },
        only: { type: 'string', default: '' },
      },
    }).values;
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    return undefined;
  }
}

/**
 * Runs an experiment with the arguments behind its name: results on stdout, progress and errors on stderr. Returns the
 * exit code: 2 when the arguments are wrong, 1 when the experiment failed.
 */
export async function runExperiment(experiment: Experiment, argv: readonly string[]): Promise<number> {
  const parsed = parseArguments(argv);
  if (parsed === undefined) return 2;
  const startMs = performance.now();
  const progress = (text: string): void => {
    process.stderr.write(`[${((performance.now() - startMs) / 1000).toFixed(1).padStart(6)} s] ${text}\n`);
  };
  console.log(`${experiment.name}: ${experiment.summary}`);
  for (const line of experiment.method) console.log(`  ${line}`);
  if (parsed.quick) console.log('  --quick: short runs; the numbers are rough.');
  console.log();
  try {
    const results = await experiment.run({ quick: parsed.quick, only: parsed.only, progress });
    const where = environment();
    if (results.length === 0) {
      console.error(`No case of ${experiment.name} has "${parsed.only}" in its name.`);
      return 2;
    }
    console.log(resultsTable(results));
    console.log(`\nNode ${where.node}, V8 ${where.v8}, ${where.cores} × ${where.cpu}, ${where.date}`);
    if (parsed.json) console.log(resultsJson(experiment.name, results, where));
    return 0;
  } catch (error) {
    console.error(`${experiment.name} failed: ${error instanceof Error ? error.stack : error}`);
    return 1;
  }
}
