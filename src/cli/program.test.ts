import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ERRORS } from '../errors.ts';
import { createProgram, run } from './program.ts';

const ignore = (): void => undefined;

/** What a command writes to standard error, and its exit code. */
async function fail(...parameters: string[]): Promise<{ readonly stderr: string; readonly code: number }> {
  let stderr = '';
  const code = await run(parameters, (text) => {
    stderr += text;
  });
  return { stderr, code };
}

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

test('wrong usage: one line that says what is wrong, one that says where to look, exit code 2', async () => {
  for (const [parameters, expected] of [
    [['sevre'], /^jord: unknown command 'sevre'/],
    [['deploy'], /^jord: missing required argument 'file'\n.*`jord deploy --help`/],
    [['serve', '--port', '70000'], /^jord: .*'70000' is invalid\. A port is a number/],
    [['serve', '--module-limit', '65MiB'], /^jord: .*'65MiB' is invalid\. Possible are 8 B to 64 MiB\./],
    [['deploy', 'x.txt'], /^jord: x\.txt is neither/],
    [['deploy', 'x.wat'], /^jord: x\.wat is WebAssembly text\. Assemble it/],
    [['invoke', 'a', '-X', 'B AD'], /^jord: .*'B AD' is invalid\. A method is/],
    [['list', '--server', 'http://127.0.0.1:1/fn/'], /^jord: .* An address looks like/],
    [['deploy', 'missing.wasm'], /^jord: Cannot read missing\.wasm: there is no such file/],
    [['deploy', 'Bad Name.wasm'], /^jord: "Bad Name", from the name of the file, .* --name/],
    [['deploy', 'x.wasm', '--runtime', 'stub'], /^jord: --runtime is for AssemblyScript/],
    [
      ['deploy', 'x.wasm', '--deadline-ms', '0'],
      /^jord: .*'0' is invalid\. Possible are whole numbers of milliseconds/,
    ],
    [['serve', '--queue-bound', '65'], /^jord: .*'65' is invalid\. Possible are whole numbers from 1 to 64\./],
    [['deploy', 'x.wasm', '--concurrency', '0'], /^jord: .*'0' is invalid\. Possible are whole numbers from 1 to/],
    [['deploy', 'x.wasm', '--fetch-allow', 'a/b'], /^jord: .*'a\/b' is invalid\. "a\/b" is no origin .* looks like/],
    [['invoke', 'a', '--deadline-ms', 'soon'], /^jord: .*'soon' is invalid\. Possible are whole numbers/],
    [['invoke', 'a', '--data', 'x', '--data-file', 'y'], /^jord: Give either/],
    [['invoke', 'a', '--data', 'x', '-X', 'get'], /^jord: GET is sent without a body/],
  ] as const) {
    const { stderr, code } = await fail(...parameters);
    assert.match(stderr, expected);
    assert.equal(code, 2, stderr);
    assert.ok(stderr.split('\n').length <= 4, stderr);
  }
});
