/** Runs one test file of the specification through the guard and sorts what happens. */
import { readFileSync } from 'node:fs';
import { FAULT_ATOMIC_WAIT, FAULT_NONE, HOME_MEMORY_PAGES, PAGE_SIZE } from '../../core/layout.ts';
import { JordError } from '../../src/errors.ts';
import { decodeModule } from '../../src/guard/decode.ts';
import { guardModule } from '../../src/guard/guard.ts';
import { OP_MEMORY_GROW } from '../../src/guard/opcodes.ts';
import { withBase } from '../../src/guard/plan.ts';
import type { HostFunction, TestFault, TestHome, TestSpace } from '../../src/guard/testing.ts';
import { type FunctionType, type GuardedModule, INIT_EXPORT, type ValueType } from '../../src/guard/types.ts';
import { type AdaptedFunction, adaptExports } from './adapter.ts';
import { roomier, uses } from './roomier.ts';
import { type Action, type Command, type Script, sameResults, toCarried } from './script.ts';

/** How often each thing happened; deviations are described one by one. */
export class Tally {
  passed = 0;
  readonly refused = new Map<string, number>();
  readonly skipped = new Map<string, number>();
  readonly permitted = new Map<string, number>();
  readonly deviations: string[] = [];

  static count(map: Map<string, number>, key: string): void {
    map.set(key, (map.get(key) ?? 0) + 1);
  }
}

interface Running {
  readonly original: Uint8Array<ArrayBuffer>;
  readonly guarded: GuardedModule;
  readonly home: TestHome;
  readonly functions: ReadonlyMap<string, AdaptedFunction>;
  /** The same without the adapter, for other modules to import. */
  readonly plain: WebAssembly.Exports;
  readonly importsMemory: boolean;
  /** A module that was refused would have changed memory or tables of this one. */
  disturbed: boolean;
  /** What it got, to instantiate the original again. */
  readonly host: Readonly<Record<string, HostFunction>>;
}

type Current = Running | { readonly refused: string };

const PRINTS: ReadonlyMap<string, readonly ValueType[]> = new Map([
  ['print', []],
  ['print_i32', ['i32']],
  ['print_i64', ['i64']],
  ['print_f32', ['f32']],
  ['print_f64', ['f64']],
  ['print_i32_f32', ['i32', 'f32']],
  ['print_f64_f64', ['f64', 'f64']],
]);

/** Differences that the ABI states. */
const BEHIND_SIZE = 'an access behind memory.size, within the limit and its red zone';
const OWN_MEMORY = 'an imported memory is the home, of the size that the module declares';
const WAIT = 'memory.atomic.wait traps';

/** What V8 says for each trap that the specification names, beside memory. */
const TRAPS: readonly (readonly [specification: RegExp, v8: RegExp])[] = [
  [/^integer divide by zero/, /divide by zero|remainder by zero/],
  [/^integer overflow/, /divide result unrepresentable|float unrepresentable/],
  [/^invalid conversion to integer/, /float unrepresentable/],
  [/^unreachable/, /^unreachable/],
  [/^unaligned atomic/, /unaligned/],
  [/^(undefined element|out of bounds table access)/, /table index is out of bounds|table access out of bounds/],
  [
    /^(uninitialized element|indirect call type mismatch)/,
    /^(null function or )?function signature mismatch|^dereferencing a null pointer/,
  ],
  [/^uninitialized element/, /table index is out of bounds/],
];

/** Reasons without the names and places that differ from module to module. */
function reasonOf(error: JordError): string {
  return `${error.code}: ${error.message}`
    .replace(/ \((in .*, )?at byte 0x[0-9a-f]+\)$/, '')
    .replace(/"(?:[^"\\]|\\.)*"/g, '…')
    .replace(/\d+/g, 'N');
}

export class Runner {
  readonly #space: TestSpace;
  readonly #folder: URL;
  readonly #tally: Tally;
  readonly #limits: ReadonlyMap<string, number>;
  #file = '';
  #current: Current = { refused: 'no module' };
  #named = new Map<string, Current>();
  #registered = new Map<string, Current>();

  /** `limits`: memory limits of files that grow further than the default allows. */
  constructor(space: TestSpace, folder: URL, tally: Tally, limits: ReadonlyMap<string, number>) {
    this.#space = space;
    this.#folder = folder;
    this.#tally = tally;
    this.#limits = limits;
  }

