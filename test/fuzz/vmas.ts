/** The VMAs of cases, with canaries around and behind each of them. */
import * as L from '../../core/layout.ts';
import { OK } from '../../core/status.ts';
import { failed, type PrivLib } from '../../src/server/privlib.ts';
import type { ModelVma, VmaRange } from './model.ts';
import { Random } from './random.ts';

/** What a PD has of a VMA when it begins. */
export type VmaKind =
  | 'own'
  | 'own, to read'
  | 'own, closed'
  | 'shared'
  | 'shared, to read'
  /** Somebody else's. */
  | 'foreign'
  | 'freed';

export interface VmaSpec {
  readonly kind: VmaKind;
  readonly length: number;
}

/** A VMA where the case has it. */
export interface MappedVma extends VmaSpec {
  readonly start: number;
}

/** VMAs of the cases are of these classes; canaries are between all that there are of each. */
const CLASS_SHIFTS = [7, 8, 9, 10, 11, 12, 13, 14, 15];
const CANARIES_PER_CLASS = 6;
const CANARY = 0xa5;
const SLACK = 0xc5;
const PATTERN = new Random(0).bytes(2 ** 17);

/** The bytes of VMA number `index` when an invocation begins. */
export function initialBytes(index: number, length: number): Uint8Array {
  return PATTERN.subarray(index * 61, index * 61 + length);
}

/** Throws where an operation of PrivLib failed that must not. */
export function expectOk(status: number, what: string): void {
  if (status !== OK) throw new Error(`${what}: status ${status}`);
}

function sizeClass(length: number): number {
  return 2 ** Math.max(L.CLASS_SHIFT_MIN, Math.ceil(Math.log2(Math.max(length, 1))));
}

function isOwn(kind: VmaKind): boolean {
  return kind.startsWith('own');
}

export class Vmas {
  readonly #bytes: Buffer;
  readonly #privLib: PrivLib;
  readonly #host: number;
  readonly #control: number;
  readonly #canaries: { readonly start: number; readonly content: Buffer }[] = [];
  /** Sizes and lengths of the VMAs that the running PD has, by their addresses. */
  readonly #lengths = new Map<number, { readonly size: number; readonly length: number }>();
  /** Whether VMAs that the PD owns are the PD's. */
  #isHandedOver = false;
  readonly #problems: string[] = [];

  /** Those of the executor whose control block and host PD these are. */
  constructor(bytes: Buffer, privLib: PrivLib, control: number, host: number) {
    this.#bytes = bytes;
    this.#privLib = privLib;
    this.#control = control;
    this.#host = host;
    this.#plantCanaries();
  }

  /** VMAs of each class, every second one of which stays the host's. */
  #plantCanaries(): void {
    for (const shift of CLASS_SHIFTS) {
      const starts = Array.from({ length: 2 * CANARIES_PER_CLASS }, () => this.#map(2 ** shift)).sort((a, b) => a - b);
      for (const [i, start] of starts.entries()) {
        if (i % 2 === 0) {
          const content = Buffer.alloc(2 ** shift, CANARY);
          this.#bytes.set(content, start);
          this.#canaries.push({ start, content });
        } else expectOk(this.#privLib.vmaUnmap(start, this.#host), 'vmaUnmap');
      }
    }
  }

  #map(length: number): number {
    const start = this.#privLib.vmaMap(length, this.#host);
    if (failed(start)) throw new Error(`vmaMap: status ${start}`);
    return start >>> 0;
  }

