/**
 * Who may manage functions. With a token: whoever has it, from anywhere. Without one: programs on this machine.
 *
 * A browser on this machine is not such a program, since it runs the scripts of any site. It is told by what it cannot
 * leave out: the name it believes to talk to (`Host`, against DNS rebinding), and where a request that changes something
 * comes from (`Origin`, `Sec-Fetch-Site`). The server's own origin is refused too: a function can answer with a page,
 * and its script must not deploy functions.
 */

import { hash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { JordError } from '../errors.ts';

const BEARER = /^bearer +(\S+) *$/i;
const FORWARDING_FIELDS = ['forwarded', 'x-forwarded-for', 'x-real-ip', 'via'] as const;

export class Access {
  readonly #tokenDigest: Buffer | undefined;

  constructor(token: string | undefined) {
    this.#tokenDigest = token === undefined ? undefined : digest(token);
  }

  /** Whether managing functions takes a token. */
  get needsToken(): boolean {
    return this.#tokenDigest !== undefined;
  }

  /** Throws UNAUTHORIZED or FORBIDDEN for a request that may not manage functions. */
  check(request: IncomingMessage): void {
    if (this.#tokenDigest === undefined) {
      checkLocal(request);
    } else if (!this.isToken(request.headers.authorization)) {
      const given =
        request.headers.authorization === undefined ? 'is missing' : 'does not hold the token of this server';
      throw new JordError('UNAUTHORIZED', `The header field "Authorization: Bearer <token>" ${given}.`);
    }
  }

  /** Whether this value of `Authorization` holds the token of the server. Takes the same time for any wrong token. */
  isToken(authorization: string | undefined): boolean {
    if (this.#tokenDigest === undefined || authorization === undefined) return false;
    const token = BEARER.exec(authorization)?.[1];
    return token !== undefined && timingSafeEqual(digest(token), this.#tokenDigest);
  }
}

function digest(token: string): Buffer {
  return hash('sha256', token, 'buffer');
}

function checkLocal(request: IncomingMessage): void {
  const { headers } = request;
  if (!isLoopbackAddress(request.socket.remoteAddress)) {
    throw forbidden(
      'Without a token this server is managed from its own machine only. Start it with --token to allow more.',
    );
  }
  const forwarding = FORWARDING_FIELDS.find((name) => headers[name] !== undefined);
  if (forwarding !== undefined) {
    throw forbidden(`This request was forwarded ("${forwarding}"). Behind a proxy, start the server with --token.`);
  }
  if (headers.host !== undefined && !isLoopbackHost(headers.host)) {
    throw forbidden(
      `Without a token this server is managed as localhost only, not as ${JSON.stringify(headers.host)}. Start it with --token to allow more.`,
    );
  }
  if (request.method !== 'GET' && request.method !== 'HEAD' && comesFromPage(headers)) {
    throw forbidden('Without a token no web page may manage this server. Start it with --token to allow more.');
  }
}

function forbidden(message: string): JordError {
  return new JordError('FORBIDDEN', message);
}

function isLoopbackAddress(address: string | undefined): boolean {
  return address !== undefined && /^(?:::1|(?:::ffff:)?127\.\d+\.\d+\.\d+)$/.test(address);
}

/** `localhost`, 127.0.0.0/8 or ::1, with any port or none. */
export function isLoopbackHost(host: string): boolean {
  const name = host.toLowerCase().replace(/:\d*$/, '');
  return name === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(name) || /^(?:[a-z0-9-]+\.)*localhost$/.test(name);
}

function comesFromPage(headers: IncomingHttpHeaders): boolean {
  const site = headers['sec-fetch-site'];
  return headers.origin !== undefined || (site !== undefined && site !== 'none');
}
