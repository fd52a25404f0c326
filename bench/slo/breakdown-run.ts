/**
 * Where the time of a request goes that is alone in a system. Each share is measured by itself, and dispatch is what is left:
 *
 *     work        how long an executor of `unsafe` is at a request: the functions, their ArgBufs and look-ups, nothing else.
 *                 The functions are the same in all systems, so it is the work in all
 *     isolation   how much longer an executor of `jord` is at the same requests: guard, protection domains, permissions
 *     copying     payloads from one memory to another: how many and how large they are is counted, and what as many
 *                 copies of that size take is measured
 *     dispatch    the rest of the latency: queues, threads that wake each other, what waits and goes on, HTTP, the kernel
 */
import { undisturbed } from '../harness/machine-load.ts';
import { summarize } from '../harness/statistics.ts';
import type { SystemName } from '../systems/system.ts';
import { SystemProcess } from '../systems/system-process.ts';
import type { RunOptions } from './application-run.ts';

export interface BreakdownEffort {
  readonly rounds: number;
  readonly checks: number;
  readonly requests: number;
  readonly warmUpRequests: number;
  /** A sample is taken again, so many times at most, when others kept the machine busy. */
  readonly retakes: number;
}

export const FULL_BREAKDOWN: BreakdownEffort = {
  rounds: 9,
  checks: 100,
  requests: 2000,
  warmUpRequests: 4000,
  retakes: 4,
};
export const QUICK_BREAKDOWN: BreakdownEffort = {
  rounds: 3,
  checks: 20,
  requests: 300,
  warmUpRequests: 600,
  retakes: 0,
};

export const SHARES = ['work', 'isolation', 'copying', 'dispatch'] as const;
export type Share = (typeof SHARES)[number];

export interface SystemBreakdown {
  readonly system: SystemName;
  readonly latencyUs: number;
  /** µs of a request; they add up to the latency. */
  readonly us: Readonly<Record<Share, number>>;
}

export interface ApplicationBreakdown {
  readonly application: string;
  readonly systems: readonly SystemBreakdown[];
}

/** A root request of Jord is copied into its ArgBuf, its response out. */
const ROOT_COPIES = 2;
/** A payload that goes through a connection: into a buffer, into the kernel, out of it, into the memory of the service. */
const COPIES_BY_HTTP = 4;
const COPIES_BY_RING = 2;

interface Sample {
  readonly latencyUs: number;
  /** NaN where the system has no executors. */
  readonly serviceUs: number;
  readonly copies: number;
  readonly copiedBytes: number;
  /** Of request and response. */
  readonly payloadBytes: number;
}

/** How long a copy of so many bytes takes from one memory to another, in µs. */
export function copyUs(bytes: number): number {
  const size = Math.max(1, Math.round(bytes));
  const from = new Uint8Array(new SharedArrayBuffer(2 ** 22 + size));
  const to = new Uint8Array(2 ** 22 + size);
  const count = 2000;
  const samples = Array.from({ length: 15 }, () => {
    const start = performance.now();
    for (let i = 0; i < count; i++) {
      const at = (i * 8192) % 2 ** 22;
      to.set(from.subarray(at, at + size), at);
    }
    return ((performance.now() - start) * 1000) / count;
  });
  return summarize(samples).median;
}

async function sample(process: SystemProcess, first: number, requests: number): Promise<Sample> {
  const before = await process.profile();
  const { meanUs, payloadBytes } = await process.unloaded(first, requests);
  const after = await process.profile();
  const invocations = (after?.invocations ?? 0) - (before?.invocations ?? 0);
  return {
    latencyUs: meanUs,
    serviceUs: invocations === 0 ? Number.NaN : ((after?.serviceUs ?? 0) - (before?.serviceUs ?? 0)) / invocations,
    copies: ((after?.copies ?? 0) - (before?.copies ?? 0)) / requests,
    copiedBytes: ((after?.copiedBytes ?? 0) - (before?.copiedBytes ?? 0)) / requests,
    payloadBytes: payloadBytes / requests,
  };
}

type Options = Omit<RunOptions, 'effort'> & { readonly effort: BreakdownEffort };

/** All four systems are needed: what one has not, another tells. */
export async function runBreakdown({
  application,
  applicationUrl,
  systems,
  effort,
  progress,
}: Options): Promise<ApplicationBreakdown> {
  const processes: SystemProcess[] = [];
  try {
    for (const system of systems) {
      const process = await SystemProcess.start({ system, applicationUrl, options: {}, checks: effort.checks });
      processes.push(process);
      await process.unloaded(0, effort.warmUpRequests);
    }
    const samples = new Map(systems.map((system) => [system, [] as Sample[]]));
    for (let round = 0; round < effort.rounds; round++) {
      for (const process of round % 2 === 0 ? processes : processes.toReversed()) {
        const { result } = await undisturbed(
          () => sample(process, round * effort.requests, effort.requests),
          effort.retakes,
        );
        samples.get(process.system)?.push(result);
      }
      progress(`${application}: round ${round + 1} of ${effort.rounds}`);
    }
    return { application, systems: breakDown(samples) };
  } finally {
    await Promise.all(processes.map((process) => process.stop()));
  }
}

/** From samples to shares, by their medians. */
function breakDown(samples: ReadonlyMap<SystemName, readonly Sample[]>): SystemBreakdown[] {
  const median = (system: SystemName, of: (sample: Sample) => number): number =>
    summarize((samples.get(system) ?? []).map(of)).median;
  const workUs = median('unsafe', ({ serviceUs }) => serviceUs);
  const copies = median('messages', (one) => one.copies);
  const copiedBytes = median('messages', (one) => one.copiedBytes);
  return [...samples.keys()].map((system) => {
    const latencyUs = median(system, (one) => one.latencyUs);
    const isolation = system === 'jord' ? Math.max(0, median('jord', ({ serviceUs }) => serviceUs) - workUs) : 0;
    const rootBytes = median(system, (one) => one.payloadBytes);
    const byMessages = copies * copyUs(copiedBytes / copies);
    const byRoot = ROOT_COPIES * copyUs(rootBytes / ROOT_COPIES);
    const copying =
      system === 'messages'
        ? byMessages
        : system === 'processes'
          ? (byMessages * COPIES_BY_HTTP) / COPIES_BY_RING
          : byRoot;
    // What an executor is at includes no copy of the root's payloads.
    const work = Math.min(workUs, latencyUs);
    const dispatch = Math.max(0, latencyUs - work - isolation - copying);
    return { system, latencyUs, us: { work, isolation, copying, dispatch } };
  });
}
