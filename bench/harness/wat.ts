/** Functions of experiments in WebAssembly text. */
import wabt from 'wabt';

/** The binary of a module in the text format. */
export async function assembleWat(
  name: string,
  text: string,
  features: Readonly<Record<string, boolean>> = {},
): Promise<Uint8Array<ArrayBuffer>> {
  const module = (await wabt()).parseWat(name, text, features);
  try {
    return new Uint8Array(module.toBinary({}).buffer);
  } finally {
    module.destroy();
  }
}
