/**
 * What a microservice application is made of, for whoever deploys it, puts it under load or checks what it answers: its
 * functions, the spaces of the key-value store that they keep their state in, a data set, a mix of requests and a model.
 */
import type { Random } from './random.ts';

/** A service: one AssemblyScript file, deployed as one function. */
export interface ApplicationFunction {
  /** The name at deploy: `<application>-<service>`. */
  readonly name: string;
  /** The AssemblyScript source, as an absolute path. */
  readonly source: string;
  /** Its spaces, as `space:ro` or `space:rw`. */
  readonly kv: readonly string[];
  /** The functions that it may call, by name. */
  readonly calls: readonly string[];
}

/** A space of the key-value store, to be created before functions that name it are deployed. */
export interface ApplicationSpace {
  readonly name: string;
  /** Limits and kind; without them a memory space without limits. */
  readonly options: {
    readonly durable?: boolean;
    readonly cache?: boolean;
    readonly keysMax?: number | null;
    readonly bytesMax?: number | null;
  };
}

/** What a key has at first. */
export interface ApplicationEntry {
  readonly space: string;
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

/** One request from outside, to a front function. */
export interface ApplicationRequest {
  readonly function: string;
  readonly body: Uint8Array;
}

/** One kind of request of the mix. */
export interface RequestKind {
  /** In kebab case; unique in its application. */
  readonly name: string;
  /**
   * How many of the sum of all weights are of this kind. 0: under load never, but tests send it all the same (errors, and
   * what the original's load generator leaves out).
   */
  readonly weight: number;
  /** Makes a request. It depends on the data set and on `random` alone. */
  request(random: Random): ApplicationRequest;
}

/**
 * The application in plain TypeScript, with the same data. It has a state of its own, so requests are to be given to it in
 * the order in which the functions had them.
 */
export interface ApplicationModel {
  /**
   * The right body for a request, byte by byte. `actual` is what the functions answered: from there, and only there, come
   * things that chance decides (ids, times); the model sees that they are well formed, and throws an AssertionError when
   * not.
   */
  respond(request: ApplicationRequest, actual: Uint8Array): Uint8Array;
}

/** What belongs together by the seed it was made with. */
export interface DataSet<Model extends ApplicationModel = ApplicationModel> {
  /** All entries of the key-value store. */
  entries(): Iterable<ApplicationEntry>;
  readonly mix: readonly RequestKind[];
  /** A new model, in the state that the entries describe. */
  model(): Model;
}

export interface Application<Model extends ApplicationModel = ApplicationModel> {
  /** In kebab case: `boutique`. */
  readonly name: string;
  /** In an order in which each comes behind those that it calls. */
  readonly functions: readonly ApplicationFunction[];
  readonly spaces: readonly ApplicationSpace[];
  /** Makes the data set, at the size for measurements: the same for the same seed. Takes some 100 ms. */
  dataSet(seed: number): DataSet<Model>;
}

/** A front function that could not do what it was asked for answers `{"error":{"code":…,"message":…}}`, as JSON. */
export function isFailure(body: Uint8Array): boolean {
  return FAILURE.every((byte, index) => body[index] === byte);
}

const FAILURE = new TextEncoder().encode('{"error":');

/** One of the mix, each as often as its weight says. */
export function pickRequest(mix: readonly RequestKind[], random: Random): ApplicationRequest {
  const total = mix.reduce((sum, kind) => sum + kind.weight, 0);
  let at = random.next() * total;
  const picked = mix.find((kind) => {
    at -= kind.weight;
    return at < 0;
  });
  // Rounding can lead past the last one.
  const kind = picked ?? mix.findLast(({ weight }) => weight > 0);
  if (kind === undefined) throw new RangeError('a mix needs a kind of request whose weight is above 0');
  return kind.request(random);
}
