/** Counters of executor threads: latencies and faults of each function, and their sum over threads. */
import { FUNCTIONS_MAX } from '../../core/layout.ts';
import { BUCKET_WORDS, HEAD_WORDS, MergedHistogram, recordLatency } from './latency-histogram.ts';
import type { FaultDetails, FunctionStats } from './types.ts';

export type FaultKind = FaultDetails['fault'] | 'cancelled' | 'executor-lost' | 'response-too-large';

const KINDS = [
  'memory-access',
  'trap',
  'stack-exhausted',
  'exception',
  'bad-response',
  'atomic-wait',
  'deadline',
  'cancelled',
  'executor-lost',
  'response-too-large',
] as const satisfies readonly FaultKind[];

/** All kinds of faults: the type is `never`, and this does not compile, when one is missing above. */
export const FAULT_KINDS: FaultKind extends (typeof KINDS)[number] ? readonly FaultKind[] : never = KINDS;

// All words are f64; see latency-histogram.ts. First what is small, of all functions:
const QUEUEING = 0;
const SERVICE = QUEUEING + HEAD_WORDS;
const FAULTS = SERVICE + HEAD_WORDS;
const SMALL_WORDS = FAULTS + KINDS.length;
// Then the buckets of all functions:
const BUCKETS = FUNCTIONS_MAX * SMALL_WORDS;
const QUEUEING_BUCKETS = BUCKETS;
const SERVICE_BUCKETS = BUCKETS + BUCKET_WORDS;
const LARGE_WORDS = 2 * BUCKET_WORDS;
const BUFFER_WORDS = BUCKETS + FUNCTIONS_MAX * LARGE_WORDS;
const BUFFER_BYTES = BUFFER_WORDS * Float64Array.BYTES_PER_ELEMENT;

/**
 * Counters of one executor thread, by the index of the function. The buffer is 19 MB of addresses; memory is taken by the
 * page, when a function is first recorded there.
 *
 * Only that thread writes, so plain loads and stores lose nothing, and a successor of the thread can go on with the same
 * buffer once the thread has ended. Others may read at any time without waiting. What they read may be a moment old, and the
 * words of a histogram need not be of one moment: a count may already have a time whose bucket, sum or max is still to come,
 * or the other way round, so a mean or percentile read meanwhile can be off. But no word is ever half written (on 64-bit
 * machines) and none ever goes down.
 */
export class ThreadStats {
  readonly #words: Float64Array;

  /** Memory for the counters of one thread, all zero. To be handed to that thread and to all that read. */
  static allocate(): SharedArrayBuffer {
    return new SharedArrayBuffer(BUFFER_BYTES);
  }

  /** Counters in a buffer that `allocate` made. Throws a RangeError for any other. */
  constructor(buffer: SharedArrayBuffer) {
    if (buffer.byteLength !== BUFFER_BYTES) {
      throw new RangeError(`a buffer of ${buffer.byteLength} bytes: use one that ThreadStats.allocate() made`);
    }
    this.#words = new Float64Array(buffer);
  }

  /**
   * One invocation has ended. NaN or a negative number for a time that was not measured, which is not recorded. Does not
   * allocate. Does nothing for an index that no function can have.
   */
  record(functionIndex: number, queueingUs: number, serviceUs: number): void {
    if (!isRecorded(functionIndex)) return;
    const small = functionIndex * SMALL_WORDS;
    const large = functionIndex * LARGE_WORDS;
    recordLatency(this.#words, small + QUEUEING, large + QUEUEING_BUCKETS, queueingUs);
    recordLatency(this.#words, small + SERVICE, large + SERVICE_BUCKETS, serviceUs);
  }

  /** One invocation has ended with this fault. Does nothing for an index that no function can have. */
  fault(functionIndex: number, kind: FaultKind): void {
    if (!isRecorded(functionIndex)) return;
    const at = functionIndex * SMALL_WORDS + FAULTS + KINDS.indexOf(kind);
    this.#words[at] = (this.#words[at] ?? 0) + 1;
  }

  /** For `summarize`: adds the latencies of this thread to those of others. */
  addLatencies(functionIndex: number, queueing: MergedHistogram, service: MergedHistogram): void {
    if (!isRecorded(functionIndex)) return;
    const small = functionIndex * SMALL_WORDS;
    const large = functionIndex * LARGE_WORDS;
    queueing.add(this.#words, small + QUEUEING, large + QUEUEING_BUCKETS);
    service.add(this.#words, small + SERVICE, large + SERVICE_BUCKETS);
  }

  /** How many faults of this kind there were. */
  faultCount(functionIndex: number, kind: FaultKind): number {
    if (!isRecorded(functionIndex)) return 0;
    return this.#words[functionIndex * SMALL_WORDS + FAULTS + KINDS.indexOf(kind)] ?? 0;
  }
}

function isRecorded(functionIndex: number): boolean {
  return functionIndex >= 0 && functionIndex < FUNCTIONS_MAX;
}

/** What all threads together have recorded for a function: only kinds of faults that occurred, zeros for latencies that did not. */
export function summarize(
  threads: readonly ThreadStats[],
  functionIndex: number,
): Pick<FunctionStats, 'queueingUs' | 'serviceUs' | 'faults'> {
  const queueing = new MergedHistogram();
  const service = new MergedHistogram();
  const faults: Record<string, number> = {};
  for (const thread of threads) thread.addLatencies(functionIndex, queueing, service);
  for (const kind of FAULT_KINDS) {
    const count = threads.reduce((sum, thread) => sum + thread.faultCount(functionIndex, kind), 0);
    if (count > 0) faults[kind] = count;
  }
  return { queueingUs: queueing.summary(), serviceUs: service.summary(), faults };
}
