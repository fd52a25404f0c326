/** What core/kv-readers.test.ts and its threads share. */
import type { AddressSpace } from '../src/server/privlib.ts';

export interface ReaderWorkerData {
  readonly addressSpace: AddressSpace;
  readonly control: number;
  /** Handle of the space. */
  readonly space: number;
  readonly shared: SharedArrayBuffer;
  /** Replaces the value until it was replaced so often, by all; or reads it until then. */
  readonly part: 'replace' | 'read';
  readonly replacements: number;
}

export const KEY = 'k';
export const REPLACED = 0;
export const READS = 1;
/** Threads that have begun, and those that were told to. */
export const READY = 2;
export const GO = 3;
export const SHARED_WORDS = 4;
