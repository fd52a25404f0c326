/** Pointers with static offsets: into the home, into ArgBufs, along frames, at every edge that the guard has, and astray. */
import { PAGE_SIZE, RED_ZONE } from '../../core/layout.ts';
import type { Constant, Expression, Type } from './code.ts';
import { addressIn, get, i32, operation, type Place, plus, type Reach, type State } from './places.ts';
import type { Random } from './random.ts';
import type { Scope } from './scope.ts';

export interface Target {
  readonly pointer: Expression;
  readonly offset: number;
}

const FOUR_GIB = 2 ** 32;

export abstract class PointerGenerator {
  readonly scope: Scope;

  constructor(scope: Scope) {
    this.scope = scope;
  }

  abstract value(type: Type, depth: number): Expression;

  get random(): Random {
    return this.scope.random;
  }

  get state(): State {
    return this.scope.state;
  }

  /** Where an access of this size can go. */
  target(size: number, write: boolean, isAligned: boolean): Target {
    const { random } = this;
    const { profile, frames } = this.scope;
    if (random.chance(profile.wildness)) return this.astray(size);
    const choice = random.weighted([
      [60, 'local'],
      [14, 'home'],
      [8, 'vma'],
      [frames.length > 0 ? 20 : 0, 'frame'],
      [6, 'masked'],
      [4, 'chased'],
    ] as const);
    if (choice === 'local') {
      const local = this.usable(size, write, isAligned);
      if (local !== undefined) return this.through(local, size, write, isAligned);
    }
    if (choice === 'frame') return this.#inFrame(size, isAligned);
    if (choice === 'vma') return this.#inVma(size, write, isAligned) ?? this.#inHome(size, isAligned);
    if (choice === 'masked') return this.#masked(size, isAligned);
    if (choice === 'chased') return this.#chased(size, write, isAligned) ?? this.#inHome(size, isAligned);
    return this.#inHome(size, isAligned);
  }

  /** A local through which such an access is allowed. */
  usable(size: number, write: boolean, isAligned: boolean): number | undefined {
    const usable = this.state.pointers.filter((local) => this.isUsable(local, size, write, isAligned));
    return usable.length === 0 ? undefined : this.random.pick(usable);
  }

  isUsable(local: number, size: number, write: boolean, isAligned: boolean): boolean {
    return this.#reach(local, size, write, isAligned) !== undefined;
  }

