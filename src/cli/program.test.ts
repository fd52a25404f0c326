import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ERRORS } from '../errors.ts';
import { createProgram } from './program.ts';

function documentation(page: string): string {
  return readFileSync(join(import.meta.dirname, '..', '..', 'docs', page), 'utf8');
}

test('docs/cli.md has each command and option, and docs/configuration.md each variable', () => {
  const commands = documentation('cli.md');
  const variables = documentation('configuration.md');
  for (const command of createProgram(ignore, ignore).commands) {
    assert.ok(commands.includes(`jord ${command.name()}`), command.name());
    for (const { flags, long, envVar } of command.options) {
      if (long !== '--json') assert.ok(commands.includes(`\`${flags}\``), `${command.name()} ${flags}`);
      if (envVar !== undefined) assert.ok(variables.includes(`| \`${envVar}\` | \`${long}\` |`), envVar);
    }
  }
});

test('each exit code of the table of errors is explained', () => {
  const text = documentation('cli.md');
  for (const { exit } of Object.values(ERRORS)) assert.match(text, new RegExp(`^\\| ${exit} \\| `, 'm'));
});

test('each command has examples', () => {
  const program = createProgram(ignore, ignore);
  for (const command of program.commands) {
    let help = '';
    command.configureOutput({
      writeOut: (text) => {
        help += text;
      },
    });
    command.outputHelp();
    assert.ok(help.includes('Examples:\n'), command.name());
  }
});
