/** What the tests of all applications do: an embedded server with an application, and its answers beside the model's. */
import assert from 'node:assert/strict';
import { Jord } from '../src/jord.ts';
import {
  type Application,
  type ApplicationModel,
  type ApplicationRequest,
  type DataSet,
  isFailure,
} from './application.ts';
import { deployApplication, localTarget } from './deploy.ts';
import { Random } from './random.ts';

/** A server that has the application with a data set. `executors` 0: all runs on this thread. */
export async function startApplication(application: Application, dataSet: DataSet, executors: number): Promise<Jord> {
  const jord = await Jord.start({ executors, log: ({ level, message }) => console.error(`${level}: ${message}`) });
  await deployApplication(localTarget(jord), application, dataSet);
  return jord;
}

/** The server's answer to a request, which must be the model's. */
export function respondAsModel(jord: Jord, model: ApplicationModel, request: ApplicationRequest): Uint8Array {
  const actual = jord.invokeInline(request.function, request.body);
  const expected = model.respond(request, actual);
  if (Buffer.compare(actual, expected) !== 0) {
    assert.equal(
      Buffer.from(actual).toString(),
      Buffer.from(expected).toString(),
      Buffer.from(request.body).toString(),
    );
    assert.fail('the bodies differ, but not as text');
  }
  return actual;
}

export interface Tally {
  count: number;
  failures: number;
}

/** Sends requests of all kinds, equally many on average, one after the other. Returns how many there were of each kind. */
export function respondToMany(
  jord: Jord,
  dataSet: DataSet,
  model: ApplicationModel,
  count: number,
  seed: number,
): ReadonlyMap<string, Tally> {
  const random = new Random(seed);
  const tallies = new Map<string, Tally>();
  for (let i = 0; i < count; i += 1) {
    const kind = random.pick(dataSet.mix);
    const answer = respondAsModel(jord, model, kind.request(random));
    const tally = tallies.get(kind.name) ?? { count: 0, failures: 0 };
    tally.count += 1;
    if (isFailure(answer)) tally.failures += 1;
    tallies.set(kind.name, tally);
  }
  return tallies;
}
