/**
 * Where a function may `fetch` from: a list of origins. An entry is
 *
 *     https://api.example.com         this host, with the port of the scheme (443, or 80 for http)
 *     http://10.0.0.7:8080            this host and port
 *     http://[fd00::7]                an IPv6 address
 *     https://*.example.com:8443      all hosts below example.com, however deep, but not example.com itself
 *
 * An entry is about names, not about the addresses that they resolve to.
 */

import { JordError } from '../errors.ts';

export const FETCH_ALLOW_MAX = 64;
export const FETCH_ALLOW_RULE =
  'An origin looks like https://api.example.com, http://10.0.0.7:8080 or https://*.example.com, with nothing behind it.';

/** scheme, wildcard, host, port. What may be in a host is for the URL parser to say, but for what would mean something else. */
const ENTRY = /^(https?):\/\/(\*\.)?(\[[0-9a-f:.]+\]|[^\s/?#@\\*%:[\]]+)(?::([0-9]{1,5}))?$/i;
const WILDCARD = '://*.';
const IPV4 = /^[0-9.]+$/;
const HOST_LENGTH_MAX = 253;
const SHOWN_LENGTH_MAX = 80;

/**
 * The list with each entry in the form that `isAllowed` compares with (lower case, the scheme's own port left out, names in
 * ASCII), and none twice.
 *
 * Throws BAD_OPTION for an entry of another form, and for more than 64.
 */
export function checkFetchAllow(list: readonly string[]): readonly string[] {
  if (!Array.isArray(list)) throw new JordError('BAD_OPTION', `fetchAllow is a list. ${FETCH_ALLOW_RULE}`);
  if (list.length > FETCH_ALLOW_MAX) {
    const message = `A function may fetch from ${FETCH_ALLOW_MAX} origins at most, not ${list.length}.`;
    throw new JordError('BAD_OPTION', `${message} A wildcard as in https://*.example.com stands for many.`);
  }
  return [...new Set(list.map(normalise))];
}

/**
 * Whether a function with this list, as `checkFetchAllow` returns it, may fetch from `url`. A URL with a user name or password
 * is never allowed.
 */
export function isAllowed(list: readonly string[], url: URL): boolean {
  const { protocol, origin } = url;
  if ((protocol !== 'http:' && protocol !== 'https:') || url.username !== '' || url.password !== '') return false;
  return list.some((entry) => entry === origin || isBelow(entry, protocol, origin));
}

function isBelow(entry: string, protocol: string, origin: string): boolean {
  const at = entry.indexOf(WILDCARD);
  if (at === -1) return false;
  const scheme = `${protocol}//`;
  const suffix = entry.slice(at + WILDCARD.length - 1);
  return entry.startsWith(scheme) && origin.endsWith(suffix) && origin.length > scheme.length + suffix.length;
}

function normalise(entry: unknown): string {
  const [, scheme = '', wildcard = '', host = '', port] = (typeof entry === 'string' && ENTRY.exec(entry)) || [];
  const text = `${scheme}://${host}${port === undefined ? '' : `:${port}`}`;
  if (scheme === '' || !URL.canParse(text)) throw badEntry(entry);
  const { protocol, hostname, host: hostAndPort } = new URL(text);
  if (port !== undefined && Number(port) === 0) throw badEntry(entry);
  if (hostname.length > HOST_LENGTH_MAX || hostname.startsWith('.')) throw badEntry(entry);
  if (wildcard !== '' && (hostname.startsWith('[') || IPV4.test(hostname))) throw badEntry(entry);
  return `${protocol}//${wildcard}${hostAndPort}`;
}

function badEntry(entry: unknown): JordError {
  const text = String(entry);
  const shown = text.length > SHOWN_LENGTH_MAX ? `${text.slice(0, SHOWN_LENGTH_MAX)}…` : text;
  return new JordError('BAD_OPTION', `${JSON.stringify(shown)} is no origin to fetch from. ${FETCH_ALLOW_RULE}`);
}
