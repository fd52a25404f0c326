/**
 * Invocations of every kind, mixed by a seed: good ones, traps, nested calls, started trees, sleeps, deadlines, cancels,
 * replaced functions, and executors that lose their thread. Each is answered once, with a result or error that its kind can
 * have, and in the end nothing is left in the address space.
 */
import assert from 'node:assert/strict';
import { type ErrorCode, JordError } from '../src/errors.ts';
import { Cancellation } from '../src/server/types.ts';
import { assertQuiet } from './census.ts';
import { ECHO, ENDLESS, NAP, TRAP, words } from './guests.ts';
import { startObserved } from './observed-server.ts';
import { program, programModule, type Step } from './program.ts';

export interface SoakOptions {
  readonly invocations: number;
  readonly seed: number;
  /** An executor loses its thread once in so many invocations; 0: never. */
  readonly lossEvery: number;
  /** Told how far it is, now and then. */
  readonly progress?: (done: number) => void;
}

export interface SoakResult {
  readonly answers: number;
  /** How often each error came. */
  readonly errors: Readonly<Record<string, number>>;
  readonly replacements: number;
}

const NAMES = ['echo', 'trap', 'nap', 'endless', 'program'] as const;
const OUTSTANDING = 64;
const REPLACE_EVERY = 1000;
const PROGRESS_EVERY = 5000;
/** What may happen to anything. */
const ANYWHERE: readonly ErrorCode[] = ['EXECUTOR_LOST', 'DEADLINE_EXCEEDED'];

interface Kind {
  /** How many of a hundred. */
  readonly share: number;
  readonly name: string;
  readonly request: Uint8Array;
  readonly deadlineMs?: number;
  readonly cancels?: boolean;
  /** Bytes of a good response; undefined: there is none. */
  readonly bytes?: number;
  readonly errors: readonly ErrorCode[];
}

function steps(...list: readonly Step[]): { readonly request: Uint8Array; readonly bytes: number } {
  return { request: program(NAMES, list), bytes: list.length * 4 };
}

const TREE: readonly Step[] = [
  ['start', 'echo', 7],
  ['start', 'trap'],
  ['start', 'nap', 1],
  ['start', 'echo'],
  ['waitAny', 0, 4],
  ['wait', 1],
  ['cancel', 3],
  ['waitAll', 2, 1],
  ['wait', 2],
];
/** Ends with all that it has started outstanding. */
const ABANDON: readonly Step[] = [['start', 'nap', 50], ['start', 'endless'], ['start', 'echo', 1], ['trap']];

const KINDS: readonly Kind[] = [
  { share: 50, name: 'echo', request: words(1, 2, 3), bytes: 12, errors: [] },
  { share: 6, name: 'echo', request: new Uint8Array(70_000), bytes: 70_000, errors: [] },
  { share: 10, name: 'trap', request: words(0), errors: ['FUNCTION_FAULT'] },
  { share: 8, name: 'program', ...steps(['call', 'echo', 5], ['call', 'trap', 1]), errors: [] },
  { share: 8, name: 'program', ...steps(...TREE), errors: [] },
  { share: 5, name: 'program', request: program(NAMES, ABANDON), errors: ['FUNCTION_FAULT'] },
  { share: 6, name: 'nap', request: words(1), bytes: 4, errors: [] },
  { share: 3, name: 'nap', request: words(10_000), deadlineMs: 5, errors: [] },
  { share: 1, name: 'endless', request: words(0), deadlineMs: 3, errors: [] },
  { share: 2, name: 'nap', request: words(10_000), cancels: true, errors: ['INVOCATION_CANCELLED'] },
  { share: 1, name: 'endless', request: words(0), cancels: true, errors: ['INVOCATION_CANCELLED'] },
];
const TABLE: readonly Kind[] = KINDS.flatMap((kind) => Array.from({ length: kind.share }, () => kind));

/** xorshift32 (Marsaglia 2003). */
function generator(seed: number): (below: number) => number {
  let state = seed | 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

/** Throws an AssertionError for a wrong or missing answer, or for what is left in the end. */
export async function soak({ invocations, seed, lossEvery, progress = () => {} }: SoakOptions): Promise<SoakResult> {
  const observed = await startObserved({ executors: 2, queueDelayMs: 0, outstandingMax: 4 * OUTSTANDING });
  const { server } = observed;
  const modules = { echo: ECHO, trap: TRAP, nap: NAP, endless: ENDLESS, program: programModule(NAMES) };
  for (const [name, module] of Object.entries(modules)) {
    await server.deploy(name, module, { memoryLimitBytes: 65_536 });
  }
  const random = generator(seed);
  const errors: Record<string, number> = {};
  let [begun, answers] = [0, 0];
  const check = (kind: Kind, error: JordError | undefined, bytes: number | undefined): void => {
    answers++;
    if (error === undefined) {
      assert.equal(bytes, kind.bytes, `the response of ${kind.name}`);
      return;
    }
    assert.ok(error instanceof JordError, String(error));
    assert.ok([...kind.errors, ...ANYWHERE].includes(error.code), `${kind.name}: ${error.code}, ${error.message}`);
    errors[error.code] = (errors[error.code] ?? 0) + 1;
  };
  const one = (): Promise<void> => {
    const kind = TABLE[random(TABLE.length)] ?? assert.fail();
    const cancellation = kind.cancels === true ? new Cancellation() : undefined;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    let isAnswered = false;
    server.submit(kind.name, kind.request, { deadlineMs: kind.deadlineMs, cancellation }, (error, result) => {
      try {
        assert.ok(!isAnswered, 'an invocation is answered once');
        isAnswered = true;
        check(kind, error, result?.body.length);
        resolve();
      } catch (thrown) {
        reject(thrown);
      }
    });
    if (cancellation !== undefined) setTimeout(() => cancellation.cancel(), random(4));
    return promise;
  };
  const lane = async (): Promise<void> => {
    while (begun < invocations) {
      const number = ++begun;
      if (number % REPLACE_EVERY === 0) await server.deploy('echo', ECHO, { memoryLimitBytes: 65_536 });
      if (lossEvery > 0 && number % lossEvery === 0) void server.replaceExecutor(random(2));
      if (number % PROGRESS_EVERY === 0) progress(answers);
      await one();
    }
  };
  try {
    await Promise.all(Array.from({ length: OUTSTANDING }, lane));
    assert.equal(answers, invocations);
    await assertQuiet(observed);
    const { executors } = await server.stats();
    const replacements = executors.reduce((sum, executor) => sum + executor.replacements, 0);
    return { answers, errors, replacements };
  } finally {
    await server.stop();
  }
}
