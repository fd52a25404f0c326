/**
 * The idealised insecure system: the same server in one address space, without guard and without protection domains.
 *
 * What is the same, to the line: dispatcher, queues between threads, executors and their run loops, stacks for what waits,
 * the frame with `try` and `catch` around nested calls. What is taken out: the guard (functions are compiled for addresses of
 * their own and access memory as the compiler made it), and all of PrivLib that checks, restores or clears (privlib.ts).
 *
 * The server has no switch for it. It is started as it is, with another PrivLib in its address space; and what the main
 * thread tells its executors of functions passes through here, where other modules take the place of those that were proven.
 */
import { Worker } from 'node:worker_threads';
import type { ApplicationRequest } from '../../../apps/application.ts';
import { deployApplication, localTarget } from '../../../apps/deploy.ts';
import type { PortableFunction, ToExecutor } from '../../../src/server/messages.ts';
import { type AddressSpace, createAddressSpace, instantiatePrivLib } from '../../../src/server/privlib.ts';
import { resolveOptions } from '../../../src/server/settings.ts';
import { LocalWorkerServer } from '../../../src/server/worker-server.ts';
import { frontsOf, profileOf, serverOptions, submitTo } from '../jord.ts';
import type { Completion, Profile, Subject, System, SystemOptions } from '../system.ts';
import { DATA_SIZE, unsafeModule } from './compile.ts';
import { UNSAFE_HOMES_END_MIB, unsafePrivLib } from './privlib.ts';

const DATA_START = UNSAFE_HOMES_END_MIB * 2 ** 20;
const DATA_END = 2 ** 31;
/** Where in a home the invocation's memory begins: behind all that the header of a home ever holds. */
const ARENA_OFFSET = 4096;

/** For each executor the modules by the names of their functions: its own, since the data of a function is at one address. */
const substitutes: ReadonlyMap<string, WebAssembly.Module>[] = [];
/** The threads of executors, in the order in which they were first told of a function. */
const executorThreads: Worker[] = [];

function substitute(installed: PortableFunction, thread: Worker): PortableFunction {
  if (!executorThreads.includes(thread)) executorThreads.push(thread);
  const module = substitutes[executorThreads.indexOf(thread)]?.get(installed.name);
  if (module === undefined) throw new Error(`${installed.name} has no module without a guard`);
  return { ...installed, module };
}

/** From now on, executors of this process are told of modules without a guard. */
function interpose(): void {
  const post = Worker.prototype.postMessage;
  Worker.prototype.postMessage = function (this: Worker, message: unknown, ...rest): void {
    const told = message as Partial<ToExecutor>;
    const isInstall = told.kind === 'install' && 'installed' in told;
    const passed = isInstall ? { ...told, installed: substitute(told.installed as PortableFunction, this) } : message;
    post.call(this, passed, ...rest);
  };
}

/** Modules of all functions, whose data begins at this address. */
async function unsafeModules(
  { application, modules }: Subject,
  dataStart: number,
): Promise<ReadonlyMap<string, WebAssembly.Module>> {
  const made = new Map<string, WebAssembly.Module>();
  for (const [i, { name, source }] of application.functions.entries()) {
    const memoryBase = dataStart + i * DATA_SIZE;
    if (memoryBase + DATA_SIZE > DATA_END) throw new Error('there is no room for the data of so many functions');
    const module = modules.get(name);
    if (module === undefined) throw new Error(`${name} has no module`);
    const unsafe = await unsafeModule({ name, source, module, memoryBase, arenaOffset: ARENA_OFFSET });
    made.set(name, await WebAssembly.compile(new Uint8Array(unsafe)));
  }
  return made;
}

/** The address space of a server, with PrivLib as it is replaced by one without protection. */
async function unsafeAddressSpace(callDepthMax: number): Promise<AddressSpace> {
  const { waiting, memory } = createAddressSpace({ callDepthMax });
  const privLib = new WebAssembly.Module(new Uint8Array(await unsafePrivLib()));
  const addressSpace = { waiting, memory, privLib };
  // What was prepared for the other one is prepared anew.
  new Uint8Array(memory.buffer, 0, 2 ** 20).fill(0);
  const status = instantiatePrivLib(addressSpace).initialise(callDepthMax);
  if (status !== 0) throw new Error(`PrivLib cannot be initialised: status ${status}`);
  return addressSpace;
}

export class UnsafeSystem implements System {
  readonly #options: SystemOptions;
  #server: LocalWorkerServer | undefined;
  #fronts: ReadonlySet<string> = new Set();

  constructor(options: SystemOptions = {}) {
    this.#options = options;
  }

  async start(subject: Subject): Promise<void> {
    const settings = resolveOptions(serverOptions(this.#options));
    for (let i = 0; i < settings.executors; i++) {
      substitutes.push(await unsafeModules(subject, DATA_START + i * subject.application.functions.length * DATA_SIZE));
    }
    this.#fronts = frontsOf(subject.application);
    interpose();
    const addressSpace = await unsafeAddressSpace(settings.callDepthMax);
    const log = serverOptions(this.#options).log ?? (() => {});
    this.#server = new LocalWorkerServer(undefined, addressSpace, settings, log);
    await this.#server.start();
    await deployApplication(localTarget(this.#server), subject.application, subject.dataSet);
  }

  submit(request: ApplicationRequest, callback: Completion): void {
    submitTo(this.#server, request, callback);
  }

  readonly poll = (): boolean => this.#server?.poll() ?? false;

  readonly profile = (): Promise<Profile> => profileOf(this.#server, this.#fronts);

  async stop(): Promise<void> {
    await this.#server?.stop();
  }
}
