/** Bodies that are being read. Each may take as long as `--request-timeout`, so there is a bound to what all of them take up together. */
import type { IncomingHttpHeaders } from 'node:http';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { OverloadError } from '../base/index.ts';
import { leavesRoom } from './tenant-shares.ts';

/** Room for 134 bodies of the 2 MB that one may have, of one tenant four fifths; or a small one of every connection there can be. */
const MOST_BYTES = 256 * 1024 * 1024;

declare module 'fastify' {
  interface FastifyRequest {
    /** What its body takes up while it is read. */
    bodyBytes: number;
  }
}

/** Refuses a request before its body is read, where those under way, or those of its tenant, leave no room for it. Comes after what else refuses it. */
export function limitBodies(app: FastifyInstance, maxBytes: number): void {
  const most = Math.max(MOST_BYTES, maxBytes);
  let underWay = 0;
  const ofTenants = new Map<string, number>();
  const count = (tenant: string, bytes: number): void => {
    underWay += bytes;
    const own = (ofTenants.get(tenant) ?? 0) + bytes;
    if (own > 0) ofTenants.set(tenant, own);
    else ofTenants.delete(tenant);
  };
  const giveBack = (request: FastifyRequest): void => {
    count(request.tenant, -request.bodyBytes);
    request.bodyBytes = 0;
  };
  app.decorateRequest('bodyBytes', 0);
  app.addHook('preParsing', (request, reply, body, done) => {
    const bytes = bytesToRead(request.headers, maxBytes);
    const room = most - underWay;
    const own = (ofTenants.get(request.tenant) ?? 0) + bytes;
    if (bytes > room || !leavesRoom(own, room)) {
      const got = `${room} bytes, and ${own - bytes} that the tenant has under way`;
      throw new OverloadError('bodies', { expected: `room for ${bytes} bytes`, got });
    }
    count(request.tenant, bytes);
    request.bodyBytes = bytes;
    // Where it is never parsed: it is malformed or too large, or its client leaves.
    request.raw.once('close', () => giveBack(request));
    reply.raw.once('close', () => giveBack(request));
    done(null, body);
  });
  app.addHook('preValidation', (request, _, done) => {
    giveBack(request);
    done();
  });
}

/** A body that does not say its length may be as long as any; of one that is too long nothing is read. */
function bytesToRead(headers: IncomingHttpHeaders, maxBytes: number): number {
  const isUntold = headers['transfer-encoding'] !== undefined;
  const bytes = isUntold ? maxBytes : Number(headers['content-length'] ?? 0);
  return bytes > maxBytes ? 0 : bytes;
}
