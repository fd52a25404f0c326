import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Command, CommanderError } from 'commander';
import { addServeOptions, dispatchOptions, type ServeOptions } from './serve-options.ts';

function parse(...parameters: readonly string[]): ServeOptions {
  const command = new Command('serve').exitOverride().configureOutput({ writeErr: () => undefined });
  addServeOptions(command);
  return command.parse(parameters, { from: 'user' }).opts<ServeOptions>();
}

const DEFAULTS = {
  orchestrators: 1,
  outstandingMax: 4096,
  queueDelayMs: 100,
  stacksMax: 16_384,
  responseBytesMax: 2 ** 28,
  logBytesMax: 65_536,
  argBufBytesMax: 2 ** 30,
  kvBytesMax: 2 ** 30,
  maskAddresses: false,
};

test('what the worker server gets: defaults, but for what it chooses itself', () => {
  assert.deepEqual(dispatchOptions(parse()), DEFAULTS);
  assert.equal(parse().graceMs, 10_000);
});

test('each option arrives under the name that the worker server has for it', () => {
  const options = parse(
    ...['--executors', '3', '--orchestrators', '2', '--queue-bound', '4', '--spin-us', '0', '--outstanding-max', '5'],
    ...['--queue-delay-ms', '0', '--stacks-max', '6', '--response-limit', '1KiB', '--log-limit', '0'],
    ...['--argbuf-limit', '1MiB', '--kv-bytes', '64MiB', '--grace-ms', '0', '--mask-addresses'],
  );
  assert.deepEqual(dispatchOptions(options), {
    executors: 3,
    orchestrators: 2,
    queueBound: 4,
    spinUs: 0,
    outstandingMax: 5,
    queueDelayMs: 0,
    stacksMax: 6,
    responseBytesMax: 1024,
    logBytesMax: 0,
    argBufBytesMax: 2 ** 20,
    kvBytesMax: 2 ** 26,
    maskAddresses: true,
  });
  assert.equal(options.graceMs, 0);
});

test('what is not possible is refused', () => {
  const wrong = {
    '--executors': ['0', '64', '1.5', '', 'all'],
    '--orchestrators': ['0', '64', '-1'],
    '--queue-bound': ['0', '65'],
    '--spin-us': ['1000001', '1e3'],
    '--outstanding-max': ['0', '60001'],
    '--queue-delay-ms': ['3600001'],
    '--stacks-max': ['0', '65537'],
    '--response-limit': ['0', '257MiB'],
    '--log-limit': ['2GiB'],
    '--argbuf-limit': ['127', '2GiB'],
    '--kv-bytes': ['64', '2GiB', 'all'],
    '--grace-ms': ['3600001', 'soon'],
  };
  for (const [option, values] of Object.entries(wrong))
    for (const value of values)
      assert.throws(
        () => parse(option, value),
        (error) => error instanceof CommanderError && /Possible are|Give a number/.test(error.message),
        `${option} ${value}`,
      );
});

test('masks can be asked for in a variable too, and not by an empty folder', () => {
  assert.equal(dispatchOptions(parse('--mask-addresses')).maskAddresses, true);
  assert.equal(dispatchOptions(parse('--mask-addresses', '0')).maskAddresses, false);
  for (const parameters of [['--mask-addresses=maybe'], ['--data', '']]) {
    assert.throws(() => parse(...parameters), CommanderError);
  }
});
