/** Brings the set-up up to date and runs a TypeScript file on the project's Node: `node scripts/run.mjs FILE [ARGUMENT …]`. */
import { spawn } from 'node:child_process';
import path from 'node:path';
import { ROOT, setUp } from './setup.mjs';

const PARENT_CHECK_MS = 500;
const [file, ...parameters] = process.argv.slice(2);
if (file === undefined) {
  process.stderr.write('usage: node scripts/run.mjs FILE [ARGUMENT …]\n');
  process.exit(2);
}
const child = spawn(setUp(), [path.join(ROOT, file), ...parameters], { stdio: 'inherit' });
// Ctrl-C reaches the child from the terminal itself; any other signal to this process means the child.
process.on('SIGINT', () => {
  if (!process.stdin.isTTY) child.kill('SIGINT');
});
for (const signal of /** @type {const} */ (['SIGTERM', 'SIGHUP'])) process.on(signal, () => child.kill(signal));
// Whoever ends npm alone, without its group, would leave the server behind.
const parent = process.ppid;
setInterval(() => {
  if (process.ppid !== parent) child.kill('SIGTERM');
}, PARENT_CHECK_MS).unref();
child.on('error', (error) => {
  process.stderr.write(`${error.message}\n`);
  process.exit(1);
});
child.on('exit', (code, signal) => process.exit(code ?? (signal === null ? 1 : 128)));
