/** The systems by name. */
import { JordSystem } from './jord.ts';
import { MessagesSystem } from './messages/messages.ts';
import { ProcessesSystem } from './processes/processes.ts';
import type { System, SystemName, SystemOptions } from './system.ts';
import { UnsafeSystem } from './unsafe/unsafe.ts';

export const SYSTEM_NAMES: readonly SystemName[] = ['jord', 'unsafe', 'messages', 'processes'];

export function makeSystem(name: SystemName, options: SystemOptions = {}): System {
  switch (name) {
    case 'jord':
      return new JordSystem(options);
    case 'unsafe':
      return new UnsafeSystem(options);
    case 'messages':
      return new MessagesSystem();
    case 'processes':
      return new ProcessesSystem();
    default:
      throw new RangeError(`there is no system ${name}`);
  }
}
