/**
 * Finds the highest load that a system bears, from probes that others make: so searches of several systems can take turns.
 * The load is doubled until one is too much; then what lies between is halved, as a ratio, until it is narrow enough.
 */

export interface LoadSearchOptions {
  /** The first load that is tried. */
  readonly first: number;
  /** It ends when the lowest load that was too much is at most this many times the highest that was borne. Above 1. */
  readonly precision: number;
  /** No load above this is tried. */
  readonly most?: number;
}

/** Below `first` it goes down so many times by half, then nothing is borne. */
const HALVINGS_MAX = 8;

export class LoadSearch {
  readonly #options: LoadSearchOptions;
  readonly #most: number;
  /** Highest load that was borne, 0 for none; lowest that was too much. */
  #borne = 0;
  #tooMuch = Number.POSITIVE_INFINITY;

  constructor(options: LoadSearchOptions) {
    if (!(options.first > 0 && options.precision > 1)) throw new RangeError('a search needs a load and a precision');
    this.#options = options;
    this.#most = options.most ?? Number.POSITIVE_INFINITY;
  }

  /** The load to probe next; undefined when it has ended. */
  get next(): number | undefined {
    const { first, precision } = this.#options;
    if (this.#borne === 0) {
      if (this.#tooMuch === Number.POSITIVE_INFINITY) return Math.min(first, this.#most);
      const lower = this.#tooMuch / 2;
      return lower < first / 2 ** HALVINGS_MAX ? undefined : lower;
    }
    if (this.#tooMuch === Number.POSITIVE_INFINITY) {
      return this.#borne >= this.#most ? undefined : Math.min(2 * this.#borne, this.#most);
    }
    return this.#tooMuch / this.#borne <= precision ? undefined : Math.sqrt(this.#borne * this.#tooMuch);
  }

  /** What came of a probe. One that contradicts what is known already is taken as it is, so that noise cannot end it apart. */
  report(load: number, isBorne: boolean): void {
    if (isBorne) this.#borne = Math.max(this.#borne, Math.min(load, this.#tooMuch));
    else this.#tooMuch = Math.min(this.#tooMuch, load);
  }

  /** The highest load that was borne; 0 when none was. */
  get result(): number {
    return this.#borne;
  }
}
