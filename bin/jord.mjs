#!/usr/bin/env node
/**
 * Starts the `jord` command. Plain JavaScript, since it may be started by any Node: the command itself is TypeScript and
 * needs Node 26, which the project's set-up installs.
 */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { runOnNode } from '../scripts/run-on-node.mjs';
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
  else runOnNode(node, [MAIN, ...process.argv.slice(2)], fail);
}

/** @param {string} message */
function fail(message) {
  process.stderr.write(`jord: ${message}\n`);
  process.exitCode = 1;
}
