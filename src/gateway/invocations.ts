/**
 * The invocations under way of one gateway, by connection: a client that goes away cancels its own, and a gateway that has waited
 * long enough cancels those that are left.
 *
 * One listener for each connection and none for a request: most requests come over connections that have had others before, and
 * no client of theirs goes away.
 */

import type { Socket } from 'node:net';
import { JordError } from '../errors.ts';
import { Cancellation } from '../server/types.ts';

/** What a gateway cut off when it closed. */
export interface CloseReport {
  /** Invocations that had not ended, by function; sorted by name. */
  readonly cutOff: readonly { readonly function: string; readonly count: number }[];
}

/** One invocation, and what cancels it. */
export class Invocation extends Cancellation {
  readonly functionName: string;
  /** Those of its connection that are under way. With pipelining there may be several. */
  readonly siblings: Set<Invocation>;

  constructor(functionName: string, siblings: Set<Invocation>) {
    super();
    this.functionName = functionName;
    this.siblings = siblings;
  }
}

export class Invocations {
  /** Connections that have had an invocation, and what is under way on each. */
  readonly #connections = new Map<Socket, Set<Invocation>>();
  /** One word, which other threads may read. */
  readonly #counter: Int32Array;
  /** Whether none may begin any more. */
  #isCutOff = false;
  /** Those that were cut off and have not ended, and how many have, by function. */
  readonly #cutOff = new Set<Invocation>();
  readonly #cutOffCounts = new Map<string, number>();
  #ended: (() => void) | undefined;

  constructor(counter: Int32Array = new Int32Array(1)) {
    this.#counter = counter;
  }

  /** How many are under way. */
  get count(): number {
    return this.#counter[0] ?? 0;
  }

  /** To be called before the invocation is handed to the worker server. Throws when it must not begin any more. */
  begin(functionName: string, socket: Socket): Invocation {
    if (this.#isCutOff) throw serverStopped('The server is about to stop: the function was not called.');
    // Its listeners may have been called already.
    if (socket.destroyed) throw new JordError('INVOCATION_CANCELLED', 'The client is gone.');
    const siblings = this.#connections.get(socket) ?? this.#watch(socket);
    const invocation = new Invocation(functionName, siblings);
    siblings.add(invocation);
    this.#counter[0] = this.count + 1;
    return invocation;
  }

  /** To be called when the invocation has ended in any way. From then on nothing cancels it. */
  end(invocation: Invocation): void {
    invocation.siblings.delete(invocation);
    if (this.#isCutOff) this.#cutOff.delete(invocation);
    this.#counter[0] = this.count - 1;
    if (this.count === 0) this.#ended?.();
  }

  /** What an invocation failed with, as its client is to see it: those that were cut off say that the server stops. */
  failure(invocation: Invocation, error: unknown): unknown {
    if (!this.#cutOff.has(invocation) || !(error instanceof JordError) || error.code !== 'INVOCATION_CANCELLED')
      return error;
    this.#countCutOff(invocation);
    return serverStopped(`The server is about to stop: ${invocation.functionName} was cancelled.`);
  }

  /** Returns once none is under way. One waits at a time. */
  async whenEnded(): Promise<void> {
    if (this.count === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#ended = resolve;
    await promise;
  }

  /** Cancels those that are under way, and lets none begin. */
  cutOff(): void {
    this.#isCutOff = true;
    for (const invocations of this.#connections.values())
      for (const invocation of invocations) this.#cutOff.add(invocation);
    for (const invocation of this.#cutOff) invocation.cancel();
  }

  /** Ends the connections that are left. */
  destroyConnections(): void {
    for (const socket of this.#connections.keys()) socket.destroy();
  }

  /** To be asked once, at the end. What has not ended by then counts; what ended with a response all the same does not. */
  report(): CloseReport {
    for (const invocation of this.#cutOff) this.#countCutOff(invocation);
    const sorted = [...this.#cutOffCounts].sort(([a], [b]) => (a < b ? -1 : 1));
    return { cutOff: sorted.map(([name, count]) => ({ function: name, count })) };
  }

  #watch(socket: Socket): Set<Invocation> {
    const invocations = new Set<Invocation>();
    this.#connections.set(socket, invocations);
    socket.once('close', () => {
      this.#connections.delete(socket);
      for (const invocation of invocations) invocation.cancel();
    });
    return invocations;
  }

  #countCutOff({ functionName }: Invocation): void {
    this.#cutOffCounts.set(functionName, (this.#cutOffCounts.get(functionName) ?? 0) + 1);
  }
}

function serverStopped(message: string): JordError {
  return new JordError('SERVER_STOPPED', message);
}
