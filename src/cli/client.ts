/** The HTTP API of a Jord server, as the commands use it. */

import { ERRORS, type ErrorCode, JordError } from '../errors.ts';
import { ERROR_FIELD } from '../server/reserved-fields.ts';
import type { FunctionInfo, ServerStats } from '../server/types.ts';
import type { ServerOptions } from './options.ts';

export interface Invocation {
  readonly method: string;
  /** Behind /fn/<name>: '' or with a leading slash, percent-encoded. */
  readonly path: string;
  /** Without the question mark. */
  readonly query: string;
  readonly headers: readonly (readonly [string, string])[];
  /** undefined for a request without one. */
  readonly body: Uint8Array<ArrayBuffer> | undefined;
}

export interface ManagementRequest {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array<ArrayBuffer> | undefined;
  readonly type?: string;
}

/** Throws the error that the server answers with, and SERVER_UNREACHABLE when it does not answer (as a Jord server would). */
export class Client {
  readonly #server: string;
  readonly #token: string | undefined;

  constructor({ server, token }: ServerOptions) {
    this.#server = server;
    this.#token = token;
  }

  async list(): Promise<readonly FunctionInfo[]> {
    const { functions } = (await this.#manage('GET', '/functions')) as { functions: readonly FunctionInfo[] };
    return functions;
  }

  async inspect(name: string): Promise<FunctionInfo> {
    return (await this.#manage('GET', functionPath(name))) as FunctionInfo;
  }

  async stats(): Promise<ServerStats> {
    return (await this.#manage('GET', '/stats')) as ServerStats;
  }

  /** `parameters` are those of the query: undefined ones are left out, of lists each entry is one. */
  async deploy(
    name: string,
    module: Uint8Array<ArrayBuffer>,
    parameters: Readonly<Record<string, number | readonly string[] | undefined>>,
  ): Promise<FunctionInfo> {
    const query = Object.entries(parameters)
      .flatMap(([parameter, value = []]) => [value].flat().map((one) => `${parameter}=${encodeURIComponent(one)}`))
      .join('&');
    const path = functionPath(name) + (query === '' ? '' : `?${query}`);
    return (await this.#manage('PUT', path, module)) as FunctionInfo;
  }

  async remove(name: string): Promise<void> {
    await this.#manage('DELETE', functionPath(name));
  }

  /** The response is the function's own, whatever its status; the server's own errors are thrown. The token is not sent. */
  async invoke(name: string, { method, path, query, headers, body }: Invocation): Promise<Response> {
    const url = `${this.invocationUrl(name)}${path}${query === '' ? '' : `?${query}`}`;
    const response = await this.#fetch(url, { method, headers: toHeaders(headers), body: body ?? null });
    const problem = await readProblem(response);
    if (problem !== undefined) throw problem;
    return response;
  }

  /** Where a function is invoked. */
  invocationUrl(name: string): string {
    return `${this.#server}/fn/${encodeURIComponent(name)}`;
  }

  async #manage(method: string, path: string, body?: Uint8Array<ArrayBuffer>): Promise<unknown> {
    const headers = body === undefined ? {} : { 'content-type': 'application/wasm' };
    const response = await this.manage(method, path, { headers, body });
    return response.status === 204 ? undefined : response.json();
  }

  /**
   * What the server answers to who manages it: with `type` as its content type, or with 204. Throws the error that it answers with,
   * and SERVER_UNREACHABLE.
   */
  async manage(
    method: string,
    path: string,
    { headers = {}, body, type = 'application/json' }: ManagementRequest = {},
  ): Promise<Response> {
    const authorization = this.#token === undefined ? {} : { authorization: `Bearer ${this.#token}` };
    const response = await this.#fetch(`${this.#server}${path}`, {
      method,
      headers: { ...headers, ...authorization },
      body: body ?? null,
    });
    if (response.status === 204) return response;
    if (response.ok && response.headers.get('content-type')?.startsWith(type) === true) return response;
    throw (await readProblem(response)) ?? this.#notJord(response);
  }

  async #fetch(url: string, options: RequestInit): Promise<Response> {
    try {
      return await fetch(url, { ...options, redirect: 'manual' });
    } catch (error) {
      throw this.#unreachable(error);
    }
  }

  #unreachable(error: unknown): JordError {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
    const reasons: Readonly<Record<string, string>> = {
      ECONNREFUSED: 'nothing listens there',
      ENOTFOUND: 'no such host name',
      EAI_AGAIN: 'the host name cannot be resolved now',
      ETIMEDOUT: 'no answer in time',
      UND_ERR_CONNECT_TIMEOUT: 'no answer in time',
      ECONNRESET: 'it closed the connection',
      UND_ERR_SOCKET: 'it closed the connection',
      ERR_SSL_WRONG_VERSION_NUMBER: 'it does not speak TLS; use an http:// address',
      ERR_SSL_PACKET_LENGTH_TOO_LONG: 'it does not speak TLS; use an http:// address',
    };
    const message = cause instanceof Error ? cause.message : String(cause);
    const reason = reasons[code] ?? message.trim().replace(/\.$/, '');
    return new JordError(
      'SERVER_UNREACHABLE',
      `No server answers at ${this.#server}: ${reason}.`,
      {},
      { cause: error },
    );
  }

  #notJord(response: Response): JordError {
    const message = `What answers at ${this.#server} (status ${response.status}) is not a Jord server.`;
    return new JordError('SERVER_UNREACHABLE', message);
  }
}

function functionPath(name: string): string {
  return `/functions/${encodeURIComponent(name)}`;
}

/** Throws BAD_OPTION for fields that cannot be sent. */
function toHeaders(fields: Invocation['headers']): Headers {
  const headers = new Headers();
  for (const [name, value] of fields) {
    try {
      headers.append(name, value);
    } catch (error) {
      throw new JordError(
        'BAD_OPTION',
        `HTTP does not allow the header field ${JSON.stringify(`${name}: ${value}`)}.`,
        {},
        { cause: error },
      );
    }
  }
  return headers;
}

/**
 * The error that a Jord server answers with; undefined for any other response. The header field decides, since no function can
 * set it. An answer to HEAD has no document: then the error is its title.
 */
async function readProblem(response: Response): Promise<JordError | undefined> {
  const code = response.headers.get(ERROR_FIELD);
  if (code === null || !isErrorCode(code)) return undefined;
  const document: unknown = await response.json().catch(() => undefined);
  const { detail, ...members } =
    typeof document === 'object' ? ((document as Record<string, unknown> | null) ?? {}) : {};
  return new JordError(code, typeof detail === 'string' ? detail : `${ERRORS[code].title}.`, members);
}

function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(ERRORS, code);
}
