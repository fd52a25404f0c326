/** The disk under the key-value store, as the main thread has it. */
import type { FoundSpace } from './space-table.ts';

/** What is kept of a space beside its keys. */
export interface SpaceSettings {
  readonly name: string;
  readonly durable: boolean;
  readonly cache: boolean;
  readonly keysMax: number | null;
  readonly bytesMax: number | null;
}

export interface KvDisk {
  save(settings: SpaceSettings): Promise<void>;
  bind(space: FoundSpace): void;
  drop(space: FoundSpace): Promise<void>;
  wake(): void;
}
