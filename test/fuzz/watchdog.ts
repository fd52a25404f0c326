/** Ends the process when one case takes too long, and says which: a loop that does not end holds the thread that could say it. */
import { Worker } from 'node:worker_threads';

/** A case takes milliseconds; one with a module of binaryen, on a busy machine, a few seconds. */
const STUCK_MS = 120_000;

/** In so many parts, so that a process that was stopped and goes on is not taken for one that is stuck. */
const PARTS = 10;

const PROGRAM = `
  const { workerData } = require('node:worker_threads');
  const { words, text, stuckMs, parts } = workerData;
  for (let seen = -1, still = 0; ; ) {
    const now = Atomics.load(words, 0);
    still = now === seen && Atomics.load(words, 1) !== 0 ? still + 1 : 0;
    seen = now;
    if (still > parts) {
      const name = Buffer.from(text.slice(0, Atomics.load(words, 1))).toString();
      require('node:fs').writeSync(2, 'STUCK: ' + name + '\\n');
      process.kill(process.pid, 'SIGKILL');
    }
    Atomics.wait(words, 0, now, stuckMs / parts);
  }`;

export class Watchdog {
  /** How many cases were begun, and how long the name of the one that runs is; 0 when none does. */
  readonly #words = new Int32Array(new SharedArrayBuffer(8));
  readonly #text = new Uint8Array(new SharedArrayBuffer(256));

  constructor(stuckMs: number = STUCK_MS) {
    const workerData = { words: this.#words, text: this.#text, stuckMs, parts: PARTS };
    new Worker(PROGRAM, { eval: true, execArgv: [], workerData }).unref();
  }

  /** A case begins. */
  begin(name: string): void {
    const { written } = new TextEncoder().encodeInto(name, this.#text);
    Atomics.store(this.#words, 1, written);
    Atomics.add(this.#words, 0, 1);
  }

  /** No case runs. */
  pause(): void {
    Atomics.store(this.#words, 1, 0);
    Atomics.add(this.#words, 0, 1);
  }
}
