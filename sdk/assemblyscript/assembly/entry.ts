import { Request } from './request';
import { Response } from './response';

// Named by the compiler's options, so they must be in the program.
export { abort, console, seed, trace } from './runtime';

/** What a function exports as `handle`. */
export type Handler = (request: Request) => Response;

/** The request that `handle` of the ABI is given. */
export function received(pointer: usize, length: i32): Request {
  return new Request(pointer, length);
}
