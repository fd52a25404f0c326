/**
 * Makes a function's module one whose single instance serves many invocations at a time, without a guard: for the systems
 * that functions are compared in.
 *
 * What the SDK compiles takes memory and never gives it back, since Jord begins each invocation afresh. Here each invocation
 * gets a stretch of memory, its arena, that it takes from instead, and begins with the globals as they were after
 * initialisation. What an invocation has in globals is put aside around host functions that let others run.
 *
 * The rewritten module exports `handle(request, length, context)` and passes `context` to each host function as its last
 * parameter; accesses to memory are what the compiler made of them. Static data is not restored, and nothing is checked.
 */
import binaryen from 'binaryen';

export interface ReentrantOptions {
  /** Host functions, without module, during which other invocations may run on the same instance. */
  readonly yielding: ReadonlySet<string>;
  /** Where the arena begins, from `context` on: a multiple of 16. */
  readonly arenaOffset: number;
  /** What `memory.size` is to say, where that is not what it would. */
  readonly memoryPages?: number;
  /**
   * When the module is initialised, which may call host functions: by an export `initialise(context)`, or at the begin of the
   * first invocation.
   */
  readonly initialises: 'by-export' | 'at-first';
}

/** The stub runtime takes memory from here on. It keeps it so that blocks, which have 4 bytes before them, are aligned. */
const HEAP_TOP = '$~lib/rt/stub/offset';
const HEAP_ALIGNMENT_OFFSET = 12;
const ENTRY = '$jord-entry/handle';
const CONTEXT = '$bench:context';
const READY = '$bench:ready';
const INITIALISE = '$bench:initialise';

