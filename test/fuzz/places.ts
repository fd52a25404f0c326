/**
 * What the generator knows of pointers: which region they point into and where. It only guesses, so that most accesses of a
 * module are allowed ones; whether an access is allowed, the model says when it runs.
 */
import type { Constant, Expression } from './code.ts';

export interface Region {
  /** Number of the case's VMA; undefined for the home and for ArgBufs that the function makes. */
  readonly vma: number | undefined;
  readonly isHome: boolean;
  readonly isOwned: boolean;
  /** In bytes. */
  readonly length: number;
}

/** Somewhere from `low` to `high` bytes behind the start of a region. */
export interface Place {
  readonly region: Region;
  readonly low: number;
  readonly high: number;
}

/** What a function may do with a region: as PERMISSION_… in core/layout.ts. */
export type Rights = 0 | 1 | 3;

/** How far a pointer of these places may be moved so that an access stays inside, whichever it is. */
export interface Reach {
  readonly low: number;
  readonly high: number;
}

const PLACES_MAX = 3;

/** What is known at one point of a function. */
export class State {
  readonly #places: Map<number, readonly Place[]>;
  readonly #rights: Map<Region, Rights>;
  /** Nothing behind this point is reached. */
  isDead = false;

  constructor(rights: ReadonlyMap<Region, Rights>, places: ReadonlyMap<number, readonly Place[]> = new Map()) {
    this.#rights = new Map(rights);
    this.#places = new Map(places);
  }

  clone(): State {
    const copy = new State(this.#rights, this.#places);
    copy.isDead = this.isDead;
    return copy;
  }

  placesOf(local: number): readonly Place[] {
    return this.#places.get(local) ?? [];
  }

  /** Locals that are known to point somewhere. */
  get pointers(): number[] {
    return [...this.#places.keys()];
  }

  set(local: number, places: readonly Place[]): void {
    if (places.length === 0) this.#places.delete(local);
    else this.#places.set(local, places);
  }

  rightsTo(region: Region): Rights {
    return this.#rights.get(region) ?? 0;
  }

  setRights(region: Region, rights: Rights): void {
    this.#rights.set(region, rights);
  }

  get regions(): Region[] {
    return [...this.#rights.keys()];
  }

  /** How far a pointer of the places may be moved for an access; undefined when nowhere all are allowed. */
  reach(places: readonly Place[], size: number, write: boolean): Reach | undefined {
    if (places.length === 0) return undefined;
    let [low, high] = [-(2 ** 32), 2 ** 32];
    for (const place of places) {
      const rights = this.rightsTo(place.region);
      if (write ? rights !== 3 : rights === 0) return undefined;
      low = Math.max(low, -place.low);
      high = Math.min(high, place.region.length - size - place.high);
    }
    return low <= high ? { low, high } : undefined;
  }

  /** What is known where this and another one meet. */
  merge(other: State): void {
    if (other.isDead) return;
    if (this.isDead) {
      this.isDead = false;
      this.#places.clear();
      for (const [local, places] of other.#places) this.#places.set(local, places);
      for (const [region, rights] of other.#rights) this.#rights.set(region, rights);
      return;
    }
    for (const [local, places] of this.#places) {
      const both = unite(places, other.placesOf(local));
      this.set(local, other.placesOf(local).length === 0 || both.length > PLACES_MAX ? [] : both);
    }
    for (const [region, rights] of this.#rights) {
      if (other.rightsTo(region) < rights) this.#rights.set(region, other.rightsTo(region));
    }
  }
}

/** Places of one region become one. */
export function unite(a: readonly Place[], b: readonly Place[]): Place[] {
  const result = [...a];
  for (const place of b) {
    const at = result.findIndex(({ region }) => region === place.region);
    const same = result[at];
    if (same === undefined) result.push(place);
    else
      result[at] = { region: place.region, low: Math.min(same.low, place.low), high: Math.max(same.high, place.high) };
  }
  return result;
}

/** The places of pointers that were moved. */
export function moved(places: readonly Place[], by: number): Place[] {
  return places.map(({ region, low, high }) => ({ region, low: low + by, high: high + by }));
}

/** The address so many bytes behind a region's start, if it is a constant. */
export function addressIn({ vma, isHome }: Region, delta: number): Constant | undefined {
  if (isHome) return delta;
  return vma === undefined ? undefined : { vma, delta };
}

// Short forms of expressions.

export const i32 = (value: Constant): Expression => ({ kind: 'const', type: 'i32', value });

export const get = (local: number): Expression => ({ kind: 'get', type: 'i32', local });

export const operation = (name: string, ...operands: Expression[]): Expression => ({
  kind: 'operation',
  type: 'i32',
  name: `i32.${name}`,
  operands,
});

/** An i32 and a constant more, with the constant first or last, or subtracted. */
export function plus(value: Expression, by: number, form: number): Expression {
  if (by === 0) return value;
  if (form === 0) return operation('add', i32(by), value);
  return form === 1 && by < 0 ? operation('sub', value, i32(-by)) : operation('add', value, i32(by));
}
