/**
 * Attacks with single accesses, and what must come of each by the rules of docs/abi.md.
 */
import assert from 'node:assert/strict';
import * as L from '../core/layout.ts';
import { CALLEE_MEMORY_FAULT, CALLEE_TRAP, OK } from '../core/status.ts';
import {
  type Attack,
  AttackRange,
  namesOf,
  type Outcome,
  type Preparation,
  preparedVmas,
  requestVma,
  type Targets,
  type Vma,
} from './attack.ts';
import { formText, type MemoryForm } from './memory-forms.ts';

const FOUR_GIB = 2 ** 32;

/** An instruction with one static offset. */
interface Access {
  readonly form: MemoryForm;
  readonly offset: number;
}

export type Verdict = 'allowed' | 'refused' | 'either';
export type VerdictCounts = Readonly<Record<Verdict, number>>;

export class AccessAttacks {
  readonly #range: AttackRange;
  readonly #accesses: readonly Access[];
  readonly #memoryLimit: number;

  private constructor(range: AttackRange, accesses: readonly Access[], memoryLimit: number) {
    this.#range = range;
    this.#accesses = accesses;
    this.#memoryLimit = memoryLimit;
  }

  /** An attacker that has each form with each static offset. */
  static async open(
    forms: readonly MemoryForm[],
    offsets: readonly number[],
    memoryLimit: number,
  ): Promise<AccessAttacks> {
    const accesses = forms.flatMap((form) => offsets.map((offset) => ({ form, offset })));
    const bodies = accesses.map(({ form, offset }) => formText(form, '(local.get $p)', offset));
    return new AccessAttacks(await AttackRange.open(bodies, { memoryLimit }), accesses, memoryLimit);
  }

  get targets(): Targets {
    return this.#range.targets;
  }

  /** How many accesses there are. */
  get count(): number {
    return this.#accesses.length;
  }

  offsetOf(access: number): number {
    return this.#accesses[access]?.offset ?? 0;
  }

  close(): Promise<void> {
    return this.#range.close();
  }

  /**
   * Attacks with each access at the same addresses, by whatever static offset leads there. Addresses count from what was
   * prepared, and may have 33 bits.
   */
  at(preparation: Preparation, addresses: (sizeBytes: number) => readonly number[]): Attack[] {
    return this.#accesses.flatMap(({ form, offset }, access) =>
      addresses(form.sizeBytes)
        .map((address) => address - offset)
        // Relative to what was prepared any pointer is possible.
        .filter((pointer) => preparation !== 'nothing' || (pointer >= 0 && pointer < FOUR_GIB))
        .map((pointer) => ({ access, preparation, pointer: pointer >>> 0 })),
    );
  }

  /** Runs attacks and checks each outcome. Returns how often each verdict was. */
  async tryAll(attacks: readonly Attack[]): Promise<VerdictCounts> {
    const counts = { allowed: 0, refused: 0, either: 0 };
    const batchSize = 1000;
    for (let at = 0; at < attacks.length; at += batchSize) {
      const batch = attacks.slice(at, at + batchSize);
      const outcomes = await this.#range.run(batch);
      for (const [i, attack] of batch.entries()) {
        const outcome = outcomes[i];
        assert.ok(outcome !== undefined);
        counts[this.#check(attack, outcome)]++;
      }
    }
    return counts;
  }

  /** What the rules say of an access to [address, address + size), where the address may have 33 bits. */
  #verdict(address: number, { sizeBytes, access }: MemoryForm, own: readonly Vma[]): Verdict {
    const end = address + sizeBytes;
    const homeEnd = this.#memoryLimit + L.RED_ZONE;
    if (end <= this.#memoryLimit) return 'allowed';
    // The rest of the home has nothing in it: the guard may let an access go there, but no further.
    if (address < homeEnd) return end <= homeEnd ? 'either' : 'refused';
    return own.some((vma) => vma[access] && address >= vma.start && end <= vma.end) ? 'allowed' : 'refused';
  }

  #check(attack: Attack, { status, prepared, request, fault }: Outcome): Verdict {
    const access = this.#accesses[attack.access];
    assert.ok(access !== undefined);
    const { form, offset } = access;
    const address = ((prepared + attack.pointer) >>> 0) + offset;
    const verdict = this.#verdict(address, form, [requestVma(request), ...preparedVmas(attack.preparation, prepared)]);
    const what = `${form.name} offset=${offset} at 0x${address.toString(16)}, ${attack.preparation}: ${JSON.stringify(fault)}`;
    if (form.kind === 'wait') {
      assert.equal(fault?.fault, 'atomic-wait', what);
    } else if (verdict === 'refused' || (verdict === 'either' && fault?.fault === 'memory-access')) {
      assert.equal(fault?.fault, 'memory-access', what);
      assert.equal(fault.access, form.access, what);
      assert.equal(fault.sizeBytes, form.sizeBytes, what);
      assert.ok(namesOf(address).includes(fault.address ?? ''), what);
      assert.equal(status, attack.preparation === "the caller's" ? OK : CALLEE_MEMORY_FAULT, what);
    } else if (form.atomic && address % form.sizeBytes !== 0) {
      assert.equal(fault?.fault, 'trap', what);
      assert.equal(status, CALLEE_TRAP, what);
    } else {
      assert.equal(fault, undefined, what);
      assert.equal(status, OK, what);
    }
    return verdict;
  }
}