  runFile(file: string): void {
    this.#file = file;
    this.#current = { refused: 'no module' };
    this.#named = new Map();
    this.#registered = new Map();
    this.#space.clearHomes();
    const script = JSON.parse(readFileSync(new URL(file, this.#folder), 'utf8')) as Script;
    for (const command of script.commands) this.#run(command);
  }

  #deviation(command: Command, what: string): void {
    const field = command.action === undefined ? '' : ` ${command.action.field}`;
    this.#tally.deviations.push(`${this.#file}:${command.line} ${command.type}${field}: ${what}`);
  }

  #run(command: Command): void {
    switch (command.type) {
      case 'module':
        this.#module(command);
        return;
      case 'register':
        this.#registered.set(command.as ?? '', this.#find(command.name));
        return;
      case 'action':
      case 'assert_return':
      case 'assert_trap':
      case 'assert_exhaustion':
        this.#act(command);
        return;
      case 'assert_invalid':
      case 'assert_malformed':
      case 'assert_unlinkable':
      case 'assert_uninstantiable':
        this.#mustNotRun(command);
        return;
      default:
        this.#deviation(command, 'a command that the runner does not know');
    }
  }

  #find(name: string | undefined): Current {
    return name === undefined ? this.#current : (this.#named.get(name) ?? { refused: 'no such module' });
  }

  #bytes(command: Command): Uint8Array<ArrayBuffer> {
    return Uint8Array.from(readFileSync(new URL(command.filename ?? '', this.#folder)));
  }

  #module(command: Command): void {
    const bytes = this.#bytes(command);
    this.#current = { refused: 'it did not start' };
    try {
      const running = this.#instantiate(bytes);
      this.#current = running;
      this.#call(running, INIT_EXPORT, []);
      this.#tally.passed += 1;
    } catch (error) {
      if (error instanceof JordError) {
        this.#current = { refused: reasonOf(error) };
        Tally.count(this.#tally.refused, reasonOf(error));
        this.#disturb(bytes);
      } else this.#differs(command, this.#current, `a module that should run does not: ${String(error)}`);
    }
    if (command.name !== undefined) this.#named.set(command.name, this.#current);
  }

  /** A refused module would have got at what it imports. */
  #disturb(bytes: Uint8Array): void {
    for (const entry of decodeModule(bytes).imports) {
      const other = this.#registered.get(entry.module);
      if (other !== undefined && 'home' in other && entry.kind !== 'function') other.disturbed = true;
    }
  }

  /** Something is not as expected: permitted when it follows from what the ABI says, otherwise a deviation. */
  #differs(command: Command, current: Current, what: string): void {
    if ('home' in current && current.disturbed) {
      Tally.count(this.#tally.skipped, 'of a module that a refused one would have changed');
    } else if ('home' in current && current.importsMemory) Tally.count(this.#tally.permitted, OWN_MEMORY);
    else this.#deviation(command, what);
  }

  /** Host functions by `module.name`: those of `spectest`, and the exports of registered modules with their own base. */
  #offers(): { types: Map<string, FunctionType>; host: Record<string, HostFunction> } {
    const types = new Map<string, FunctionType>();
    const host: Record<string, HostFunction> = {};
    for (const [name, parameters] of PRINTS) {
      types.set(`spectest.${name}`, { parameters, results: [] });
      host[`spectest.${name}`] = () => undefined;
    }
    for (const [as, current] of this.#registered) {
      if ('refused' in current) continue;
      for (const { name, type } of current.guarded.exports) {
        const f = current.plain[name];
        if (typeof f !== 'function') continue;
        types.set(`${as}.${name}`, type);
        host[`${as}.${name}`] = (...values) => f(...values.slice(0, type.parameters.length), current.home.base);
      }
    }
    return { types, host };
  }

  #limitOf(bytes: Uint8Array): number | undefined {
    const limit = this.#limits.get(this.#file);
    if (limit !== undefined) return limit;
    const module = decodeModule(bytes);
    const memory = module.memories[0];
    // As tight as it goes, so that a trap of the specification is one here, unless the module wants to grow.
    if (memory === undefined || memory.minimum > 4096 || uses(module, OP_MEMORY_GROW)) return undefined;
    return memory.minimum * PAGE_SIZE;
  }

