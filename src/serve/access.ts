/** Who may ask, and whose rows a request's are. */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { Refusal } from './refusal.ts';

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/** A longer name of a tenant is kept as its digest, so that no two that begin alike are one tenant. */
const LONGEST_NAME = 128;

export const TENANT_HEADER = 'x-prumux-tenant';

/** The tenant of a request, from its headers. Throws a Refusal where its key is none of those that are known. */
export type TenantOf = (headers: IncomingHttpHeaders) => string;

/**
 * With several keys, each is a tenant, whatever the header says; otherwise tenants are whom the header names, which a proxy in front should set.
 * Keys are compared by their digests, all of them, in the same time whichever it is, if any.
 */
export function accessBy(keys: readonly string[]): TenantOf {
  const digests = keys.map(digest);
  return (headers) => {
    if (keys.length === 0) return namedTenant(headers);
    const given = digest(keyOf(headers));
    const matches = digests.map((known) => timingSafeEqual(known, given));
    const at = matches.indexOf(true);
    if (at < 0) throw unauthorized();
    return keys.length > 1 ? `key ${at + 1}` : namedTenant(headers);
  };
}

/** `Authorization: Bearer KEY`, or `x-api-key: KEY`. */
function keyOf({ authorization = '', 'x-api-key': plain = '' }: IncomingHttpHeaders): string {
  return /^Bearer (.+)$/i.exec(authorization)?.[1] ?? String(plain);
}

function namedTenant(headers: IncomingHttpHeaders): string {
  const name = String(headers[TENANT_HEADER] ?? '');
  return name.length <= LONGEST_NAME ? name : `sha256 ${digest(name).toString('hex')}`;
}

function unauthorized(): Refusal {
  const expected = 'a known key, as Authorization: Bearer KEY';
  return new Refusal('unauthorized', 'key', { expected, got: 'another or none' });
}
