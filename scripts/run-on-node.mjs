/** Runs a file on the project's Node as if it were this process. Plain JavaScript for Node 20 and later. */
import { spawn } from 'node:child_process';

const PARENT_CHECK_MS = 500;

/**
 * Input and output are this process's, and so is the exit code in the end. Signals to this process go to the child.
 * @param {string} node
 * @param {string[]} parameters the file and its arguments
 * @param {(message: string) => void} fail called when it cannot be started
 */
export function runOnNode(node, parameters, fail) {
  const child = spawn(node, parameters, { stdio: 'inherit' });
  // Ctrl-C reaches the child from the terminal itself; any other signal to this process means the child.
  process.on('SIGINT', () => {
    if (!process.stdin.isTTY) child.kill('SIGINT');
  });
  for (const signal of /** @type {const} */ (['SIGTERM', 'SIGHUP'])) process.on(signal, () => child.kill(signal));
  // Whoever ends npm alone, without its group, would leave the child behind. A shell that ends means nothing.
  const parent = process.ppid;
  if (process.env['npm_lifecycle_event'] !== undefined) {
    setInterval(() => {
      if (process.ppid !== parent) child.kill('SIGTERM');
    }, PARENT_CHECK_MS).unref();
  }
  child.on('error', (error) => fail(`${node} cannot be started: ${error.message}`));
  child.on('exit', (code, signal) => {
    process.exitCode = code ?? (signal === null ? 1 : 128);
  });
}
