/** What came of the commands of the tests, and the report of it. */
import type { Difference } from './abi.ts';

/** How often each thing happened. */
export type Counts = ReadonlyMap<string, number>;

function add(counts: Map<string, number>, key: string, count = 1): void {
  counts.set(key, (counts.get(key) ?? 0) + count);
}

function sum(counts: Counts): number {
  return [...counts.values()].reduce((a, b) => a + b, 0);
}

export class Tally {
  files = 0;
  /** Commands that did what the specification says, by type. */
  readonly #passed = new Map<string, number>();
  /** Those of the second life, and of modules linked with `spectest`. They do not count as passed. */
  passedAgain = 0;
  passedLinked = 0;
  linked = 0;
  readonly #refused = new Map<string, number>();
  readonly #differences = new Map<string, number>();
  readonly #notRun = new Map<string, number>();
  /** What should not have happened, with file and line. */
  readonly failures: string[] = [];

  get passed(): number {
    return sum(this.#passed);
  }

  get refused(): number {
    return sum(this.#refused);
  }

  /** A command did what the specification says. */
  pass(type: string): void {
    add(this.#passed, type);
  }

  /** A module was refused, for a reason that the ABI states. */
  refuse(reason: string): void {
    add(this.#refused, reason);
  }

  /** A command came out as the ABI says, not as the specification does. */
  differ(difference: Difference): void {
    add(this.#differences, difference);
  }

  /** A command cannot be run. */
  skip(reason: string): void {
    add(this.#notRun, reason);
  }

  fail(where: string, what: string): void {
    this.failures.push(`${where}: ${what}`);
  }

  /** Lines for a person; not the failures. */
  report(): string[] {
    const { files, passed, failures } = this;
    const list = (title: string, counts: Counts): string[] =>
      [...counts].sort((a, b) => b[1] - a[1]).map(([key, count]) => `${title}: ${count} × ${key}`);
    return [
      `${files} files, ${passed} commands passed, ${failures.length} failed, ${this.refused} modules refused, ` +
        `${sum(this.#differences)} differences that the ABI states, ${sum(this.#notRun)} commands not run`,
      `${this.passedAgain} passed again in homes that were used before; ` +
        `${this.passedLinked} more in ${this.linked} modules linked with what they import from spectest`,
      ...list('passed', this.#passed),
      ...list('refused', this.#refused),
      ...list('difference', this.#differences),
      ...list('not run', this.#notRun),
    ];
  }
}