  #instantiate(bytes: Uint8Array<ArrayBuffer>): Running {
    const { types, host } = this.#offers();
    const valid = WebAssembly.validate(bytes);
    const limit = valid ? this.#limitOf(bytes) : undefined;
    const guarded = guardModule(bytes, { imports: types, ...(limit === undefined ? {} : { memoryLimitBytes: limit }) });
    const module = decodeModule(bytes);
    const shared = module.imports.find((i) => i.kind === 'memory' && i.module !== 'spectest');
    if (shared !== undefined) throw new JordError('MODULE_UNSUPPORTED', 'A memory of another module is imported');
    const home = this.#space.newHome(guarded.layout);
    this.#space.homeAt(home.base, guarded.layout);
    const plain = this.#space.link(guarded.bytes, host);
    const guardedTypes = guarded.exports.map(({ name, type }) => ({ name, type: withBase(type) }));
    const init = { name: INIT_EXPORT, type: withBase({ parameters: [], results: [] }) };
    const functions = adaptExports(plain, [...guardedTypes, init]);
    const importsMemory = module.imports.some((i) => i.kind === 'memory');
    return { original: bytes, guarded, home, functions, plain, host, importsMemory, disturbed: false };
  }

  /** Results as carriers. */
  #call(running: Running, name: string, values: readonly unknown[]): readonly unknown[] {
    const f = running.functions.get(name);
    if (f === undefined) throw new Error(`there is no export ${name}`);
    const result = f(...values, running.home.base);
    if (result === undefined) return [];
    return Array.isArray(result) ? result : [result];
  }

  #act(command: Command): void {
    const { action } = command;
    const current = this.#find(action?.module);
    if (action === undefined || 'refused' in current) {
      Tally.count(this.#tally.skipped, 'of a refused module');
      return;
    }
    if (action.type === 'get') {
      Tally.count(this.#tally.skipped, 'looks at an exported global');
      return;
    }
    const { home } = current;
    const start = home.start;
    const mayDiffer = command.text === 'out of bounds memory access';
    const before = mayDiffer ? this.#space.bytes.slice(start, start + home.layout.memoryLimit) : undefined;
    let results: readonly unknown[] | undefined;
    let error: unknown;
    this.#space.takeFault(home);
    try {
      results = this.#call(current, action.field, (action.args ?? []).flatMap(toCarried));
    } catch (thrown) {
      error = thrown;
    }
    const fault = this.#space.takeFault(home);
    if (command.type === 'assert_trap') {
      this.#judgeTrap(command, current, action, error, fault);
      // What it wrote where the specification has no memory must not be seen by the commands that follow.
      if (error === undefined && before !== undefined) this.#space.bytes.set(before, start);
    } else if (command.type === 'assert_exhaustion')
      this.#judge(command, current, error instanceof RangeError, String(error));
    else if (fault.kind === FAULT_ATOMIC_WAIT) Tally.count(this.#tally.permitted, WAIT);
    else if (results === undefined)
      this.#differs(command, current, `it traps: ${String(error)}, fault ${JSON.stringify(fault)}`);
    else if (command.type === 'action') this.#tally.passed += 1;
    else
      this.#judge(command, current, sameResults(results, command.expected ?? []), `it returns ${results.map(String)}`);
  }

  #judge(command: Command, current: Current, good: boolean, otherwise: string): void {
    if (good) this.#tally.passed += 1;
    else this.#differs(command, current, `${otherwise}, expected ${JSON.stringify(command.expected ?? command.text)}`);
  }

  #judgeTrap(command: Command, current: Running, action: Action, error: unknown, fault: TestFault): void {
    const text = command.text ?? '';
    if (error === undefined) {
      const behindSize = text === 'out of bounds memory access' && this.#isInLimit(current, action);
      if (behindSize) Tally.count(this.#tally.permitted, BEHIND_SIZE);
      else this.#differs(command, current, `it does not trap: ${text}`);
      return;
    }
    const message = error instanceof WebAssembly.RuntimeError ? error.message : `no trap: ${String(error)}`;
    let good: boolean;
    if (text === 'expected shared memory') good = fault.kind === FAULT_ATOMIC_WAIT;
    else if (/^out of bounds memory access/.test(text)) {
      good = fault.kind !== FAULT_NONE || /^memory access out of bounds/.test(message);
    } else {
      const known = TRAPS.some(([specification, v8]) => specification.test(text) && v8.test(message));
      good = known && fault.kind === FAULT_NONE;
    }
    this.#judge(command, current, good, message);
  }

  /** Whether the same works unguarded, in a memory of the limit and one page: then it was no escape. */
  #isInLimit(current: Running, action: Action): boolean {
    const { original, guarded, home, host } = current;
    const pages = guarded.layout.memoryMaximumPages + 1;
    const bytes = roomier(original, pages, this.#space.get32(home.base + HOME_MEMORY_PAGES));
    const f = adaptExports(this.#space.link(bytes, host), guarded.exports).get(action.field);
    if (f === undefined) return false;
    try {
      f(...(action.args ?? []).flatMap(toCarried));
      return true;
    } catch (error) {
      if (error instanceof WebAssembly.RuntimeError) return false;
      throw error;
    }
  }

  /** Modules that must be refused, or trap while they start. */
  #mustNotRun(command: Command): void {
    if (command.module_type === 'text') {
      Tally.count(this.#tally.skipped, 'is about the text format');
      return;
    }
    const bytes = this.#bytes(command);
    let current: Current = { refused: 'it did not start' };
    try {
      current = this.#instantiate(bytes);
      this.#call(current, INIT_EXPORT, []);
    } catch (error) {
      const fine = error instanceof JordError || error instanceof WebAssembly.RuntimeError;
      if (error instanceof JordError && WebAssembly.validate(bytes)) this.#disturb(bytes);
      this.#judge(command, current, fine, String(error));
      return;
    }
    // Such a module is valid in later versions of the specification; V8 is the judge of that.
    if (/invalid|malformed/.test(command.type)) Tally.count(this.#tally.skipped, 'is valid by now');
    else this.#differs(command, current, `it runs: ${command.text ?? ''}`);
  }
}
