/** What is kept of a case that fails: enough to look at it, and to run it again. */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import wabt from 'wabt';
import { JordError } from '../../src/errors.ts';
import { ABI_IMPORTS } from '../../src/functions/abi.ts';
import { guardModule } from '../../src/guard/guard.ts';

/** Folders of failures are in here. */
const REPORTS = fileURLToPath(new URL('../../build/fuzz/', import.meta.url));

/** Writes `module.wasm` and, where that can be, its text and that of the guarded module; and `case.json`. Returns the folder. */
export async function writeReport(name: string, bytes: Uint8Array, details: unknown): Promise<string> {
  const folder = path.join(REPORTS, name);
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, 'module.wasm'), bytes);
  const json = JSON.stringify(details, (_, value: unknown) => (typeof value === 'bigint' ? `${value}n` : value), 1);
  writeFileSync(path.join(folder, 'case.json'), json);
  await writeText(path.join(folder, 'module.wat'), () => bytes);
  await writeText(path.join(folder, 'guarded.wat'), () => guardModule(bytes, { imports: ABI_IMPORTS }).bytes);
  return folder;
}

async function writeText(file: string, bytesOf: () => Uint8Array): Promise<void> {
  let bytes: Uint8Array;
  try {
    bytes = bytesOf();
  } catch (error) {
    if (error instanceof JordError) return;
    throw error;
  }
  writeFileSync(file, await textOf(bytes));
}

/** The module in the text format, or why there is none: the toolkit does not know all that V8 does. */
async function textOf(bytes: Uint8Array): Promise<string> {
  const toolkit = await wabt();
  try {
    const module = toolkit.readWasm(bytes, { readDebugNames: true, ...FEATURES });
    try {
      module.applyNames();
      return module.toText({ foldExprs: true, inlineExport: true });
    } finally {
      module.destroy();
    }
  } catch (error) {
    return `;; no text: ${error instanceof Error ? error.message : String(error)}\n`;
  }
}

const FEATURES = {
  exceptions: true,
  threads: true,
  tail_call: true,
  extended_const: true,
  relaxed_simd: true,
} as const;
