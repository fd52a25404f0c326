/**
 * Looks at everything in an address space by core/layout.ts, and says where what it finds does not fit together: each VMA, home,
 * PD and invocation record must be in exactly one place, and whoever counts must be right. For moments at which no thread is in the
 * midst of an operation; PDs may live and invocations be under way.
 */
import assert from 'node:assert/strict';
import * as L from '../core/layout.ts';
import { StoreInspector } from './store-census.ts';

/** What is in use, and what there is of it. */
export interface Census {
  readonly vmas: number;
  readonly vmasFree: number;
  readonly pds: number;
  readonly homes: number;
  /** Invocation records. */
  readonly records: number;
  readonly recordsFree: number;
}

interface Home {
  readonly base: number;
  readonly state: number;
  readonly executor: number;
  readonly descriptor: number;
  readonly size: number;
}

const LIVE_STATES: ReadonlySet<number> = new Set([L.PD_CREATED, L.PD_RUNNING, L.PD_SUSPENDED]);

/** Throws an AssertionError when anything is wrong. */
export function takeCensus(memory: WebAssembly.Memory): Census {
  return new Inspector(memory).inspect();
}

class Inspector {
  readonly #memory: WebAssembly.Memory;
  readonly #words: Uint32Array;
  readonly #executors: number[] = [];
  readonly #homes = new Map<number, Home>();
  /** Records in use, and free ones by the list that has them. */
  readonly #records = new Set<number>();
  /** Grants by VTE, over all PDs. */
  readonly #grants = new Map<number, number>();
  /** VTEs that lists of owners, records, and free lists have. */
  readonly #placed = new Map<number, string>();
  #store: StoreInspector | undefined;

