/** The systems by name. */
import { JordSystem } from './jord.ts';
import type { System, SystemName, SystemOptions } from './system.ts';
import { UnsafeSystem } from './unsafe/unsafe.ts';

export const SYSTEM_NAMES: readonly SystemName[] = ['jord', 'unsafe'];

export function makeSystem(name: SystemName, options: SystemOptions = {}): System {
  switch (name) {
    case 'jord':
      return new JordSystem(options);
    case 'unsafe':
      return new UnsafeSystem(options);
    default:
      throw new RangeError(`there is no system ${name}`);
  }
}