  /** Brings free lists into the order of their addresses, so that a case gets the same ones whatever ran before it. */
  #sortFreeLists(): void {
    for (const shift of CLASS_SHIFTS) {
      const list = this.#control + L.EXECUTOR_FREE + (shift - L.CLASS_SHIFT_MIN) * 8;
      const count = this.#bytes.readUInt32LE(list + 4);
      const starts = Array.from({ length: count }, () => this.#map(2 ** shift)).sort((a, b) => b - a);
      for (const start of starts) expectOk(this.#privLib.vmaUnmap(start, this.#host), 'vmaUnmap');
    }
  }

  /** Maps a case's VMAs, for the host as yet. Those that are freed are freed. */
  map(specs: readonly VmaSpec[]): MappedVma[] {
    this.#sortFreeLists();
    const mapped = specs.map((spec) => ({ ...spec, start: this.#map(spec.length) }));
    for (const [i, { start, length }] of mapped.entries()) {
      this.#bytes.fill(SLACK, start, start + sizeClass(length));
      this.#bytes.set(initialBytes(i, length), start);
    }
    for (const { kind, start } of mapped)
      if (kind === 'freed') expectOk(this.#privLib.vmaUnmap(start, this.#host), 'vmaUnmap');
    return mapped;
  }

  /** Unmaps what the host still has of a case's VMAs. */
  unmap(vmas: readonly MappedVma[]): void {
    for (const { kind, start } of vmas) {
      const isGone = kind === 'freed' || (this.#isHandedOver && isOwn(kind));
      if (!isGone) expectOk(this.#privLib.vmaUnmap(start, this.#host), 'vmaUnmap');
    }
    this.#isHandedOver = false;
  }

  /** Gives a PD of the host, which does not run, what it has of the VMAs. */
  handOver(vmas: readonly MappedVma[], pd: number): void {
    this.#lengths.clear();
    this.#problems.length = 0;
    this.#isHandedOver = true;
    for (const { kind, start, length } of vmas) {
      if (kind === 'freed' || kind === 'foreign') continue;
      this.#lengths.set(start, { size: sizeClass(length), length });
      if (!isOwn(kind)) {
        const permission = kind === 'shared' ? L.PERMISSION_READ_WRITE : L.PERMISSION_READ;
        expectOk(this.#privLib.vmaShare(start, pd, permission, this.#host), 'vmaShare');
        continue;
      }
      if (kind !== 'own') {
        const permission = kind === 'own, to read' ? L.PERMISSION_READ : L.PERMISSION_NONE;
        expectOk(this.#privLib.vmaProtect(start, permission, this.#host), 'vmaProtect');
      }
      expectOk(this.#privLib.vmaMove(start, pd, this.#host), 'vmaMove');
    }
  }

  /** Before a host function that may give up or change the VMA at this address. */
  beforeChange(start: number): void {
    this.#checkSlack(start);
  }

  /** After one: whether the PD at `base` has it, and how long it is now. Fills what is behind its end with canaries. */
  afterChange(start: number, base: number): void {
    const length = this.#privLib.vmaLength(start, base);
    if (length === -1) {
      this.#lengths.delete(start);
      return;
    }
    const size = this.#lengths.get(start)?.size ?? sizeClass(length);
    this.#lengths.set(start, { size, length });
    this.#bytes.fill(SLACK, start + length, start + size);
  }

  #checkSlack(start: number): void {
    const vma = this.#lengths.get(start);
    if (vma === undefined) return;
    const slack = this.#bytes.subarray(start + vma.length, start + vma.size);
    const at = slack.findIndex((byte) => byte !== SLACK);
    if (at >= 0) this.#problems.push(`${at} bytes behind the end of the ArgBuf at ${hex(start)} something was written`);
  }

  /** What was written where nobody may write. */
  problems(vmas: readonly MappedVma[]): string[] {
    for (const start of this.#lengths.keys()) this.#checkSlack(start);
    for (const { start, content } of this.#canaries) {
      const there = this.#bytes.subarray(start, start + content.length);
      if (there.equals(content)) continue;
      this.#problems.push(`a canary at ${hex(start)} was written over`);
      there.set(content);
    }
    for (const [i, { kind, start, length }] of vmas.entries()) {
      if (kind === 'foreign' && !this.#bytes.subarray(start, start + length).equals(initialBytes(i, length)))
        this.#problems.push(`a foreign ArgBuf at ${hex(start)} was written over`);
    }
    return this.#problems.splice(0);
  }

  /** Ranges that no new ArgBuf may be given. */
  reserved(vmas: readonly MappedVma[]): VmaRange[] {
    const foreign = vmas.filter(({ kind }) => kind === 'foreign');
    return [...foreign, ...this.#canaries.map(({ start, content }) => ({ start, length: content.length }))];
  }
}

/** What the model begins with. */
export function modelVmas(vmas: readonly MappedVma[]): ModelVma[] {
  return vmas.flatMap(({ kind, start, length }) => {
    if (kind === 'foreign' || kind === 'freed') return [];
    const canWrite = kind === 'own' || kind === 'shared';
    return [{ start, length, isOwned: isOwn(kind), canRead: kind !== 'own, closed', canWrite }];
  });
}

export function hex(address: number): string {
  return `0x${address.toString(16)}`;
}
