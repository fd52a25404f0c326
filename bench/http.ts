/**
 * How many requests a second a Jord server answers over HTTP with the smallest function, and how fast, beside the framework
 * of its gateway answering the same without a function.
 */
import { type Experiment, type ExperimentOptions, runExperiment } from './harness/experiment.ts';
import { CONNECTIONS_DEFAULT, HttpLoad, type HttpLoadResult } from './harness/http-load.ts';
import { buildRequest } from './harness/http-wire.ts';
import { type Result, resultOf } from './harness/report.ts';
import { HOST, type ServerProcess, startServer } from './harness/server-process.ts';
import { pairwiseRatios, summarize } from './harness/statistics.ts';

interface Effort {
  /** Of each of the two servers. */
  readonly warmUpMs: number;
  readonly runMs: number;
  readonly pairs: number;
}

const EFFORT: Effort = { warmUpMs: 3000, runMs: 1500, pairs: 14 };
const QUICK_EFFORT: Effort = { warmUpMs: 1000, runMs: 600, pairs: 6 };

const PATH = '/fn/hello';
const BODY = Buffer.from('world');
const CONTENT_TYPE = 'text/plain';

const HELLO = 'hello';
const BARE = 'bare';
type Subject = typeof HELLO | typeof BARE;

const RATIO = 'hello/vs-bare';
const METRICS = ['throughput', 'p50', 'p99'] as const;
const NAMES = [...[HELLO, BARE].flatMap((subject) => METRICS.map((metric) => `${subject}/${metric}`)), RATIO];

interface Answer {
  readonly contentType: string;
  readonly body: string;
}

async function answerOf({ port }: ServerProcess): Promise<Answer> {
  const response = await fetch(`http://${HOST}:${port}${PATH}`, {
    method: 'POST',
    headers: { 'content-type': CONTENT_TYPE },
    body: BODY,
  });
  const body = await response.text();
  if (response.status !== 200) throw new Error(`${PATH} answers with status ${response.status}: ${body}`);
  return { contentType: response.headers.get('content-type') ?? '', body };
}

/** `bare` answers with the same content type and as many bytes. Both must be stopped. */
async function startBare(hello: ServerProcess): Promise<{ readonly bare: ServerProcess; readonly bodyBytes: number }> {
  const answer = await answerOf(hello);
  const bodyBytes = Buffer.byteLength(answer.body);
  const bare = await startServer('bare-server.ts', [PATH, answer.contentType, String(bodyBytes)]);
  return { bare, bodyBytes };
}

function loadOn({ port }: ServerProcess, bodyBytes: number): HttpLoad {
  const request = buildRequest(PATH, `${HOST}:${port}`, CONTENT_TYPE, BODY);
  return new HttpLoad({ host: HOST, port, request }, { bodyBytes });
}

/** The runs of both, in pairs. */
async function measure(
  loads: Readonly<Record<Subject, HttpLoad>>,
  effort: Effort,
  progress: (text: string) => void,
): Promise<Record<Subject, readonly HttpLoadResult[]>> {
  progress('warming up');
  for (const load of [loads.hello, loads.bare]) await load.run(effort.warmUpMs);
  const results: Record<Subject, HttpLoadResult[]> = { hello: [], bare: [] };
  for (let pair = 0; pair < effort.pairs; pair++) {
    if (pair % 4 === 0) progress(`pair ${pair + 1} of ${effort.pairs}`);
    const order: readonly Subject[] = pair % 2 === 0 ? [HELLO, BARE] : [BARE, HELLO];
    for (const subject of order) results[subject].push(await loads[subject].run(effort.runMs));
  }
  return results;
}

const throughputs = (runs: readonly HttpLoadResult[]): number[] => runs.map((run) => run.requestsPerSecond);

function rowsOf(subject: Subject, runs: readonly HttpLoadResult[]): Result[] {
  const percentile = (percent: number): number[] => runs.map(({ latency }) => latency.percentileUs(percent));
  const generatorCores = summarize(runs.map(({ cpuShare }) => cpuShare)).median;
  return [
    resultOf(`${subject}/throughput`, 'requests/s', throughputs(runs), { generatorCores }),
    resultOf(`${subject}/p50`, 'µs', percentile(50)),
    resultOf(`${subject}/p99`, 'µs', percentile(99)),
  ];
}

async function run({ quick, only, progress }: ExperimentOptions): Promise<readonly Result[]> {
  if (!NAMES.some((name) => name.includes(only))) return [];
  progress('starting the servers');
  const hello = await startServer('jord-server.ts', [HELLO]);
  try {
    const { bare, bodyBytes } = await startBare(hello);
    try {
      const loads = { hello: loadOn(hello, bodyBytes), bare: loadOn(bare, bodyBytes) };
      const runs = await measure(loads, quick ? QUICK_EFFORT : EFFORT, progress);
      for (const load of [loads.hello, loads.bare]) load.close();
      const ratios = pairwiseRatios(throughputs(runs.hello), throughputs(runs.bare));
      const results = [...rowsOf(HELLO, runs.hello), ...rowsOf(BARE, runs.bare), resultOf(RATIO, 'ratio', ratios)];
      return results.filter(({ name }) => name.includes(only));
    } finally {
      await bare.stop();
    }
  } finally {
    await hello.stop();
  }
}

export const experiment: Experiment = {
  name: 'http',
  summary: 'requests per second and latency over HTTP, beside the same framework without a function',
  method: [
    `hello: POST ${PATH} on a Jord server with the functions of the demo. bare: fastify alone, which takes the body as a`,
    'buffer, as the gateway does, and replies with a buffer of the same length and content type.',
    `A closed loop: ${CONNECTIONS_DEFAULT} keep-alive connections, one request under way on each, no pipelining. So latencies are those of a`,
    'server under full load, and grow with the number of connections.',
    'Each server is a process of its own, on the loopback interface; the load generator is a third, and shares the cores',
    'with the server that it loads. generatorCores: what it uses of a core; near 1, it is what is measured.',
    `Runs of ${EFFORT.runMs} ms (--quick: ${QUICK_EFFORT.runMs}), ${EFFORT.pairs} of each (--quick: ${QUICK_EFFORT.pairs}), hello bare bare hello …; percentiles are taken in each run,`,
    'and vs-bare, the ratio of the throughputs, in each pair.',
  ],
  run,
};

if (import.meta.main) process.exitCode = await runExperiment(experiment, process.argv.slice(2));
