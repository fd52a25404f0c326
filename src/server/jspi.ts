/** The parts of JSPI (https://github.com/WebAssembly/js-promise-integration) that TypeScript's library does not know yet. */
interface Jspi {
  promising(entry: unknown): (...parameters: number[]) => Promise<number>;
  readonly Suspending: new (
    hostFunction: (...parameters: number[]) => number | Promise<number>,
  ) => WebAssembly.ImportValue;
}

const jspi = WebAssembly as unknown as Jspi;

/** An export as a function that runs on a stack of its own; its promise settles when it has ended. */
export function promising(entry: WebAssembly.ExportValue | undefined): (...parameters: number[]) => Promise<number> {
  return jspi.promising(entry);
}

/** An import that sets the stack of its caller aside when it returns a promise. */
export function suspending(
  hostFunction: (...parameters: number[]) => number | Promise<number>,
): WebAssembly.ImportValue {
  return new jspi.Suspending(hostFunction);
}
