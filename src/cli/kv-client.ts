/** The key-value store of a server, as the commands use it over HTTP. */

import { JordError } from '../errors.ts';
import { checkSpaceName } from '../functions/kv-rights.ts';
import { encodePercent, NDJSON_TYPE, TTL_FIELD } from '../gateway/kv-text.ts';
import type { KvSpaceInfo, KvSpaceOptions } from '../server/kv/types.ts';
import type { Client } from './client.ts';

const OCTETS = 'application/octet-stream';
const JSON_TYPE = { 'content-type': 'application/json' };

/** A key in a list, as the server writes it. */
export interface ListedKey {
  readonly key?: string;
  readonly keyBase64?: string;
  readonly version: string;
  readonly sizeBytes: number;
  readonly ttlMs: number | null;
}

export interface ListedPage {
  readonly keys: readonly ListedKey[];
  readonly more: boolean;
  readonly next: string | null;
}

export interface Entry {
  readonly value: Uint8Array;
  readonly version: string;
  readonly ttlMs: number | null;
}

/** What is to be there, or not, for a change to be made. */
export interface Expectation {
  readonly ifVersion?: bigint;
  readonly ifAbsent?: boolean;
}

/** Throws what the server answers with. Keys are bytes. */
export class KvClient {
  readonly #client: Client;

  constructor(client: Client) {
    this.#client = client;
  }

  async spaces(): Promise<readonly KvSpaceInfo[]> {
    const response = await this.#client.manage('GET', '/kv');
    return ((await response.json()) as { readonly spaces: readonly KvSpaceInfo[] }).spaces;
  }

  async space(name: string): Promise<KvSpaceInfo> {
    return (await (await this.#client.manage('GET', spacePath(name))).json()) as KvSpaceInfo;
  }

  async create(
    name: string,
    options: KvSpaceOptions,
  ): Promise<{ readonly info: KvSpaceInfo; readonly isNew: boolean }> {
    const body = new TextEncoder().encode(JSON.stringify(options));
    const response = await this.#client.manage('PUT', spacePath(name), { headers: JSON_TYPE, body });
    return { info: (await response.json()) as KvSpaceInfo, isNew: response.status === 201 };
  }

  async drop(name: string): Promise<void> {
    await this.#client.manage('DELETE', spacePath(name));
  }

  async get(space: string, key: Uint8Array): Promise<Entry> {
    const response = await this.#client.manage('GET', keyPath(space, key), { type: OCTETS });
    const ttl = response.headers.get(TTL_FIELD);
    return {
      value: new Uint8Array(await response.arrayBuffer()),
      version: versionOf(response),
      ttlMs: ttl === null ? null : Number(ttl),
    };
  }

  /** Returns the version. */
  async put(
    space: string,
    key: Uint8Array,
    body: Uint8Array<ArrayBuffer>,
    options: Expectation & { readonly ttlMs?: number },
  ): Promise<string> {
    const ttl: Record<string, string> = options.ttlMs === undefined ? {} : { [TTL_FIELD]: String(options.ttlMs) };
    const headers = { 'content-type': OCTETS, ...conditionFields(options), ...ttl };
    return versionOf(await this.#client.manage('PUT', keyPath(space, key), { headers, body }));
  }

  async delete(space: string, key: Uint8Array, options: Expectation): Promise<void> {
    await this.#client.manage('DELETE', keyPath(space, key), { headers: conditionFields(options) });
  }

  /** Returns the sum, in decimal. */
  async add(space: string, key: Uint8Array, delta: bigint): Promise<string> {
    const body = new TextEncoder().encode(String(delta));
    const headers = { 'content-type': 'text/plain' };
    const response = await this.#client.manage('POST', `${keyPath(space, key)}/add`, {
      headers,
      body,
      type: 'text/plain',
    });
    return (await response.text()).trim();
  }

  /** `from` is a path: that of `firstPage`, or `next` of the page before. */
  async list(from: string): Promise<ListedPage> {
    return (await (await this.#client.manage('GET', from)).json()) as ListedPage;
  }

  /** Lines, each with a key. */
  async export(space: string, prefix: string): Promise<Response> {
    const query = prefix === '' ? '' : `?prefix=${encodeURIComponent(prefix)}`;
    return this.#client.manage('GET', `${spacePath(space)}/export${query}`, { type: NDJSON_TYPE });
  }

  /** Returns how many keys were put. */
  async import(space: string, body: Uint8Array<ArrayBuffer>): Promise<number> {
    const headers = { 'content-type': NDJSON_TYPE };
    const response = await this.#client.manage('POST', `${spacePath(space)}/import`, { headers, body });
    return ((await response.json()) as { readonly imported: number }).imported;
  }
}

/** Where a list begins. */
export function firstPage(space: string, prefix: string, after: string, limit: number): string {
  const query = `prefix=${encodeURIComponent(prefix)}&after=${encodeURIComponent(after)}&limit=${limit}`;
  return `${spacePath(space)}/keys?${query}`;
}

/** Throws KV_NAME_INVALID: a name that is none could make another path. */
function spacePath(name: string): string {
  checkSpaceName(name);
  return `/kv/${name}`;
}

function keyPath(space: string, key: Uint8Array): string {
  const text = Buffer.from(key).toString('latin1');
  if (text === '.' || text === '..') {
    throw new JordError('BAD_OPTION', `No URL can name the key ${JSON.stringify(text)}. A function can use it.`);
  }
  return `${spacePath(space)}/keys/${encodePercent(key)}`;
}

function conditionFields({ ifVersion, ifAbsent }: Expectation): Readonly<Record<string, string>> {
  if (ifVersion !== undefined && ifAbsent === true) {
    throw new JordError('BAD_OPTION', 'Give either --if-version or --if-absent.');
  }
  if (ifVersion !== undefined) return { 'if-match': `"${ifVersion}"` };
  return ifAbsent === true ? { 'if-none-match': '*' } : {};
}

function versionOf(response: Response): string {
  return (response.headers.get('etag') ?? '').replaceAll('"', '');
}
