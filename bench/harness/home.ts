/**
 * An address space with homes and VMAs made by hand, as PrivLib would make them but without it: so that the cost of the
 * guard is measured by itself. There are no pools and no PDs; a home is used once, for one guest.
 */
import {
  ADDRESS_SPACE_PAGES,
  DEADLINE_FAR_MS,
  HOME_AREA,
  HOME_AREA_END_MIB,
  HOME_DEADLINE_MS,
  HOME_END_MS,
  HOME_MEMORY_PAGES,
  PAGE_SIZE,
} from '../../core/layout.ts';
import { guardModule } from '../../src/guard/guard.ts';
import { type GuardedModule, type GuardOptions, type HomeLayout, INIT_EXPORT } from '../../src/guard/types.ts';
import {
  exportedFunction,
  type Guest,
  type GuestFunction,
  guestSlot,
  importObject,
  type MakeImports,
} from './guest.ts';
import { createVmaTable, type VmaTable } from './vma.ts';

export interface AddressSpace {
  readonly memory: WebAssembly.Memory;
  /** Base of a new home, all zero. Throws a RangeError when there is no room left. */
  readonly createHome: (layout: HomeLayout) => number;
  readonly vmas: VmaTable;
}

/** 4 GiB of shared memory: make one for a process, it is not given back soon. */
export function createAddressSpace(): AddressSpace {
  const memory = new WebAssembly.Memory({ initial: ADDRESS_SPACE_PAGES, maximum: ADDRESS_SPACE_PAGES, shared: true });
  const view = new DataView(memory.buffer);
  let next = HOME_AREA;
  return {
    memory,
    createHome: ({ homeSize, memoryInitialPages }) => {
      const base = next;
      if (base + homeSize > HOME_AREA_END_MIB * 2 ** 20) throw new RangeError('no room for another home');
      next += homeSize;
      view.setUint32(base + HOME_MEMORY_PAGES, memoryInitialPages, true);
      view.setUint32(base + HOME_DEADLINE_MS, DEADLINE_FAR_MS, true);
      view.setUint32(base + HOME_END_MS, DEADLINE_FAR_MS, true);
      return base;
    },
    vmas: createVmaTable(view),
  };
}

/** `base` goes last. One closure for each arity, since spreading parameters would cost more than the call. */
function withBase(guarded: GuestFunction, base: number): GuestFunction {
  switch (guarded.length - 1) {
    case 0:
      return () => guarded(base);
    case 1:
      return (a = 0) => guarded(a, base);
    case 2:
      return (a = 0, b = 0) => guarded(a, b, base);
    case 3:
      return (a = 0, b = 0, c = 0) => guarded(a, b, c, base);
    case 4:
      return (a = 0, b = 0, c = 0, d = 0) => guarded(a, b, c, d, base);
    case 5:
      return (a = 0, b = 0, c = 0, d = 0, e = 0) => guarded(a, b, c, d, e, base);
    default:
      return (...parameters) => guarded(...parameters, base);
  }
}

/** Guards a module with the guard's defaults, as deploying does, and initialises it in a new home. */
export function guardedGuest(
  bytes: Uint8Array,
  makeImports: MakeImports,
  space: AddressSpace,
  options: Pick<GuardOptions, 'maskAddresses'> = {},
): Guest {
  const slot = guestSlot();
  const { functions } = makeImports(slot.get);
  const imports = new Map([...functions].map(([name, { type }]) => [name, type]));
  const guarded = guardModule(bytes, { ...options, imports });
  return slot.set(instantiateGuarded(guarded, importObject(functions), space));
}

function instantiateGuarded(
  guarded: GuardedModule,
  imports: ReturnType<typeof importObject>,
  space: AddressSpace,
): Guest {
  const { layout } = guarded;
  const module = new WebAssembly.Module(new Uint8Array(guarded.bytes));
  const instance = new WebAssembly.Instance(module, { ...imports, jord: { memory: space.memory } });
  const base = space.createHome(layout);
  exportedFunction(instance, INIT_EXPORT)(base);
  const view = new DataView(space.memory.buffer);
  return {
    variant: 'guarded',
    moduleBytes: guarded.bytes.byteLength,
    function: (name) => withBase(exportedFunction(instance, name), base),
    memory: () => {
      const pages = view.getUint32(base + HOME_MEMORY_PAGES, true);
      return new Uint8Array(space.memory.buffer, base + layout.headerSize, pages * PAGE_SIZE);
    },
    growTo: (wanted) => {
      const pages = Math.ceil(wanted / PAGE_SIZE);
      if (pages > layout.memoryMaximumPages) return false;
      if (pages > view.getUint32(base + HOME_MEMORY_PAGES, true)) view.setUint32(base + HOME_MEMORY_PAGES, pages, true);
      return true;
    },
    argBufs: {
      create: (length) => space.vmas.create(length, base),
      share: (address) => space.vmas.share(address, base),
    },
  };
}
