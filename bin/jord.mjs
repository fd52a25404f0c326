#!/usr/bin/env node
/**
 * Starts the `jord` command. Plain JavaScript, since it may be started by any Node: the command itself is TypeScript and
 * needs Node 26, which the project's set-up installs.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { projectNode, ROOT } from '../scripts/setup.mjs';

const NODE_MAJOR_MIN = 26;
const MAIN = fileURLToPath(new URL('../src/cli/main.ts', import.meta.url));

if (!existsSync(path.join(ROOT, 'node_modules', 'commander'))) {
  fail(`Set-up has not run. Run \`npm run setup\` in ${ROOT}, then try again.`);
} else if (Number(process.versions.node.split('.')[0]) >= NODE_MAJOR_MIN) {
  await import('../src/cli/main.ts');
} else {
  const node = projectNode();
  if (node === undefined) fail(`Node ${NODE_MAJOR_MIN} is missing. Run \`npm run setup\` in ${ROOT}, then try again.`);
  else run(node);
}

/** @param {string} message */
function fail(message) {
  process.stderr.write(`jord: ${message}\n`);
  process.exitCode = 1;
}

/** @param {string} node */
function run(node) {
  const child = spawn(node, [MAIN, ...process.argv.slice(2)], { stdio: 'inherit' });
  // Ctrl-C reaches the child from the terminal itself; any other signal to this process means the child.
  process.on('SIGINT', () => {
    if (!process.stdin.isTTY) child.kill('SIGINT');
  });
  for (const signal of /** @type {const} */ (['SIGTERM', 'SIGHUP'])) process.on(signal, () => child.kill(signal));
  child.on('error', (error) => fail(`${node} cannot be started: ${error.message}`));
  child.on('exit', (code, signal) => {
    process.exitCode = code ?? (signal === null ? 1 : 128);
  });
}
