/**
 * Servers under test, each in a process of its own: `startServer` in the process of the benchmark, `announce` in that of the
 * server. The channel between the two is also the leash: a server ends when its benchmark does, however that ends.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** What a server tells about itself once it listens. */
export interface Announcement {
  readonly port: number;
  /** What else the benchmark must know. */
  readonly steps?: number;
}

export interface ServerProcess extends Announcement {
  /** Ends the process, and returns when it is gone. */
  readonly stop: () => Promise<void>;
}

export const HOST = '127.0.0.1';
const STOP_MS_MAX = 5000;

/** `file` is relative to this folder. Throws an Error when the process ends before it listens; what it said is on stderr. */
export async function startServer(file: string, parameters: readonly string[]): Promise<ServerProcess> {
  const path = fileURLToPath(new URL(file, import.meta.url));
  // What it prints goes to stderr: stdout is for results.
  const child = fork(path, [...parameters], { stdio: ['ignore', 2, 2, 'ipc'] });
  const exited = once(child, 'exit');
  const announced = once(child, 'message').then(([message]) => message as Announcement);
  const failed = exited.then(([code, signal]) => {
    throw new Error(`${file} ended with ${signal ?? `code ${code}`} before it listened`);
  });
  const announcement = await Promise.race([announced, failed]);
  failed.catch(() => {});
  const stop = async (): Promise<void> => {
    if (child.connected) child.disconnect();
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS_MAX);
    await exited;
    clearTimeout(timer);
  };
  return { ...announcement, stop };
}

/** Tells the benchmark that the server listens. `stop` runs when the benchmark lets go; the process ends after it. */
export function announce(announcement: Announcement, stop: () => Promise<void>): void {
  if (process.send === undefined) throw new Error('this file is started by a benchmark, not by hand');
  process.once('disconnect', () => void stop().then(() => process.exit()));
  process.send(announcement);
}
