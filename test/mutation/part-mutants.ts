/** Mutants of what is not code: types, imports, tables, memory, globals, exports, segments, and any byte. */
import { closeModule, type OpenModule, openModule } from '../../src/guard/testing-edit.ts';
import { signed } from '../../src/guard/testing-modules.ts';
import type { FunctionType, GuardedModule } from '../../src/guard/types.ts';

export interface PartMutation {
  readonly what: string;
  readonly edit: (module: OpenModule) => void;
}

type Parts = OpenModule['parts'];

/** The module with one mutation of its parts; undefined when it cannot be written down as a module. */
export function applyPart(guarded: GuardedModule, { edit }: PartMutation): GuardedModule | undefined {
  const module = openModule(guarded);
  edit(module);
  const { parts } = module;
  const spaces = {
    function: parts.functions,
    table: parts.tables,
    memory: parts.memories,
    global: parts.globals,
    tag: parts.tags,
  };
  if (parts.imports.some(({ kind, index }) => spaces[kind][index] === undefined)) return undefined;
  return closeModule(module);
}

/** Mutations of each item of a list: other ones instead of it, the list without it, and with it twice. */
function* each<K extends keyof Parts>(
  module: OpenModule,
  part: K,
  changes: (item: Parts[K] extends readonly (infer T)[] ? T : never, at: number) => readonly unknown[],
): Generator<PartMutation> {
  const list = module.parts[part] as readonly never[];
  for (const [at, item] of list.entries()) {
    for (const changed of changes(item, at)) {
      yield {
        what: `${part} ${at}: ${JSON.stringify(changed, (_, value) => (value instanceof Uint8Array ? [...value] : value))}`,
        edit: ({ parts }) => {
          parts[part] = list.with(at, changed as never) as unknown as Parts[K];
        },
      };
    }
    yield {
      what: `${part} ${at}: taken out`,
      edit: ({ parts }) => {
        parts[part] = list.toSpliced(at, 1) as unknown as Parts[K];
      },
    };
    yield {
      what: `${part} ${at}: twice`,
      edit: ({ parts }) => {
        parts[part] = list.toSpliced(at, 0, item) as unknown as Parts[K];
      },
    };
  }
}

function typeChanges({ parameters, results }: FunctionType): FunctionType[] {
  return [
    { parameters: [...parameters, 'i32'], results },
    { parameters: parameters.slice(0, -1), results },
    { parameters: parameters.slice(1), results },
    { parameters, results: results.length === 0 ? ['i32'] : [] },
    { parameters: parameters.map((type) => (type === 'i32' ? 'i64' : 'i32')), results },
  ];
}

/** All mutations of the parts of a guarded module. */
export function* partMutations(guarded: GuardedModule): Generator<PartMutation> {
  const module = openModule(guarded);
  const { parts } = module;
  const indices = parts.functions.map((_, i) => i);
  yield* each(module, 'types', typeChanges);
  yield* each(module, 'functions', (type) => parts.types.map((_, i) => i).filter((other) => other !== type));
  yield* each(module, 'imports', (entry) => [
    { ...entry, name: `${entry.name}x` },
    { ...entry, module: 'env' },
    ...parts.imports.filter((other) => other.name !== entry.name).map(({ name }) => ({ ...entry, name })),
  ]);
  yield* each(module, 'exports', (entry) => [
    ...indices.filter((index) => index !== entry.index).map((index) => ({ ...entry, index })),
    ...(['table', 'memory', 'global', 'tag'] as const).map((kind) => ({ ...entry, kind, index: 0 })),
    { ...entry, name: `${entry.name}x` },
  ]);
  yield* each(module, 'memories', (memory) => [
    { ...memory, shared: !memory.shared },
    { ...memory, minimum: memory.minimum - 1 },
    { ...memory, minimum: 1 },
    { ...memory, maximum: memory.minimum - 1, minimum: memory.minimum - 1 },
  ]);
  yield* each(module, 'tables', (table) => [
    { ...table, minimum: table.minimum + 1 },
    { ...table, maximum: 100 },
    { ...table, element: 'externref' },
  ]);
  yield* each(module, 'globals', (global) => [
    { ...global, mutable: !global.mutable },
    { ...global, type: 'i64' },
    { ...global, initial: Uint8Array.of(0x41, 0x2a, 0x0b) },
  ]);
  yield* each(module, 'tags', (tag) => parts.types.map((_, i) => i).filter((other) => other !== tag));
  yield* each(module, 'elements', (segment) => [
    ...segment.functions.flatMap((old, at) =>
      indices.filter((i) => i !== old).map((i) => ({ ...segment, functions: segment.functions.with(at, i) })),
    ),
    { ...segment, place: Uint8Array.of(0x41, 1, 0x0b) },
    { ...segment, flags: 1, place: new Uint8Array(0) },
  ]);
  yield* each(module, 'data', (segment) => [
    ...[0, 0x22000000 | 0].map((place) => ({ ...segment, place: constant(place) })),
    { ...segment, content: Uint8Array.of(...segment.content, 1) },
    { ...segment, content: segment.content.slice(1) },
  ]);
  for (const index of indices) {
    yield {
      what: `start: ${index}`,
      edit: (edited) => {
        edited.parts.start = index;
      },
    };
  }
}

function constant(value: number): Uint8Array {
  return Uint8Array.of(0x41, ...signed(value), 0x0b);
}

/** The module with one byte changed: a bit flipped, or another value. */
export function applyByte(
  guarded: GuardedModule,
  random: () => number,
): { readonly what: string; readonly guarded: GuardedModule } {
  const bytes = new Uint8Array(guarded.bytes);
  const at = Math.min(bytes.length - 1, Math.floor(random() * bytes.length));
  const old = bytes[at] ?? 0;
  bytes[at] = random() < 0.5 ? old ^ (1 << Math.floor(random() * 8)) : Math.floor(random() * 256);
  return { what: `byte ${at}: ${old} to ${bytes[at]}`, guarded: { ...guarded, bytes } };
}
