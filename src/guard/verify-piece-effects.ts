/** What the pieces of verify-pieces.ts do. For each it is what interpreting it comes to. */
import { MARKED_BYTES } from './verify-access.ts';
import {
  type KnownPieces,
  PIECE_READ,
  PIECE_WRITE_FAR,
  SLOT_BACK,
  SLOT_LIMIT,
  SLOT_OFFSET,
  SLOT_POINTER,
  SLOT_SIZE,
} from './verify-pieces.ts';
import type { WalkState } from './verify-state.ts';
import { CAN_BE_HOME, CAN_BE_VMA, HOME_MAX } from './verify-translations.ts';
import { KIND_TRANSLATED, VALUE_MIXED } from './verify-values.ts';

export class PieceEffects {
  readonly #state: WalkState;
  readonly #pieces: KnownPieces;

  constructor(state: WalkState, pieces: KnownPieces) {
    this.#state = state;
    this.#pieces = pieces;
  }

  /** What a piece does, from its slots, which begin at `first`. */
  apply(piece: number, first: number): void {
    const { slots } = this.#pieces;
    const state = this.#state;
    const { values, translations, flow, proof } = state;
    const pointerLocal = slots[first + SLOT_POINTER] as number; // slots are inside the table
    const size = slots[first + SLOT_SIZE] as number;
    const limit = slots[first + SLOT_LIMIT] as number;
    const offset = slots[first + SLOT_OFFSET] as number;
    const back = slots[first + SLOT_BACK] as number;
    const write = piece !== PIECE_READ;
    state.tee(pointerLocal);
    const pointer = state.pop();
    if (values.isSecret(pointer)) throw state.refuse("a pointer that is not the function's own");
    const translation = translations.select(pointer, limit, (offset - back) | 0, flow.epoch);
    translations.setChecked(translation, back, size, write);
    const canBeHome = translations.can(translation, CAN_BE_HOME);
    if (translations.can(translation, CAN_BE_VMA)) {
      const address = offset === 0 ? pointer : values.sum(pointer, offset);
      if (offset !== 0) state.write(pointerLocal, canBeHome ? VALUE_MIXED : address);
      if (!canBeHome) proof.setChecked(address, size, write, flow.epoch);
    }
    if (write) {
      const marked = piece === PIECE_WRITE_FAR ? offset : 0;
      const homeMax = translations.get(translation, HOME_MAX);
      const isInMap = marked >= 0 && homeMax + marked < proof.mapEnd;
      if (canBeHome && !isInMap) throw state.refuse('a mark that may be outside of the dirty map');
      if (canBeHome) proof.markBelow(pointer, marked, homeMax);
      translations.setMarked(translation, marked + state.context.layout.headerSize, MARKED_BYTES);
    }
    flow.push(values.make(KIND_TRANSLATED, translation, 0));
  }
}
