/** What the pieces of verify-pieces.ts do. For each it is what interpreting it comes to. */
import { VTE_WRITE_END } from '../../core/layout.ts';
import { MARKED_BYTES } from './verify-access.ts';
import {
  type KnownPieces,
  PIECE_CHECK,
  PIECE_WRITE,
  SLOT_BACK,
  SLOT_END,
  SLOT_ENTRY,
  SLOT_GRANULE,
  SLOT_LIMIT,
  SLOT_OFFSET,
  SLOT_POINTER,
  SLOT_SIZE,
} from './verify-pieces.ts';
import type { WalkState } from './verify-state.ts';
import { CAN_BE_HOME, CAN_BE_VMA, HOME_MAX } from './verify-translations.ts';
import { KIND_GRANULE, KIND_TRANSLATED, KIND_VTE, VALUE_MIXED } from './verify-values.ts';

export class PieceEffects {
  readonly #state: WalkState;
  readonly #pieces: KnownPieces;

  constructor(state: WalkState, pieces: KnownPieces) {
    this.#state = state;
    this.#pieces = pieces;
  }

  /** What a piece of verify-pieces.ts does, from its slots. */
  apply(piece: number, first: number): void {
    const { slots } = this.#pieces;
    const values = this.#state.values;
    const translations = this.#state.translations;
    const flow = this.#state.flow;
    const pointerLocal = slots[first + SLOT_POINTER] as number; // slots are inside the table
    const size = slots[first + SLOT_SIZE] as number;
    const write = (slots[first + SLOT_END] as number) === VTE_WRITE_END;
    if (piece !== PIECE_CHECK) this.#state.tee(pointerLocal);
    const pointer = piece === PIECE_CHECK ? this.#state.readLocal(pointerLocal) : this.#state.pop();
    if (values.isSecret(pointer)) throw this.#state.refuse("a pointer that is not the function's own");
    if (piece === PIECE_CHECK) {
      this.#writeFound(slots[first + SLOT_ENTRY] as number, slots[first + SLOT_GRANULE] as number, pointer, false);
      this.#state.proof.setChecked(pointer, size, write, flow.epoch);
      return;
    }
    const offset = slots[first + SLOT_OFFSET] as number;
    const back = slots[first + SLOT_BACK] as number;
    const translation = translations.select(
      pointer,
      slots[first + SLOT_LIMIT] as number,
      (offset - back) | 0,
      flow.epoch,
    );
    translations.setChecked(translation, back, size, write);
    const canBeHome = translations.can(translation, CAN_BE_HOME);
    if (translations.can(translation, CAN_BE_VMA)) {
      const address = offset === 0 ? pointer : values.sum(pointer, offset);
      if (offset !== 0) this.#state.write(pointerLocal, canBeHome ? VALUE_MIXED : address);
      this.#writeFound(slots[first + SLOT_ENTRY] as number, slots[first + SLOT_GRANULE] as number, address, canBeHome);
      if (!canBeHome) this.#state.proof.setChecked(address, size, write, flow.epoch);
    }
    if (piece === PIECE_WRITE) {
      const homeMax = translations.get(translation, HOME_MAX);
      const isInMap = offset >= 0 && homeMax + offset < this.#state.proof.mapEnd;
      if (canBeHome && !isInMap) throw this.#state.refuse('a mark that may be outside of the dirty map');
      if (canBeHome) this.#state.proof.markBelow(pointer, offset, homeMax);
      translations.setMarked(translation, offset + this.#state.context.layout.headerSize, MARKED_BYTES);
    }
    flow.push(values.make(KIND_TRANSLATED, translation, 0));
  }

  /** What a look-up leaves in its locals; forgotten where there is another path on which it is not made. */
  #writeFound(entryLocal: number, granuleLocal: number, address: number, isForgotten: boolean): void {
    const values = this.#state.values;
    const granule = values.make(KIND_GRANULE, address, this.#state.flow.epoch);
    this.#state.write(granuleLocal, granule);
    this.#state.write(entryLocal, values.make(KIND_VTE, address, granule));
    if (!isForgotten) return;
    this.#state.write(granuleLocal, VALUE_MIXED);
    this.#state.write(entryLocal, VALUE_MIXED);
  }
}