  constructor(memory: WebAssembly.Memory) {
    this.#memory = memory;
    this.#words = new Uint32Array(memory.buffer, 0, 2 ** 29);
    for (let i = 0; i < this.#word(L.CONTROL_EXECUTORS); i++)
      this.#executors.push(L.EXECUTOR_TABLE + i * L.EXECUTOR_SIZE);
  }

  inspect(): Census {
    assert.equal(this.#word(L.CONTROL_LOCK), 0, 'the lock is free');
    this.#readHomes();
    this.#checkPools();
    this.#checkFunctions();
    this.#checkHomeMemory();
    const recordsFree = this.#checkRecords();
    this.#checkChildren();
    this.#countGrants();
    this.#store = new StoreInspector(this.#memory, (vte, place) => this.#place(vte, place));
    const vmas = this.#checkVmas();
    const pds = [...this.#homes.values()].filter(({ state }) => LIVE_STATES.has(state)).length;
    assert.equal(this.#sum(L.EXECUTOR_PDS), pds, 'executors count the PDs that live');
    return { ...vmas, pds, homes: this.#homes.size, records: this.#records.size, recordsFree };
  }

  #word(address: number): number {
    return this.#words[address >>> 2] ?? 0;
  }

  /** Of a counter that means something only over all executors. */
  #sum(field: number): number {
    return this.#executors.reduce((sum, executor) => sum + this.#word(executor + field), 0) | 0;
  }

  /** Addresses of a list, from the word that holds its head. Throws where one comes twice. */
  #list(head: number, link: number): number[] {
    const seen = new Set<number>();
    for (let at = this.#word(head); at !== 0; at = this.#word(at + link)) {
      assert.ok(!seen.has(at), `a list that ${hex(head)} begins goes in a circle at ${hex(at)}`);
      seen.add(at);
    }
    return [...seen];
  }

  /** The slots of the PD table: each that is taken has a home that knows its slot, the others are on the list of free ones. */
  #readHomes(): void {
    const used = this.#word(L.CONTROL_PD_USED);
    const free = new Set<number>();
    for (let next = this.#word(L.CONTROL_PD_FREE); next !== 0; next = this.#word(L.PD_TABLE + (next - 1) * 4)) {
      assert.ok(next <= used && !free.has(next - 1), 'a free slot is on its list once');
      free.add(next - 1);
    }
    for (let slot = 0; slot < used; slot++) {
      if (free.has(slot)) continue;
      const base = this.#word(L.PD_TABLE + slot * 4);
      assert.ok(base >= L.HOME_AREA && base < 2 ** 31, `slot ${slot} is neither free nor has it a home`);
      assert.equal(this.#word(base + L.HOME_SLOT), slot, 'a home knows its slot');
      const descriptor = this.#word(base + L.HOME_FUNCTION);
      const size = descriptor === 0 ? L.HOME_GLOBALS : this.#word(descriptor + L.FUNCTION_HOME_SIZE);
      const state = this.#word(base + L.HOME_STATE);
      assert.notEqual(state, L.PD_UNMADE, `the home at ${hex(base)} is neither in a pool nor a PD's`);
      this.#homes.set(base, { base, state, executor: this.#word(base + L.HOME_EXECUTOR), descriptor, size });
    }
    for (const executor of this.#executors) {
      const host = this.#homes.get(this.#word(executor + L.EXECUTOR_HOST));
      assert.ok(host?.state === L.PD_HOST && host.executor === executor, 'each executor has a host PD');
      const current = this.#homes.get(this.#word(executor + L.EXECUTOR_CURRENT));
      assert.ok(current?.executor === executor && current.state !== L.PD_FREE, 'a PD of its own runs on an executor');
    }
  }

  #poolOf(executor: number, descriptor: number): number {
    const index = this.#word(executor + L.EXECUTOR_INDEX) * L.FUNCTIONS_MAX;
    return L.POOL_TABLE + (index + (descriptor - L.FUNCTION_TABLE) / L.FUNCTION_SIZE) * L.POOL_SIZE;
  }

  #descriptors(): number[] {
    const all = Array.from({ length: L.FUNCTIONS_MAX }, (_, i) => L.FUNCTION_TABLE + i * L.FUNCTION_SIZE);
    return all.filter((descriptor) => this.#word(descriptor + L.FUNCTION_STATE) !== L.FUNCTION_FREE);
  }

  /** A home is in the pool of its executor and function, once, exactly if no PD lives in it. */
  #checkPools(): void {
    const pooled = new Set<number>();
    for (const executor of this.#executors) {
      for (const descriptor of this.#descriptors()) {
        const pool = this.#poolOf(executor, descriptor);
        const bases = this.#list(pool + L.POOL_HEAD, L.HOME_NEXT);
        assert.equal(this.#word(pool + L.POOL_COUNT), bases.length, 'a pool counts its homes');
        for (const base of bases) {
          const home = this.#homes.get(base);
          assert.ok(home?.executor === executor && home.descriptor === descriptor, 'a pool has homes of its own');
          assert.equal(home.state, L.PD_FREE, `${hex(base)} is in a pool`);
          for (const field of [L.HOME_PD, L.HOME_OWNED, L.HOME_GRANTS, L.HOME_CHILDREN]) {
            assert.equal(this.#word(base + field), 0, `an idle home has nothing (${field})`);
          }
          pooled.add(base);
        }
      }
    }
    for (const { base, state } of this.#homes.values()) {
      assert.equal(pooled.has(base), state === L.PD_FREE, `${hex(base)} in state ${state} is in a pool, or is not`);
    }
  }

  #checkFunctions(): void {
    for (const descriptor of this.#descriptors()) {
      const homes = [...this.#homes.values()].filter((home) => home.descriptor === descriptor);
      const live = homes.filter(({ state }) => LIVE_STATES.has(state)).length;
      assert.equal(this.#word(descriptor + L.FUNCTION_HOMES), homes.length, 'a function counts its homes');
      const isLimited = this.#word(descriptor + L.FUNCTION_CONCURRENCY) !== 0;
      assert.equal(this.#word(descriptor + L.FUNCTION_LIVE_PDS), isLimited ? live : 0, 'a function counts its PDs');
      const count = (field: number): number =>
        this.#executors.reduce((sum, executor) => sum + this.#word(this.#poolOf(executor, descriptor) + field), 0);
      assert.equal(count(L.POOL_CREATED) - count(L.POOL_DESTROYED), live, 'what was created and not destroyed lives');
    }
  }

  /** Homes, images and free ranges cover the home area without gap or overlap. */
  #checkHomeMemory(): void {
    const ranges: [start: number, size: number, what: string][] = [];
    for (const { base, size } of this.#homes.values()) ranges.push([base, size, 'home']);
    for (const descriptor of this.#descriptors()) {
      const image = this.#word(descriptor + L.FUNCTION_IMAGE);
      const end = this.#word(descriptor + L.FUNCTION_IMAGE_END) + this.#word(descriptor + L.FUNCTION_GLOBALS_SIZE);
      if (image !== 0) ranges.push([image, end + 16, 'image']);
    }
    for (const range of this.#list(L.CONTROL_HOME_FREE, 4)) {
      // The first two words are the list's.
      assert.equal(this.#word(range + 8) | this.#word(range + 12), 0, 'free home memory is zero');
      ranges.push([range, this.#word(range), 'free']);
    }
    let at = L.HOME_AREA;
    for (const [start, size, what] of ranges.sort(([a], [b]) => a - b)) {
      assert.equal(start, at, `the ${what} at ${hex(start)} begins where the range before it ends`);
      at = start + Math.ceil(size / L.HOME_ALIGNMENT) * L.HOME_ALIGNMENT;
    }
    assert.equal(at, L.HOME_AREA_END_MIB * 2 ** 20, 'the last range ends where the home area does');
  }

  /** Each record that was ever used is in use or on one list of free ones. Returns how many are free. */
  #checkRecords(): number {
    const free = new Map<number, number>();
    const lists = [
      L.CONTROL_INVOCATIONS_FREE,
      ...this.#executors.map((executor) => executor + L.EXECUTOR_INVOCATIONS_FREE),
    ];
    for (const head of lists) {
      for (const record of this.#list(head, L.INVOCATION_NEXT)) {
        assert.ok(!free.has(record), 'a free record is on one list');
        free.set(record, head);
      }
    }
    for (let i = 0; i < this.#word(L.CONTROL_INVOCATIONS_USED); i++) {
      const record = L.INVOCATION_TABLE + i * L.INVOCATION_SIZE;
      const isFree = (this.#word(record + L.INVOCATION_STATE) & 0xffff) === L.INVOCATION_FREE;
      assert.equal(free.has(record), isFree, `record ${i} is on a list of free ones, or is not`);
      if (!isFree) this.#records.add(record);
    }
    assert.equal(
      free.size + this.#records.size,
      this.#word(L.CONTROL_INVOCATIONS_USED),
      'no other record is on a list',
    );
    const given = [...free.values()].filter((head) => head === L.CONTROL_INVOCATIONS_FREE).length;
    assert.equal(this.#word(L.CONTROL_INVOCATIONS_COUNT), given, 'the records that no thread has are counted');
    for (const executor of this.#executors) {
      const own = [...free.values()].filter((head) => head === executor + L.EXECUTOR_INVOCATIONS_FREE).length;
      assert.equal(this.#word(executor + L.EXECUTOR_INVOCATIONS_COUNT), own, 'a thread counts its free records');
      const asked = [...this.#records].filter((record) => this.#word(record + L.INVOCATION_ASKER) === executor).length;
      assert.equal(this.#word(executor + L.EXECUTOR_INVOCATIONS), asked, 'a thread counts what it asked for');
    }
    return free.size;
  }

  /** A record that has a parent is on the list of that, once, and the parent is the PD that started it. */
  #checkChildren(): void {
    const children = new Set<number>();
    for (const { base, state } of this.#homes.values()) {
      if (state === L.PD_FREE) continue;
      const own = this.#list(base + L.HOME_CHILDREN, L.INVOCATION_SIBLING_NEXT);
      assert.equal(this.#word(base + L.HOME_CHILD_COUNT), own.length, 'a PD counts what it started');
      for (const [i, record] of own.entries()) {
        assert.equal(this.#word(record + L.INVOCATION_PARENT), base, 'a child knows its parent');
        assert.equal(this.#word(record + L.INVOCATION_PARENT_PD), this.#word(base + L.HOME_PD), 'and which PD it is');
        assert.equal(
          this.#word(record + L.INVOCATION_SIBLING_PREVIOUS),
          own[i - 1] ?? 0,
          'siblings are linked both ways',
        );
        children.add(record);
      }
    }
    for (const record of this.#records) {
      assert.equal(
        children.has(record),
        this.#word(record + L.INVOCATION_PARENT) !== 0,
        'a child is on its parent’s list',
      );
    }
  }

  #countGrants(): void {
    for (const { base, state } of this.#homes.values()) {
      let held = 0;
      for (const table of [L.HOME_GRANT_TABLE_A, L.HOME_GRANT_TABLE_B]) {
        for (let at = base + table; at <= base + table + L.GRANT_MASK; at += 4) {
          const entry = this.#word(at);
          if (entry === 0) continue;
          const vte = (entry & ~31) >>> 0;
          this.#grants.set(vte, (this.#grants.get(vte) ?? 0) + 1);
          held++;
          const group = (at - (base + L.HOME_GRANT_TABLE_A)) >>> 6;
          assert.equal((this.#word(base + L.HOME_GRANT_GROUPS) >>> group) & 1, 1, 'a PD knows where its grants are');
        }
      }
      assert.equal(this.#word(base + L.HOME_GRANTS), held, `a PD in state ${state} counts its grants`);
      if (held === 0) assert.equal(this.#word(base + L.HOME_GRANT_GROUPS), 0, 'a PD without grants looks for none');
    }
  }

  #place(vte: number, place: string): void {
    assert.ok(!this.#placed.has(vte), `the VMA of VTE ${hex(vte)} is in ${place} and in ${this.#placed.get(vte)}`);
    this.#placed.set(vte, place);
  }

  #checkVmas(): { readonly vmas: number; readonly vmasFree: number } {
    for (let shift = L.CLASS_SHIFT_MIN; shift <= L.CLASS_SHIFT_MAX; shift++) this.#readFreeLists(shift);
    const vmasFree = this.#placed.size;
    for (const { base, state } of this.#homes.values()) if (state !== L.PD_FREE) this.#readOwned(base);
    for (const record of this.#records) this.#readRecord(record);
    this.#store?.inspect();
    let carved = 0;
    for (const vte of this.#carved()) {
      carved++;
      const owner = this.#word(vte + L.VTE_OWNER);
      const isOrphan = owner === L.OWNER_NOBODY || (owner === L.OWNER_STORE && !this.#placed.has(vte));
      if (isOrphan) this.#checkOrphan(vte);
      if (isOrphan && owner === L.OWNER_STORE) this.#store?.addOrphan(vte);
      const grants = this.#grants.get(vte) ?? 0;
      // What is free may still have the mark of the owner that it lost.
      if (this.#word(vte + L.VTE_OWNER) !== 0) {
        assert.equal(
          this.#word(vte + L.VTE_GRANTS),
          grants + (isOrphan ? L.GRANTS_ORPHAN : 0),
          'a VTE counts its grants',
        );
      } else assert.equal(grants, 0, 'nobody shares a free VMA');
      assert.ok(this.#placed.has(vte), `VTE ${hex(vte)} with owner ${hex(this.#word(vte + L.VTE_OWNER))} is nowhere`);
    }
    this.#store?.checkBytes();
    assert.equal(this.#placed.size, carved, 'only VMAs that there are are in lists');
    const mapped = (this.#sum(L.EXECUTOR_VMAS) + this.#word(L.CONTROL_VMAS)) | 0;
    assert.equal(mapped, carved - vmasFree, 'executors count what is mapped');
    return { vmas: carved - vmasFree, vmasFree };
  }

  #readFreeLists(shift: number): void {
    const heads = this.#executors.map((executor) => executor + L.EXECUTOR_FREE + (shift - L.CLASS_SHIFT_MIN) * 8);
    const read = (head: number): number => {
      const list = this.#list(head, L.VTE_NEXT);
      for (const vte of list) {
        this.#place(vte, `the free list at ${hex(head)}`);
        assert.equal(this.#word(vte + L.VTE_OWNER), 0, 'a free VMA has no owner');
        assert.equal(
          this.#word(vte + L.VTE_READ_END) | this.#word(vte + L.VTE_WRITE_END),
          0,
          'nobody may use a free VMA',
        );
        assert.equal(this.#word(vte + L.VTE_START) & 31, shift, 'a free VMA is on a list of its class');
      }
      return list.length;
    };
    for (const head of heads) assert.equal(this.#word(head + 4), read(head), 'a free list counts its VMAs');
    read(L.CONTROL_SHARED_FREE + (shift - L.CLASS_SHIFT_MIN) * 4);
  }

  #readOwned(base: number): void {
    let bytes = 0;
    for (const [i, vte] of this.#list(base + L.HOME_OWNED, L.VTE_NEXT).entries()) {
      this.#place(vte, `what ${hex(base)} owns`);
      assert.equal(this.#word(vte + L.VTE_OWNER), base, 'a VMA has the owner whose list it is on');
      assert.ok(i === 0 || this.#word(vte + L.VTE_PREVIOUS) !== 0, 'an owner’s list is linked both ways');
      bytes += 2 ** (this.#word(vte + L.VTE_START) & 31);
    }
    assert.equal(this.#word(base + L.HOME_VMA_BYTES), bytes, 'a PD counts the bytes that it owns');
  }

  /** What is on its way belongs to the record, which knows where it is. */
  #readRecord(record: number): void {
    const addresses = [L.INVOCATION_REQUEST, L.INVOCATION_RESPONSE, L.INVOCATION_FIELDS].map((field) =>
      this.#word(record + field),
    );
    for (const address of new Set(addresses.filter((value) => value > 65535))) {
      const vte = this.#vteOf(address);
      if (this.#word(vte + L.VTE_OWNER) === record) this.#place(vte, `the record at ${hex(record)}`);
    }
  }

  #checkOrphan(vte: number): void {
    assert.ok((this.#grants.get(vte) ?? 0) > 0, 'a VMA whose owner is gone is shared with somebody');
    this.#place(vte, 'nobody’s, but shared');
  }

  #vteOf(address: number): number {
    const granule = L.GRANULE_TABLE + (address >>> L.GRANULE_SHIFT) * 8;
    const shift = this.#word(granule);
    return ((((address >>> shift) << L.VTE_SHIFT) >>> 0) + this.#word(granule + 4)) >>> 0;
  }

  /** VTEs of all VMAs that were ever mapped since their granule came to its class. */
  *#carved(): Generator<number> {
    for (let granule = L.GRANULE_FIRST; granule < L.GRANULE_LAST; granule++) {
      const shift = this.#word(L.GRANULE_TABLE + granule * 8);
      if (shift === L.NULL_SHIFT) continue;
      const start = granule * 2 ** L.GRANULE_SHIFT;
      // A VMA of several granules has its VTE with the first one.
      const count = shift > L.GRANULE_SHIFT ? (start % 2 ** shift === 0 ? 1 : 0) : 2 ** (L.GRANULE_SHIFT - shift);
      for (let i = 0; i < count; i++) {
        const vte = this.#vteOf(start) + i * L.VTE_SIZE;
        if (this.#word(vte + L.VTE_START) === 0) break;
        yield vte;
      }
    }
  }
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}
