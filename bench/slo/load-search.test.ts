import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { uniformSource } from '../harness/random.ts';
import { quantile } from '../harness/statistics.ts';
import { poissonArrivals } from '../systems/load/arrivals.ts';
import { LoadSearch } from './load-search.ts';

/** Runs a search to its end. Returns the loads that were tried. */
function run(search: LoadSearch, isBorne: (load: number) => boolean): number[] {
  const tried: number[] = [];
  for (let load = search.next; load !== undefined; load = search.next) {
    assert.ok(tried.length < 100, 'the search does not end');
    tried.push(load);
    search.report(load, isBorne(load));
  }
  return tried;
}

/** 99th percentile of the time in a queue with one server, exponential arrivals and service times: M/M/1. */
function simulatedP99(arrivalsPerSecond: number, servedPerSecond: number, seed: number): number {
  const { dueUs } = poissonArrivals({ ratePerSecond: arrivalsPerSecond, durationMs: 20_000, seed, poolSize: 1 });
  const service = uniformSource(seed ^ 0x1234);
  const times: number[] = [];
  let freeUs = 0;
  for (const due of dueUs) {
    freeUs = Math.max(freeUs, due) - (Math.log(service()) * 1e6) / servedPerSecond;
    times.push(freeUs - due);
  }
  return quantile(times, 0.99);
}

test('of a simulated M/M/1 system it finds the load that theory says', () => {
  // The time in the system is exponentially distributed with the rate μ − λ, so its 99th percentile is ln(100) / (μ − λ).
  const served = 20_000;
  const sloUs = 10 * (1e6 / served);
  const expected = served - (Math.log(100) * 1e6) / sloUs;
  for (const seed of [1, 2, 3]) {
    const search = new LoadSearch({ first: 500, precision: 1.01 });
    run(search, (load) => load < served && simulatedP99(load, served, seed) <= sloUs);
    assert.ok(Math.abs(search.result / expected - 1) < 0.05, `${search.result} instead of ${expected}`);
  }
});

test('it ends close below the limit, wherever that is, with few probes', () => {
  fc.assert(
    fc.property(fc.double({ min: 2, max: 1e6, noNaN: true }), (limit) => {
      const search = new LoadSearch({ first: 500, precision: 1.05 });
      const tried = run(search, (load) => load <= limit);
      assert.ok(search.result <= limit && search.result * 1.05 >= limit, `${search.result} for ${limit}`);
      assert.ok(tried.length < 25, `${tried.length} probes`);
    }),
    { seed: 8, numRuns: 300 },
  );
});

test('where nothing is borne the result is 0, where all is, the most', () => {
  const none = new LoadSearch({ first: 100, precision: 1.1 });
  run(none, () => false);
  assert.equal(none.result, 0);
  const all = new LoadSearch({ first: 100, precision: 1.1, most: 5000 });
  run(all, () => true);
  assert.equal(all.result, 5000);
});

test('answers at random do not keep it from ending', () => {
  fc.assert(
    fc.property(fc.integer(), (seed) => {
      const uniform = uniformSource(seed);
      run(new LoadSearch({ first: 500, precision: 1.03, most: 1e6 }), () => uniform() < 0.5);
    }),
    { seed: 3, numRuns: 200 },
  );
});

test('a search without a load or a precision is refused', () => {
  assert.throws(() => new LoadSearch({ first: 0, precision: 1.1 }), RangeError);
  assert.throws(() => new LoadSearch({ first: 1, precision: 1 }), RangeError);
});
