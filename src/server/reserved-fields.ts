/** Header fields that no function sets: they are the server's, or belong to one connection. */

/** Marks a problem document of the server itself, and holds its code: below /fn/, a function could write such a document too. */
export const ERROR_FIELD = 'jord-error';

/** Fields that speak about one connection, not about the message (RFC 9110, 7.6.1, and what proxies made of it). */
export const CONNECTION_FIELDS: ReadonlySet<string> = new Set([
  'connection',
  'expect',
  'http2-settings',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authentication-info',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** All of them, in lower case. The gateway frames and dates responses: a function that could would let one look like two. */
export const RESERVED_FIELDS: ReadonlySet<string> = new Set([
  ...CONNECTION_FIELDS,
  'content-length',
  'date',
  ERROR_FIELD,
]);