const IMPORT = /^ \(import "jord" "(\w+)" \(func (\$[^\s()]+)(?: \(param ([^)]*)\))?(?: \(result (\w+)\))?\)\)$/gm;
const GLOBAL = /^ \(global (\$\S+) \(mut (\w+)\)/gm;
const START = /^ \(start (\$\S+)\)$/m;

interface Global {
  readonly name: string;
  readonly type: string;
}

function initialOf(name: string): string {
  return `$bench:initial:${name.slice(1)}`;
}

/** Puts globals aside in locals named after their index. */
function save(globals: readonly Global[]): string {
  return globals.map(({ name }, i) => `(local.set $saved${i} (global.get ${name}))`).join('\n    ');
}

function restore(globals: readonly Global[]): string {
  return globals.map(({ name }, i) => `(global.set ${name} (local.get $saved${i}))`).join('\n    ');
}

/** The import under another name, with the context, and in its place a function that passes that. */
function wrapImport(
  [, field = '', name = '', parameterTypes = '', result]: RegExpExecArray,
  globals: readonly Global[],
  yielding: ReadonlySet<string>,
): { readonly import: string; readonly function: string } {
  const parameters = parameterTypes.split(' ').filter((type) => type !== '');
  const host = `$bench:host:${field}`;
  const resultText = result === undefined ? '' : ` (result ${result})`;
  const all = [...parameters, 'i32'].join(' ');
  const call = `(call ${host} ${parameters.map((_, i) => `(local.get $p${i})`).join(' ')} (global.get ${CONTEXT}))`;
  const head = `(func ${name} ${parameters.map((type, i) => `(param $p${i} ${type})`).join(' ')}${resultText}`;
  const locals = globals.map(({ type }, i) => `(local $saved${i} ${type})`).join(' ');
  const kept =
    result === undefined
      ? ['', call, '']
      : [`(local $result ${result})`, `(local.set $result ${call})`, '(local.get $result)'];
  const body = yielding.has(field)
    ? `${locals} ${kept[0]}\n    ${save(globals)}\n    ${kept[1]}\n    ${restore(globals)}\n    ${kept[2]}`
    : call;
  return {
    import: ` (import "jord" "${field}" (func ${host} (param ${all})${resultText}))`,
    function: `  ${head}\n    ${body})`,
  };
}

/** `handle` with a context: begins with fresh globals, and leaves those of whoever it interrupted. */
function entry(globals: readonly Global[], { arenaOffset, initialises }: ReentrantOptions): string {
  const fresh = globals
    .filter(({ name }) => name !== HEAP_TOP && name !== CONTEXT)
    .map(({ name }) => `(global.set ${name} (global.get ${initialOf(name)}))`);
  const hasHeap = globals.some(({ name }) => name === HEAP_TOP);
  const atFirst = `(if (i32.eqz (global.get ${READY})) (then (call ${INITIALISE}) (global.set ${READY} (i32.const 1))))`;
  const top = `(i32.add (local.get $context) (i32.const ${arenaOffset + HEAP_ALIGNMENT_OFFSET}))`;
  return `  (func (export "handle") (param $request i32) (param $length i32) (param $context i32) (result i32)
    (global.set ${CONTEXT} (local.get $context))
    ${initialises === 'at-first' ? atFirst : ''}
    ${hasHeap ? `(global.set ${HEAP_TOP} ${top})` : ''}
    ${fresh.join('\n    ')}
    (call ${ENTRY} (local.get $request) (local.get $length)))`;
}

/** Runs the start function, if there is one, and remembers what globals are then. */
function initialise(globals: readonly Global[], first: string | undefined): string {
  const remembered = globals
    .filter(({ name }) => name !== CONTEXT)
    .map(({ name }) => `(global.set ${initialOf(name)} (global.get ${name}))`);
  return `  (func ${INITIALISE}
    ${first === undefined ? '' : `(call ${first})`}
    ${remembered.join('\n    ')})
  (func (export "initialise") (param $context i32)
    (global.set ${CONTEXT} (local.get $context))
    (call ${INITIALISE}))`;
}

/** Throws an Error for a module that the SDK has not compiled in its usual way. */
export function makeReentrant(module: Uint8Array, options: ReentrantOptions): Uint8Array {
  let text = toText(module);
  if (!text.includes(`(export "handle" (func ${ENTRY}))`)) throw new Error('the module has no handle of the SDK');
  const globals: Global[] = [...text.matchAll(GLOBAL)].map(([, name = '', type = '']) => ({ name, type }));
  const wrapped = [...text.matchAll(IMPORT)].map((match) =>
    wrapImport(match, [...globals, { name: CONTEXT, type: 'i32' }], options.yielding),
  );
  const first = START.exec(text)?.[1];
  const initial = globals.map(({ name, type }) => ` (global ${initialOf(name)} (mut ${type}) (${type}.const 0))`);
  const all = [...globals, { name: CONTEXT, type: 'i32' }];
  text = text
    .replace(IMPORT, '')
    .replace('(import "env" "memory"', '(import "jord" "memory"')
    .replace(START, '')
    .replace(`(export "handle" (func ${ENTRY}))`, '')
    .replace(/^\(module$/m, ['(module', ...wrapped.map((one) => one.import)].join('\n'));
  if (options.memoryPages !== undefined) text = text.replaceAll('(memory.size)', `(i32.const ${options.memoryPages})`);
  const added = [
    ` (global ${CONTEXT} (mut i32) (i32.const 0))`,
    ` (global ${READY} (mut i32) (i32.const 0))`,
    ...initial,
    ...wrapped.map((one) => one.function),
    entry(all, options),
    initialise(globals, first),
  ];
  const end = text.lastIndexOf(')');
  return toBytes(`${text.slice(0, end)}\n${added.join('\n')}\n)`);
}

function toText(module: Uint8Array): string {
  const read = binaryen.readBinary(module);
  try {
    return read.emitText();
  } finally {
    read.dispose();
  }
}

function toBytes(text: string): Uint8Array {
  const made = binaryen.parseText(text);
  try {
    made.setFeatures(binaryen.Features.All);
    return made.emitBinary();
  } finally {
    made.dispose();
  }
}
