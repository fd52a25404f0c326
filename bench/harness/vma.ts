/**
 * VMAs made by hand: granule table, VTEs and grants as PrivLib fills them (core/free-lists.ts, core/vma-table.ts,
 * core/grant.ts), without the lists of what is free and what a PD owns, which the guard does not read. None is given
 * back.
 */
import {
  CLASS_SHIFT_MIN,
  GRANT_FACTOR_A,
  GRANT_MASK,
  GRANT_SHIFT,
  GRANTS_ORPHAN,
  GRANULE_COUNT,
  GRANULE_FIRST,
  GRANULE_SHIFT,
  GRANULE_TABLE,
  HOME_GRANT_TABLE_A,
  HOME_GRANTS,
  HOME_LAST_READ_LENGTH,
  HOME_LAST_WRITE_LENGTH,
  NULL_SHIFT,
  NULL_VTE,
  OWNER_NOBODY,
  PERMISSION_READ,
  VTE_AREA,
  VTE_END,
  VTE_GRANTS,
  VTE_OWNER,
  VTE_READ_END,
  VTE_SHIFT,
  VTE_START,
  VTE_WRITE_END,
  VTES_SIZE,
} from '../../core/layout.ts';

export interface VmaTable {
  /**
   * Address of a new VMA of exactly this many bytes, all zero, for its owner to read and write. Throws a RangeError when
   * it is too large or its class is full.
   */
  readonly create: (length: number, owner: number) => number;
  /** Nobody owns the VMA any more, and this PD has a grant to read it. Throws a RangeError when its slot is taken. */
  readonly share: (address: number, holder: number) => void;
}

/** Each class up to this one, 2 MiB, has one granule: the first ones that PrivLib reserves. */
const CLASS_SHIFT_LAST = 21;

function granuleOf(shift: number): number {
  return GRANULE_FIRST + shift - CLASS_SHIFT_MIN;
}

function word(view: DataView, address: number): number {
  return view.getUint32(address, true);
}

function setWord(view: DataView, address: number, value: number): void {
  view.setUint32(address, value, true);
}

function fillGranuleTable(view: DataView): void {
  for (let granule = 0; granule < GRANULE_COUNT; granule++) {
    setWord(view, GRANULE_TABLE + 8 * granule, NULL_SHIFT);
    setWord(view, GRANULE_TABLE + 8 * granule + 4, NULL_VTE);
  }
  for (let shift = CLASS_SHIFT_MIN; shift <= CLASS_SHIFT_LAST; shift++) {
    const granule = granuleOf(shift);
    const firstVte = VTE_AREA + (granule - GRANULE_FIRST) * VTES_SIZE;
    setWord(view, GRANULE_TABLE + 8 * granule, shift);
    setWord(view, GRANULE_TABLE + 8 * granule + 4, firstVte - (((granule << GRANULE_SHIFT) >>> shift) << VTE_SHIFT));
  }
}

function vteOf(view: DataView, address: number): number {
  const granule = GRANULE_TABLE + 8 * (address >>> GRANULE_SHIFT);
  return (((address >>> word(view, granule)) << VTE_SHIFT) + word(view, granule + 4)) >>> 0;
}

function fillVte(view: DataView, start: number, shift: number, length: number, owner: number): void {
  const vte = vteOf(view, start);
  setWord(view, vte + VTE_OWNER, owner);
  setWord(view, vte + VTE_READ_END, start + length);
  setWord(view, vte + VTE_WRITE_END, start + length);
  setWord(view, vte + VTE_END, start + length);
  setWord(view, vte + VTE_START, start | shift);
}

function share(view: DataView, address: number, holder: number): void {
  const vte = vteOf(view, address);
  const slot = holder + HOME_GRANT_TABLE_A + ((Math.imul(vte, GRANT_FACTOR_A) >>> GRANT_SHIFT) & GRANT_MASK);
  if (word(view, slot) !== 0) throw new RangeError('no room for another grant');
  setWord(view, vte + VTE_OWNER, OWNER_NOBODY);
  setWord(view, vte + VTE_GRANTS, GRANTS_ORPHAN + 1);
  setWord(view, slot, vte | PERMISSION_READ);
  setWord(view, holder + HOME_GRANTS, word(view, holder + HOME_GRANTS) + 1);
  // The holder has lost the rest.
  setWord(view, holder + HOME_LAST_READ_LENGTH, 0);
  setWord(view, holder + HOME_LAST_WRITE_LENGTH, 0);
}

/** In an address space whose tables are untouched. */
export function createVmaTable(view: DataView): VmaTable {
  fillGranuleTable(view);
  /** How many VMAs of each class there are. */
  const counts = new Map<number, number>();
  return {
    create: (length, owner) => {
      const shift = Math.max(CLASS_SHIFT_MIN, Math.ceil(Math.log2(length)));
      const count = counts.get(shift) ?? 0;
      if (shift > CLASS_SHIFT_LAST || count >= 2 ** (GRANULE_SHIFT - shift)) {
        throw new RangeError(`no room for a VMA of ${length} bytes`);
      }
      counts.set(shift, count + 1);
      const start = granuleOf(shift) * 2 ** GRANULE_SHIFT + count * 2 ** shift;
      fillVte(view, start, shift, length, owner);
      return start;
    },
    share: (address, holder) => share(view, address, holder),
  };
}