  #reach(local: number, size: number, write: boolean, isAligned: boolean): Reach | undefined {
    const places = this.state.placesOf(local);
    if (isAligned && places.some(({ low, high }) => low !== high)) return undefined;
    const reach = this.state.reach(places, size, write);
    if (reach === undefined || !isAligned || size === 1) return reach;
    const first = places[0]?.low ?? 0;
    // All of them are aligned at once, or not.
    if (places.some(({ low }) => (low - first) % size !== 0)) return undefined;
    const low = Math.ceil((first + reach.low) / size) * size - first;
    return low <= reach.high ? { low, high: reach.high } : undefined;
  }

  /** An access through a local. Where none is allowed there, some other one. */
  through(local: number, size: number, write: boolean, isAligned: boolean): Target {
    const reach = this.#reach(local, size, write, isAligned) ?? { low: 0, high: 64 };
    let by = this.#displacement(reach);
    if (isAligned) by = reach.low + Math.floor((by - reach.low) / size) * size;
    const leasts = this.state.placesOf(local).map(({ region, low }) => (region.isHome ? low : 2 ** 31));
    return this.#split(this.#local(local), by, leasts.length === 0 ? 0 : Math.max(Math.min(...leasts), 0));
  }

  #local(local: number): Expression {
    const { random } = this;
    if (!random.chance(0.06)) return get(local);
    const other = this.scope.target('i32');
    this.state.set(other, this.state.placesOf(local));
    return { kind: 'tee', type: 'i32', local: other, value: get(local) };
  }

  /** A number in the reach, with its ends and what is near 0 more often. */
  #displacement({ low, high }: Reach): number {
    const { random } = this;
    const choice = random.weighted([
      [50, 'near'],
      [12, 'low'],
      [12, 'high'],
      [14, 'anywhere'],
    ] as const);
    if (choice === 'low') return low;
    if (choice === 'high') return high;
    if (choice === 'anywhere') return random.between(low, high);
    const near = random.chance(0.7) ? random.below(8) * 4 : random.below(64);
    return Math.min(Math.max(near, low), high);
  }

  /** A displacement as what is added and the static offset. `least` is the least value that the pointer can have. */
  #split(pointer: Expression, by: number, least: number): Target {
    const { random } = this;
    const form = random.below(3);
    if (by < 0) {
      const offset = random.chance(0.5) ? 0 : Math.min(random.below(32), least + by);
      return { pointer: plus(pointer, by - Math.max(offset, 0), form), offset: Math.max(offset, 0) };
    }
    const choice = random.weighted([
      [70, by],
      [10, 0],
      [8, random.between(0, by)],
      // More than there is to add: the pointer goes back.
      [5, Math.min(by + random.pick([1, 8, 64, 4096]), by + least)],
      [1, Math.min(by + random.pick([65536, 2 ** 30, 2 ** 31 - 4096]), by + least)],
    ] as const);
    return { pointer: plus(pointer, by - choice, form), offset: choice };
  }

  #inHome(size: number, isAligned: boolean): Target {
    const { random } = this;
    const { memoryLimit } = this.scope.profile;
    const end = memoryLimit - size;
    const edges = [0, 255, 256, 511, RED_ZONE - size, RED_ZONE - 1, RED_ZONE, PAGE_SIZE - size, end - 1, end];
    let address = random.chance(0.5) ? random.pick(edges) : random.between(0, end);
    address = Math.min(Math.max(address, 0), end);
    if (isAligned) address -= address % size;
    const offset = random.weighted([
      [40, 0],
      [20, address],
      [20, random.between(0, address)],
      [10, Math.min(RED_ZONE - size, address)],
      [10, Math.min(RED_ZONE - size + 1, address)],
    ] as const);
    return { pointer: i32(address - offset), offset };
  }

  /** By its address, as a constant. */
  #inVma(size: number, write: boolean, isAligned: boolean): Target | undefined {
    const { random } = this;
    const places = this.scope.profile.vmas
      .map((region) => ({ region, low: 0, high: 0 }))
      .filter((place) => this.state.reach([place], size, write) !== undefined);
    if (places.length === 0) return undefined;
    const place = random.pick(places);
    let at = this.#displacement({ low: 0, high: place.region.length - size });
    if (isAligned) at -= at % size;
    const offset = random.weighted([
      [50, 0],
      [25, at],
      [10, random.between(0, at)],
      [5, 2 ** 31],
    ] as const);
    return { pointer: i32(addressIn(place.region, at - offset) ?? 0), offset };
  }

  #inFrame(size: number, isAligned: boolean): Target {
    const { random } = this;
    const { local, size: frameSize } = random.pick(this.scope.frames);
    let at = this.#displacement({ low: 0, high: Math.max(frameSize - size, 0) });
    if (isAligned) at -= at % size;
    return this.#split(get(local), at, 0);
  }

  /** A number whose upper bits are cut off. */
  #masked(size: number, isAligned: boolean): Target {
    const { random } = this;
    const mask = random.pick([0x0f, 0xff, 0x7ff8, 0xfff0, 0x3ffc]) & (isAligned ? -size : -1);
    const room = this.scope.profile.memoryLimit - size - mask;
    const offset = room < 0 ? 0 : Math.min(random.pick([0, 0, 16, 4096, 8192]), room);
    return { pointer: operation('and', this.value('i32', 1), i32(mask)), offset };
  }

  /** A pointer that was kept in memory. */
  #chased(size: number, write: boolean, isAligned: boolean): Target | undefined {
    const { random } = this;
    const { pointerSlots, vmas } = this.scope.profile;
    const slots = pointerSlots.filter(({ vma }) => {
      const region = vmas[vma];
      return region !== undefined && this.state.reach([{ region, low: 0, high: 0 }], size, write) !== undefined;
    });
    if (slots.length === 0) return undefined;
    const slot = random.pick(slots);
    const length = vmas[slot.vma]?.length ?? 0;
    let offset = this.#displacement({ low: 0, high: length - size });
    if (isAligned) offset -= offset % size;
    return { pointer: this.loadPointer(slot.at), offset };
  }

  loadPointer(at: number): Expression {
    return {
      kind: 'access',
      type: 'i32',
      form: { ...LOAD_POINTER },
      pointer: i32(0),
      offset: at,
      alignment: 2,
      lane: 0,
      operands: [],
    };
  }

  /** An expression for a pointer to a place, if there is one. */
  pointerTo(place: Place): Expression | undefined {
    const { random } = this;
    const delta = random.between(place.low, place.high);
    const through = this.state.pointers.filter((local) => {
      const [only, ...others] = this.state.placesOf(local);
      return others.length === 0 && only?.region === place.region && only.low === only.high;
    });
    const constant = addressIn(place.region, delta);
    if (through.length > 0 && (constant === undefined || random.chance(0.7))) {
      const local = random.pick(through);
      return plus(get(local), delta - (this.state.placesOf(local)[0]?.low ?? 0), random.below(3));
    }
    if (constant === undefined) return undefined;
    const slots = this.scope.profile.pointerSlots.filter(({ vma }) => vma === place.region.vma);
    if (slots.length > 0 && random.chance(0.3)) return plus(this.loadPointer(random.pick(slots).at), delta, 2);
    return i32(constant);
  }

  /** Any place that accesses can go to. */
  anyPlace(): Place {
    const { random } = this;
    const { home } = this.scope.profile;
    const regions = this.state.regions.filter((region) => this.state.rightsTo(region) > 0 && region.length >= 16);
    const region = regions.length === 0 || random.chance(0.4) ? home : random.pick(regions);
    const room = region.length - 16;
    const at = random.weighted([
      [40, 0],
      [20, random.below(32) * 8],
      [20, random.between(0, room)],
      [10, room],
    ] as const);
    const low = Math.min(at, room);
    return { region, low, high: low };
  }

  /** Wherever it may be wrong: just outside of something, or at an address that means something. */
  astray(size: number): Target {
    const { random } = this;
    const { state } = this;
    const locals = state.pointers;
    if (locals.length > 0 && random.chance(0.5)) {
      const local = random.pick(locals);
      const reach = state.reach(state.placesOf(local), 1, false) ?? { low: 0, high: 256 };
      const by = random.pick([
        reach.high - size + 1 + random.below(size + 2),
        reach.low - 1 - random.below(16),
        reach.high,
      ]);
      return this.#split(this.#local(local), by, 0);
    }
    if (random.chance(0.4)) return this.#atBoundary(size);
    const aims = this.#aims(size);
    const aim = random.pick(aims);
    const offset = random.pick(this.#offsets(size));
    if (typeof aim === 'object') return { pointer: i32({ ...aim, delta: aim.delta - offset }), offset };
    return { pointer: i32((Number(aim) - offset) | 0), offset };
  }

  /** A pointer and an offset on both sides of where the guard compares one of them, or their sum. */
  #atBoundary(size: number): Target {
    const { random } = this;
    const { memoryLimit } = this.scope.profile;
    const near = random.pick([-size, -1, 0, 0, 1]);
    const offset = random.pick([RED_ZONE - size, RED_ZONE - size + 1, RED_ZONE - 1, RED_ZONE, RED_ZONE + 1, 0, size]);
    const far = random.pick([memoryLimit - 1, memoryLimit, memoryLimit + 1, memoryLimit - size]);
    return random.weighted([
      [4, { pointer: i32(memoryLimit + near), offset }],
      [2, { pointer: i32(memoryLimit - offset + near), offset }],
      [2, { pointer: i32(memoryLimit + RED_ZONE - offset - size + near), offset }],
      [2, { pointer: i32(near), offset: far }],
      [1, { pointer: i32(memoryLimit - 8192 + near), offset: 8192 }],
      [1, { pointer: i32(memoryLimit + RED_ZONE - far - size + near), offset: far }],
    ] as const);
  }

  /** Addresses at which something begins, ends or wraps. */
  #aims(size: number): Constant[] {
    const { memoryLimit, vmas } = this.scope.profile;
    const { random } = this;
    const near = random.pick([-size - 1, -size, -size + 1, -1, 0, 1]);
    const numbers = [0, RED_ZONE, memoryLimit, memoryLimit + RED_ZONE, memoryLimit + PAGE_SIZE, 2 ** 31, FOUR_GIB];
    const ends = vmas.flatMap(({ vma, length }): Constant[] =>
      vma === undefined
        ? []
        : [
            { vma, delta: near },
            { vma, delta: length + near },
            { vma, delta: 0 },
          ],
    );
    return [...numbers.map((aim) => aim + near), ...ends, random.next()];
  }

  #offsets(size: number): number[] {
    const { memoryLimit } = this.scope.profile;
    const edges = [RED_ZONE - size, RED_ZONE - size + 1, RED_ZONE, memoryLimit - 1, memoryLimit, memoryLimit + 1];
    return [0, 0, 0, 1, 8, ...edges, 2 ** 31 - 1, 2 ** 31, FOUR_GIB - size, FOUR_GIB - 1, this.random.next()];
  }
}

const LOAD_POINTER = {
  name: 'i32.load',
  sizeBytes: 4,
  access: 'read',
  kind: 'load',
  atomic: false,
  operands: [],
  result: true,
  lane: false,
} as const;
