/** Runs the test files of the specification through the guard, each module in a PD, and sorts what happens. */
import { readFileSync } from 'node:fs';
import { JordError } from '../../src/errors.ts';
import type { FaultDetails } from '../../src/server/types.ts';
import { type Difference, isStated, reasonOf } from './abi.ts';
import { isBehindSize } from './behind-size.ts';
import { isTrap } from './faults.ts';
import { linkSpectest } from './linked.ts';
import { type Current, isDisturbed, Loader, type Running } from './loader.ts';
import { ModuleHost, type Outcome } from './modules.ts';
import { type Action, type Command, type Script, sameResults, toCarried } from './script.ts';
import type { Tally } from './tally.ts';

const OUTSIDE_MEMORY = 'out of bounds memory access';
const OWN_MEMORY: Difference = 'an imported memory is the home, of the size that the module declares';
const WAIT: Difference = 'memory.atomic.wait traps';
const BEHIND_SIZE: Difference = 'an access behind memory.size, within the limit and its red zone';
const NO_GLOBALS: Difference = 'an exported global cannot be looked at';
const MORE_TABLES: Difference = 'more than one table, which was not valid once';

export class Runner {
  readonly #modules = new ModuleHost();
  readonly #loader = new Loader(this.#modules);
  readonly #folder: URL;
  readonly #tally: Tally;
  #file = '';
  /** What the `module` commands of the file have brought, for the second life. */
  #loaded = new Map<Command, Current>();
  #isSecondLife = false;
  #current: Current = { refused: 'no module' };
  #named = new Map<string, Current>();
  #registered = new Map<string, Current>();

  constructor(folder: URL, tally: Tally) {
    this.#folder = folder;
    this.#tally = tally;
  }

