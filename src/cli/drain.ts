/** The end of `jord serve`. */

import type { Gateway } from '../gateway/server.ts';
import type { LogEntry } from './log.ts';

/** Closes a gateway, and logs what it waits for and what it cut off. */
export async function drain(gateway: Gateway, graceMs: number, log: (entry: LogEntry) => void): Promise<void> {
  const { invocations } = gateway;
  const waitsFor = invocations === 1 ? '1 request' : `${invocations} requests`;
  log({
    level: 'info',
    function: '',
    message: invocations === 0 ? 'stopping' : `stopping, waits for ${waitsFor}, ${graceMs} ms at most`,
    fields: { invocations, graceMs },
  });
  const { cutOff } = await gateway.close(graceMs);
  if (cutOff.length === 0) {
    log({ level: 'info', function: '', message: 'stopped, every invocation has finished' });
    return;
  }
  const counts = cutOff.map(({ function: name, count }) => `${name} (${count})`).join(', ');
  log({
    level: 'warn',
    function: '',
    message: `stopped, was cut off after ${graceMs} ms: ${counts}`,
    fields: { cutOff },
  });
}
