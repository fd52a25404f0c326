/**
 * The experiment for one application: its systems side by side, each in a process of its own, measured in turn, so that a
 * machine that drifts cannot decide what comes out.
 */
import { undisturbed } from '../harness/machine-load.ts';
import type { Latencies, Load } from '../systems/load/generator.ts';
import type { SystemName } from '../systems/system.ts';
import { type Measurement, SystemProcess } from '../systems/system-process.ts';
import { LoadSearch } from './load-search.ts';

export type SloPercentile = 90 | 99;

export interface SloEffort {
  readonly rounds: number;
  /**
   * The percentile that must be within the SLO. 99 is what the field takes; where the machine itself stalls its threads for more than
   * a hundredth of the time, only a lower one says something of the systems.
   */
  readonly percentile: SloPercentile;
  /** Requests that are compared with the model first. */
  readonly checks: number;
  /** Of one probe or point of a curve. */
  readonly durationMs: number;
  /** Where the load is low, it takes longer to get so many requests, up to three times. */
  readonly arrivalsMin: number;
  readonly unloadedRequests: number;
  /** Of the search: highest load that was borne and lowest that was too much. */
  readonly precision: number;
  /** A probe is repeated until so many results agree. */
  readonly agreeing: number;
  /** Of a curve: loads by the throughput within the SLO. */
  readonly loads: readonly number[];
  /** A measurement is taken again, so many times at most, when others kept the machine busy. */
  readonly retakes: number;
}

export const FULL_EFFORT: SloEffort = {
  rounds: 5,
  percentile: 99,
  checks: 1000,
  durationMs: 1000,
  arrivalsMin: 2000,
  unloadedRequests: 2000,
  precision: 1.03,
  agreeing: 2,
  loads: [0.1, 0.25, 0.5, 0.7, 0.8, 0.9, 1, 1.1, 1.25],
  retakes: 4,
};

export const QUICK_EFFORT: SloEffort = {
  rounds: 1,
  percentile: 99,
  checks: 100,
  durationMs: 250,
  arrivalsMin: 300,
  unloadedRequests: 300,
  precision: 1.25,
  agreeing: 1,
  loads: [0.25, 0.5, 0.9, 1.1],
  retakes: 0,
};

/** The SLO is this many times the unloaded latency. */
export const SLO_FACTOR = 10;
/** Of requests, so many may be lost where a load is borne. */
const LOST_SHARE_MAX = 0.001;
const WARM_UP_MS = 150;
/** While it is not known yet what a system can do. */
const FIRST_PER_SECOND = 250;
const MOST_PER_SECOND = 1_000_000;
/** A system whose percentile is longer than this is saturated. */
const SATURATED_US = 20_000;
const RAMPS = 2;

export interface CurvePoint {
  /** By the throughput within the SLO that the first round found. */
  readonly load: number;
  readonly measurements: readonly Measurement[];
}

export interface SystemResult {
  readonly system: SystemName;
  /** One sample a round, all of them. */
  readonly unloadedUs: readonly number[];
  readonly sloUs: readonly number[];
  readonly throughput: readonly number[];
  readonly curve: readonly CurvePoint[];
}

export interface ApplicationRun {
  readonly application: string;
  readonly systems: readonly SystemResult[];
  /** Most cores that others kept busy during a measurement that counts. */
  readonly othersCoresMax: number;
}

interface Subject {
  readonly process: SystemProcess;
  readonly unloadedUs: number[];
  readonly sloUs: number[];
  readonly throughput: number[];
  readonly points: Map<number, Measurement[]>;
  /** Where it was saturated when it was warmed up. */
  capacity: number;
}

type Progress = (text: string) => void;

export interface RunOptions {
  readonly application: string;
  readonly applicationUrl: string;
  readonly systems: readonly SystemName[];
  readonly effort: SloEffort;
  readonly progress: Progress;
}

/** Throws an Error when a system does not start, or answers otherwise than the model of the application. */
export async function runApplication(options: RunOptions): Promise<ApplicationRun> {
  const run = new Run(options);
  try {
    return await run.run();
  } finally {
    await run.stop();
  }
}

class Run {
  readonly #options: RunOptions;
  readonly #effort: SloEffort;
  readonly #subjects: Subject[] = [];
  #seed = 1;
  #othersCoresMax = 0;

  constructor(options: RunOptions) {
    this.#options = options;
    this.#effort = options.effort;
  }

