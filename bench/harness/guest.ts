/**
 * A Wasm module under test, so that the same driver runs it plain (a memory of its own, as any embedder runs it) and
 * guarded (in a home of the one address space). Drivers see the guest's own addresses in both.
 */
import type { FunctionType, ValueType } from '../../src/guard/types.ts';

export type GuestFunction = (...parameters: number[]) => number;

export interface Guest {
  readonly variant: 'plain' | 'guarded';
  /** Bytes of the module that V8 compiles. */
  readonly moduleBytes: number;
  /** An export, without `base`. Throws a RangeError when there is no such function. */
  readonly function: (name: string) => GuestFunction;
  /** The guest's memory from its address 0. Ask again after a call, which may have grown it. */
  readonly memory: () => Uint8Array;
  /** Grows the memory to at least this many bytes; false when it cannot. */
  readonly growTo: (bytes: number) => boolean;
  /** Undefined for a plain guest, which has nothing but its memory. */
  readonly argBufs: ArgBufs | undefined;
}

/** Makes ArgBufs for a guest. */
export interface ArgBufs {
  /** Address of a new one of exactly this length, all zero, which the guest owns. Throws a RangeError without room. */
  readonly create: (length: number) => number;
  /** From now on the guest may only read it, by a grant. */
  readonly share: (address: number) => void;
}

/** A host function: its type as the module declares it, and what it does. i64 parameters arrive as bigints. */
export interface HostFunction {
  readonly type: FunctionType;
  readonly call: (...parameters: never[]) => number | undefined;
}

/** What a module needs from its embedder. */
export interface GuestImports {
  /** By `module.name`. */
  readonly functions: ReadonlyMap<string, HostFunction>;
  /** The memory, when the module imports it. */
  readonly memory?: {
    readonly module: string;
    readonly name: string;
    readonly initialPages: number;
    readonly maximumPages: number;
  };
  /** The name under which the module exports its memory, when it does not. */
  readonly memoryExport?: string;
}

/** Host functions reach the guest through `guest()`, which throws until it is instantiated. */
export type MakeImports = (guest: () => Guest) => GuestImports;

const VALUE_TYPES: Readonly<Record<string, ValueType>> = { i: 'i32', j: 'i64', f: 'f32', d: 'f64' };

function valueTypes(letters: string): ValueType[] {
  return [...letters].map((letter) => {
    const type = VALUE_TYPES[letter];
    if (type === undefined) throw new RangeError(`no value type has the letter ${letter}`);
    return type;
  });
}

/** 'iij:d' is (i32, i32, i64) → f64; 'i:' returns nothing. */
export function functionType(signature: string): FunctionType {
  const [parameters = '', results = ''] = signature.split(':');
  return { parameters: valueTypes(parameters), results: valueTypes(results) };
}

export function exportedFunction(instance: WebAssembly.Instance, name: string): GuestFunction {
  const value = instance.exports[name];
  if (typeof value !== 'function') throw new RangeError(`the module exports no function ${name}`);
  return value as GuestFunction;
}

/** The nested form that WebAssembly.Instance takes. */
export function importObject(
  functions: GuestImports['functions'],
): Record<string, Record<string, WebAssembly.ImportValue>> {
  const result: Record<string, Record<string, WebAssembly.ImportValue>> = {};
  for (const [key, { call }] of functions) {
    const dot = key.indexOf('.');
    const module = key.slice(0, dot);
    result[module] = { ...result[module], [key.slice(dot + 1)]: call };
  }
  return result;
}

/** A place for a guest that its host functions need before it exists. */
export function guestSlot(): { readonly get: () => Guest; readonly set: (guest: Guest) => Guest } {
  let guest: Guest | undefined;
  return {
    get: () => {
      if (guest === undefined) throw new Error('a host function ran before the guest was instantiated');
      return guest;
    },
    set: (created) => {
      guest = created;
      return created;
    },
  };
}

/** Instantiates a module as it is. */
export function plainGuest(bytes: Uint8Array, makeImports: MakeImports): Guest {
  const slot = guestSlot();
  const imports = makeImports(slot.get);
  const object = importObject(imports.functions);
  let memory: WebAssembly.Memory | undefined;
  if (imports.memory) {
    const { module, name, initialPages, maximumPages } = imports.memory;
    memory = new WebAssembly.Memory({ initial: initialPages, maximum: maximumPages });
    object[module] = { ...object[module], [name]: memory };
  }
  const instance = new WebAssembly.Instance(new WebAssembly.Module(new Uint8Array(bytes)), object);
  const exported = instance.exports[imports.memoryExport ?? ''];
  const own = memory ?? exported;
  if (!(own instanceof WebAssembly.Memory)) throw new RangeError('the module neither imports nor exports its memory');
  return slot.set({
    variant: 'plain',
    moduleBytes: bytes.byteLength,
    function: (name) => exportedFunction(instance, name),
    memory: () => new Uint8Array(own.buffer),
    growTo: (wanted) => {
      const missingPages = Math.ceil((wanted - own.buffer.byteLength) / 65536);
      if (missingPages <= 0) return true;
      try {
        own.grow(missingPages);
        return true;
      } catch {
        return false;
      }
    },
    argBufs: undefined,
  });
}
