/** The `jord` command. docs/cli.md describes it. */

import { dropEmptyVariables } from './options.ts';
import { endWithReaders } from './output.ts';
import { run } from './program.ts';

endWithReaders();
dropEmptyVariables(process.env);
process.exitCode = await run(process.argv.slice(2), (text) => process.stderr.write(text));