  async run(): Promise<ApplicationRun> {
    const { application, systems, progress } = this.#options;
    for (const system of systems) await this.#start(system);
    for (let ramp = 0; ramp < RAMPS; ramp++) for (const subject of this.#subjects) await this.#ramp(subject);
    for (let round = 0; round < this.#effort.rounds; round++) {
      const order = round % 2 === 0 ? this.#subjects : this.#subjects.toReversed();
      await this.#unloaded(order, round);
      await this.#search(order);
      await this.#curves(order, round);
      for (const { process, throughput, sloUs } of this.#subjects) {
        const text = `${Math.round(throughput.at(-1) ?? 0)} requests/s within ${Math.round(sloUs.at(-1) ?? 0)} µs`;
        progress(`${application}, round ${round + 1} of ${this.#effort.rounds}: ${process.system} ${text}`);
      }
    }
    return {
      application,
      othersCoresMax: this.#othersCoresMax,
      systems: this.#subjects.map(({ process, unloadedUs, sloUs, throughput, points }) => ({
        ...{ system: process.system, unloadedUs, sloUs, throughput },
        curve: [...points].map(([load, measurements]) => ({ load, measurements })),
      })),
    };
  }

  async stop(): Promise<void> {
    await Promise.all(this.#subjects.map(({ process }) => process.stop()));
  }

  async #start(system: SystemName): Promise<void> {
    const { application, applicationUrl, progress } = this.#options;
    const { checks } = this.#effort;
    const process = await SystemProcess.start({ system, applicationUrl, options: {}, checks });
    progress(`${application}: ${system} answers ${checks} requests as the model does`);
    const results = { unloadedUs: [], sloUs: [], throughput: [], points: new Map() };
    this.#subjects.push({ process, ...results, capacity: 0 });
  }

  #percentileOf({ p90Us, p99Us }: Latencies): number {
    return this.#effort.percentile === 90 ? p90Us : p99Us;
  }

  /** Warms a system up with more and more load, until it is saturated. */
  async #ramp(subject: Subject): Promise<void> {
    const search = new LoadSearch({ first: FIRST_PER_SECOND, precision: 2, most: MOST_PER_SECOND });
    for (let load = search.next; load !== undefined; load = search.next) {
      const { latencies, lost } = await this.#measure(subject, load, 300);
      search.report(load, this.#percentileOf(latencies) <= SATURATED_US && lost === 0);
    }
    subject.capacity = Math.max(subject.capacity, search.result, FIRST_PER_SECOND);
  }

  async #unloaded(order: readonly Subject[], round: number): Promise<void> {
    const count = this.#effort.unloadedRequests;
    for (const subject of order) {
      const { meanUs } = await this.#undisturbed(() => subject.process.unloaded(round * count, count));
      subject.unloadedUs.push(meanUs);
      subject.sloUs.push(SLO_FACTOR * meanUs);
    }
  }

  /** The searches of all systems take turns, probe by probe. */
  async #search(order: readonly Subject[]): Promise<void> {
    const { precision } = this.#effort;
    const searches = order.map((subject) => ({
      subject,
      best: 0,
      search: new LoadSearch({
        // Where nothing was borne in the last round, as in the first one.
        first: subject.throughput.at(-1) || subject.capacity / 4,
        precision,
        most: MOST_PER_SECOND,
      }),
    }));
    for (let left = searches; left.length > 0; left = searches.filter(({ search }) => search.next !== undefined)) {
      for (const one of left) {
        const load = one.search.next;
        if (load === undefined) continue;
        const borne = await this.#isBorne(one.subject, load);
        one.search.report(load, borne !== undefined);
        if (borne !== undefined && load === one.search.result) one.best = borne;
      }
    }
    for (const { subject, best } of searches) subject.throughput.push(best);
  }

  /** The throughput when a load is borne, by the majority of probes; undefined when it is not. */
  async #isBorne(subject: Subject, load: number): Promise<number | undefined> {
    const borne: number[] = [];
    let tooMuch = 0;
    while (borne.length < this.#effort.agreeing && tooMuch < this.#effort.agreeing) {
      const { latencies, lost, arrivals, throughputPerSecond } = await this.#measure(subject, load);
      const isBorne = this.#percentileOf(latencies) <= (subject.sloUs.at(-1) ?? 0) && lost <= arrivals * LOST_SHARE_MAX;
      if (isBorne) borne.push(throughputPerSecond);
      else tooMuch++;
    }
    return borne.length < this.#effort.agreeing ? undefined : borne.reduce((a, b) => a + b) / borne.length;
  }

  async #curves(order: readonly Subject[], round: number): Promise<void> {
    for (const load of round % 2 === 0 ? this.#effort.loads : this.#effort.loads.toReversed()) {
      for (const subject of order) {
        const full = subject.throughput[0] ?? 0;
        if (full === 0) continue;
        const measurement = await this.#measure(subject, load * full);
        subject.points.set(load, [...(subject.points.get(load) ?? []), measurement]);
      }
    }
  }

  #measure({ process }: Subject, ratePerSecond: number, durationMs?: number): Promise<Measurement> {
    const { arrivalsMin } = this.#effort;
    const normal = this.#effort.durationMs;
    const needed = (arrivalsMin / ratePerSecond) * 1000;
    const ms = durationMs ?? Math.min(Math.max(normal, needed), 3 * normal);
    return this.#undisturbed(() => {
      const load: Load = { ratePerSecond, warmUpMs: WARM_UP_MS, durationMs: ms, seed: this.#seed++ };
      return process.measure(load);
    });
  }

  /** Takes a measurement again during which others kept the machine busy. */
  async #undisturbed<T>(measure: () => Promise<T>): Promise<T> {
    const { result, othersCores } = await undisturbed(measure, this.#effort.retakes);
    this.#othersCoresMax = Math.max(this.#othersCoresMax, othersCores);
    return result;
  }
}
