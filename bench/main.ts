/** Runs one experiment by name: `npm run bench -- <name> [--json] [--quick] [--only <text>]`. */
import { type Experiment, runExperiment } from './harness/experiment.ts';

const EXPERIMENTS: Readonly<Record<string, () => Promise<{ readonly experiment: Experiment }>>> = {
  call: () => import('./call.ts'),
  guard: () => import('./guard.ts'),
  masks: () => import('./masks.ts'),
  deploy: () => import('./deploy.ts'),
  dispatch: () => import('./dispatch.ts'),
  http: () => import('./http.ts'),
  overload: () => import('./overload.ts'),
  kv: () => import('./kv.ts'),
  slo: () => import('./slo.ts'),
  breakdown: () => import('./breakdown.ts'),
  scaling: () => import('./scaling.ts'),
};

async function help(): Promise<string> {
  const lines = [
    'Usage: npm run bench -- <experiment> [--json] [--quick] [--only <text>]',
    '',
    'Measures one thing, and prints how and what came out: medians with their quartiles.',
    '',
    '  --json         also print one JSON object, as the last line',
    '  --quick        shorter and rougher',
    '  --only <text>  only the cases that have <text> in their names',
    '',
    'Experiments:',
  ];
  for (const load of Object.values(EXPERIMENTS)) {
    const { experiment } = await load();
    lines.push(`  ${experiment.name.padEnd(13)}  ${experiment.summary}`);
  }
  return [...lines, '', 'docs/benchmarks.md says more.'].join('\n');
}

/** Returns the exit code: 2 when the arguments are wrong, 1 when the experiment failed. */
async function main(argv: readonly string[]): Promise<number> {
  const [name, ...rest] = argv;
  if (argv.includes('--help') || argv.includes('-h')) {
    console.log(await help());
    return 0;
  }
  if (name === undefined) {
    console.error(await help());
    return 2;
  }
  const load = Object.hasOwn(EXPERIMENTS, name) ? EXPERIMENTS[name] : undefined;
  if (load === undefined) {
    console.error(`No experiment is called ${name}. There are: ${Object.keys(EXPERIMENTS).join(', ')}.`);
    return 2;
  }
  return await runExperiment((await load()).experiment, rest);
}

process.exitCode = await main(process.argv.slice(2));