  /**
   * Runs a file twice: first from the bytes of its modules on, then in new PDs, whose homes are those that the first ones
   * left, as it is with invocations.
   */
  async runFile(file: string): Promise<void> {
    this.#file = file;
    this.#tally.files += 1;
    this.#loaded = new Map();
    this.#loader.isEntangled = false;
    const script = JSON.parse(readFileSync(new URL(file, this.#folder), 'utf8')) as Script;
    await this.#live(script, false);
    // Initialisers do not run again, so what they did to other modules would be missing.
    if (!this.#loader.isEntangled) await this.#live(script, true);
    for (const current of this.#loaded.values()) {
      if ('module' in current) this.#modules.discard(current.module);
    }
    this.#modules.expectEmpty();
  }

  async #live(script: Script, isSecondLife: boolean): Promise<void> {
    this.#isSecondLife = isSecondLife;
    this.#current = { refused: 'no module' };
    this.#named = new Map();
    this.#registered = new Map();
    for (const command of script.commands) await this.#run(command);
    for (const current of this.#loaded.values()) {
      if ('module' in current) this.#modules.end(this.#modules.lifeOf(current.module));
    }
  }

  async #run(command: Command): Promise<void> {
    switch (command.type) {
      case 'module':
        this.#current = this.#isSecondLife ? this.#reborn(command) : await this.#module(command);
        this.#loaded.set(command, this.#current);
        if (command.name !== undefined) this.#named.set(command.name, this.#current);
        return;
      case 'register':
        this.#registered.set(command.as ?? '', this.#find(command.name));
        return;
      case 'action':
      case 'assert_return':
      case 'assert_trap':
      case 'assert_exhaustion':
      case 'assert_exception':
        this.#act(command);
        return;
      case 'assert_invalid':
      case 'assert_malformed':
        if (!this.#isSecondLife) await this.#mustBeInvalid(command);
        return;
      case 'assert_unlinkable':
      case 'assert_uninstantiable':
        if (!this.#isSecondLife) await this.#mustNotStart(command);
        return;
      default:
        this.#fail(command, 'a command that the runner does not know');
    }
  }

  #pass(command: Command, current?: Running): void {
    if (this.#isSecondLife) this.#tally.passedAgain += 1;
    else if (current?.isLinked === true) this.#tally.passedLinked += 1;
    else this.#tally.pass(command.type);
  }

  #fail(command: Command, what: string): void {
    const field = command.action === undefined ? '' : ` ${command.action.field}`;
    const life = this.#isSecondLife ? ', second life' : '';
    this.#tally.fail(`${this.#file}:${command.line} ${command.type}${field}${life}`, what);
  }

  /** What comes out the same in both lives is told of once. */
  #differ(difference: Difference): void {
    if (!this.#isSecondLife) this.#tally.differ(difference);
  }

  #skip(reason: string): void {
    if (!this.#isSecondLife) this.#tally.skip(reason);
  }

  #find(name: string | undefined): Current {
    return name === undefined ? this.#current : (this.#named.get(name) ?? { refused: 'no such module' });
  }

  #bytes(command: Command): Uint8Array<ArrayBuffer> {
    return Uint8Array.from(readFileSync(new URL(command.filename ?? '', this.#folder)));
  }

  /**
   * Starts the module of a test as it is. Where it needs more of `spectest` than functions, the commands that follow are for
   * the module that has these as its own.
   */
  async #module(command: Command): Promise<Current> {
    const bytes = this.#bytes(command);
    const asItIs = await this.#start(command, bytes, false);
    const linked = linkSpectest(bytes);
    if (linked === undefined) {
      if (!('module' in asItIs) || asItIs.sharesMemory) this.#disturb(bytes);
      return asItIs;
    }
    if ('module' in asItIs) this.#forget(asItIs);
    return this.#start(command, linked, true);
  }

  async #start(command: Command, bytes: Uint8Array<ArrayBuffer>, isLinked: boolean): Promise<Current> {
    try {
      const running = await this.#loader.start(bytes, this.#registered, isLinked);
      if (isLinked) this.#tally.linked += 1;
      this.#pass(command, running);
      return running;
    } catch (error) {
      if (!(error instanceof JordError)) throw error;
      const refused = reasonOf(error);
      const isOutside = error.code === 'MODULE_INIT_FAILED' && error.details['fault'] === 'memory-access';
      if (isStated(refused)) {
        // Of a module that was linked, what it is refused for as it is has been counted.
        if (!isLinked) this.#tally.refuse(refused);
      } else if (isOutside && importsMemory(bytes)) {
        this.#differ(OWN_MEMORY);
      } else this.#fail(command, `the module does not start: ${error.message}`);
      return { refused };
    }
  }

  /** A module would have got at what it imports, which is not there for it. */
  #disturb(bytes: Uint8Array<ArrayBuffer>): void {
    if (!WebAssembly.validate(bytes)) return;
    for (const entry of WebAssembly.Module.imports(new WebAssembly.Module(bytes))) {
      const other = this.#registered.get(entry.module);
      if (other !== undefined && 'module' in other && entry.kind !== 'function') other.isDisturbed = true;
    }
  }

  #forget({ module }: Running): void {
    this.#modules.end(this.#modules.lifeOf(module));
    this.#modules.discard(module);
  }

  /** The second life of a module begins as the first did. */
  #reborn(command: Command): Current {
    const current = this.#loaded.get(command) ?? { refused: 'no module' };
    if (!('module' in current)) return current;
    const life = this.#modules.begin(current.module);
    if (this.#modules.snapshot(life).equals(current.snapshot)) this.#pass(command);
    else this.#fail(command, 'the home is not as it was at the beginning of the first life');
    return current;
  }

