/** The `jord` command. docs/cli.md describes it. */

import { CommanderError } from 'commander';
import { dropEmptyVariables } from './options.ts';
import { describeError, exitCodeOf } from './output.ts';
import { createProgram } from './program.ts';

const EXIT_USAGE = 2;

// Whoever reads the output may stop early, as `head` does.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

dropEmptyVariables(process.env);
const program = createProgram((code) => {
  process.exitCode = code;
});
try {
  await program.parseAsync();
} catch (error) {
  // Commander has printed its errors, and what was asked for by --help and --version.
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? 0 : EXIT_USAGE;
  } else {
    process.stderr.write(describeError(error));
    process.exitCode = exitCodeOf(error);
  }
}
