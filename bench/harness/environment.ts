/** Where the numbers were taken: figures of different machines cannot be compared. */
import os from 'node:os';

export interface Environment {
  readonly node: string;
  readonly v8: string;
  /** Model, as the system names it. */
  readonly cpu: string;
  /** Logical processors this process may use. */
  readonly cores: number;
  /** ISO 8601. */
  readonly date: string;
}

export function environment(): Environment {
  return {
    node: process.versions.node,
    v8: process.versions.v8,
    cpu: os.cpus()[0]?.model.trim() ?? 'unknown',
    cores: os.availableParallelism(),
    date: new Date().toISOString(),
  };
}