  #act(command: Command): void {
    const { action } = command;
    const current = this.#find(action?.module);
    if (action === undefined) this.#fail(command, 'there is no action');
    else if ('refused' in current) this.#skip(`of a module that is not there. ${current.refused}`);
    else if (action.type === 'get') this.#differ(NO_GLOBALS);
    else this.#invoke(command, action, current);
  }

  #invoke(command: Command, action: Action, current: Running): void {
    const life = this.#modules.lifeOf(current.module);
    const memory = this.#modules.memoryOf(life);
    const pages = this.#modules.pagesOf(life);
    const before = command.text === OUTSIDE_MEMORY ? memory.slice() : undefined;
    const values = (action.args ?? []).flatMap(toCarried);
    const outcome = this.#modules.invoke(life, action.field, values);
    const expected = command.expected ?? [];
    if ('fault' in outcome) {
      this.#judgeFault(command, current, outcome.fault);
    } else if (before !== undefined) {
      const { bytes, host, module } = current;
      const after = memory.slice();
      // What it wrote where the specification has no memory must not be seen by the commands that follow.
      memory.set(before);
      const access = { name: action.field, values, results: outcome.results, pages, before, after };
      if (isBehindSize(bytes, module.exports, host, access)) this.#differ(BEHIND_SIZE);
      else this.#differs(command, current, 'it does not trap');
    } else if (command.text !== undefined) {
      this.#differs(command, current, `it does not trap: ${command.text}`);
    } else if (command.type === 'action' || sameResults(outcome.results, expected)) {
      this.#pass(command, current);
    } else {
      this.#differs(command, current, `${shown(outcome)}, expected ${JSON.stringify(expected)}`);
    }
  }

  #judgeFault(command: Command, current: Running, fault: FaultDetails): void {
    const text = command.type === 'assert_exception' ? 'exception' : command.text;
    if (text !== undefined && isTrap(text, fault)) this.#pass(command, current);
    else if (fault.fault === 'atomic-wait') this.#differ(WAIT);
    else this.#differs(command, current, `${shown({ fault })}, expected ${text ?? 'no fault'}`);
  }

  /** Something is not as expected: stated when it follows from what the ABI says, otherwise a failure. */
  #differs(command: Command, current: Running, what: string): void {
    if (isDisturbed(current)) this.#skip('of a module that another one would have changed, which cannot here');
    else if (current.sharesMemory) this.#differ(OWN_MEMORY);
    else this.#fail(command, what);
  }

  async #mustBeInvalid(command: Command): Promise<void> {
    if (command.module_type === 'text') {
      this.#skip('about the text format');
      return;
    }
    const bytes = this.#bytes(command);
    const error = await this.#errorOf(bytes);
    // The tests of a proposal may know less than V8 and the guard do. What they do not know is refused here, or:
    if (error === undefined && command.text === 'multiple tables') this.#differ(MORE_TABLES);
    else if (error === undefined) this.#fail(command, `it starts: ${command.text}`);
    else this.#judgeRefusal(command, error, WebAssembly.validate(bytes) ? isStated(reasonOf(error)) : isInvalid(error));
  }

  #judgeRefusal(command: Command, error: JordError, isRight: boolean): void {
    if (isRight) this.#pass(command);
    else this.#fail(command, `expected ${command.text}, got ${error.code}: ${error.message}`);
  }

  /** The error of a module that must not come into being; it goes again when it does. */
  async #errorOf(bytes: Uint8Array): Promise<JordError | undefined> {
    try {
      this.#forget(await this.#loader.start(bytes, this.#registered));
      return undefined;
    } catch (error) {
      if (error instanceof JordError) return error;
      throw error;
    }
  }

  async #mustNotStart(command: Command): Promise<void> {
    const bytes = this.#bytes(command);
    const error = await this.#errorOf(bytes);
    if (error === undefined) {
      if (importsMemory(bytes)) this.#differ(OWN_MEMORY);
      else this.#fail(command, `it starts: ${command.text}`);
      return;
    }
    const isRefused = error.code !== 'MODULE_INIT_FAILED' && isStated(reasonOf(error));
    if (isRefused) this.#disturb(bytes);
    if (command.type === 'assert_unlinkable') this.#judgeRefusal(command, error, isRefused);
    else if (isRefused) this.#tally.refuse(reasonOf(error));
    else this.#judgeRefusal(command, error, isTrap(command.text ?? '', error.details as unknown as FaultDetails));
  }
}

function importsMemory(bytes: Uint8Array<ArrayBuffer>): boolean {
  return WebAssembly.Module.imports(new WebAssembly.Module(bytes)).some(({ kind }) => kind === 'memory');
}

function isInvalid(error: JordError): boolean {
  return error.code === 'MODULE_MALFORMED';
}

function shown(outcome: Outcome): string {
  if ('fault' in outcome) return `${outcome.fault.fault}: ${outcome.fault.reason}`;
  return `it returns ${outcome.results.map(String).join(', ')}`;
}
