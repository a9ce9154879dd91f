/**
 * Connections to a Redis server, by ioredis. The first one is tried once, so that a wrong address is known at once; one that breaks later is
 * tried again for a while, and then given up.
 */
import { once } from 'node:events';
import { isIP } from 'node:net';
import { Redis, type RedisOptions } from 'ioredis';
import { BackendError, messageOf } from '../base/index.ts';

const PATIENCE_MS = 30_000;
const FIRST_CONNECTION_MS = 5_000;
const RETRY_MS = 500;
const DEFAULT_PORT = 6379;

/** How a server is called in messages: without password. */
export function addressOf({ protocol, hostname, port, pathname }: URL): string {
  return `${protocol}//${hostname}:${port || DEFAULT_PORT}${pathname === '/' ? '' : pathname}`;
}

/** Tells its end also where it is disconnected between two attempts: BullMQ waits for that, and ioredis says nothing there (bullmq#4585). */
class Connection extends Redis {
  override duplicate<More extends Partial<RedisOptions> | undefined = undefined>(more?: More) {
    return Object.assign(super.duplicate(more), { disconnect: this.disconnect });
  }

  override disconnect(reconnect = false): void {
    const isBetweenAttempts = this.status === 'reconnecting' && !reconnect;
    super.disconnect(reconnect);
    if (!isBetweenAttempts) return;
    this.connect().catch(() => undefined); // an attempt that is broken off at once, of which ioredis tells the end
    super.disconnect();
  }
}

export interface RedisConnection {
  /** For BullMQ, which makes others like it. */
  readonly client: Redis;
  /** Fails with a BackendError when the connection is given up, or closed. */
  readonly lost: Promise<never>;
}

/** Throws BackendError where there is no server, or it does not let us in. */
export async function connectRedis(url: URL, patienceMs = PATIENCE_MS): Promise<RedisConnection> {
  const host = url.hostname.replace(/^\[|\]$/g, '');
  let patience = 0; // none before the first connection
  let lostAt = 0;
  const client = new Connection(url.href, {
    connectTimeout: FIRST_CONNECTION_MS,
    maxRetriesPerRequest: null, // commands wait for the connection, as BullMQ demands of workers
    retryStrategy(attempt) {
      if (attempt === 1) lostAt = performance.now();
      return performance.now() - lostAt < patience ? RETRY_MS : null;
    },
    // The name of the host, which ioredis does not tell a server of TLS by itself.
    ...(url.protocol === 'rediss:' && isIP(host) === 0 && { tls: { servername: host } }),
  });
  let reason = 'no answer';
  client.on('error', (error) => {
    reason = messageOf(error).replace(/\.( Please report this\.)?$/, '') || 'no connection';
  });
  const lost = new Promise<never>((_, reject) => {
    client.once('end', () => reject(unreachable(url, reason)));
  });
  lost.catch(() => undefined);
  try {
    await Promise.race([once(client, 'ready', { signal: AbortSignal.timeout(FIRST_CONNECTION_MS) }), lost]);
  } catch {
    if (client.status !== 'end') client.disconnect();
    throw unreachable(url, reason);
  }
  patience = patienceMs;
  return { client, lost };
}

/** Without the error of ioredis as its cause, which has the command that failed, with the password. */
function unreachable(url: URL, got: string): BackendError {
  const hint =
    'See that redis-server runs there, that its password is in the address, and that this machine may connect.';
  return new BackendError(addressOf(url), { expected: 'a Redis server', got, hint });
}
