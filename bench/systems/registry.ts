/** The systems by name. */
import { JordSystem } from './jord.ts';
import type { System, SystemName, SystemOptions } from './system.ts';

export const SYSTEM_NAMES: readonly SystemName[] = ['jord'];

export function makeSystem(name: SystemName, options: SystemOptions = {}): System {
  switch (name) {
    case 'jord':
      return new JordSystem(options);
    default:
      throw new RangeError(`there is no system ${name}`);
  }
}
