/** The connection, against a real server: who is not there, who does not let us in, and what happens to a connection that breaks. */
import { createServer } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { type RedisServer, startRedis, whyNoRedis } from '../../test/redis-server.kit.ts';
import { BackendError } from '../base/index.ts';
import { RedisClient } from './redis-client.ts';
import { queueUrl } from './redis-queue.ts';

it('takes addresses of Redis, and no others', () => {
  expect(queueUrl('rediss://a:b@queue.lan:6380/2').port).toBe('6380');
  for (const address of ['', 'queue.lan:6379', 'http://queue.lan', 'redis://']) {
    expect(() => queueUrl(address), address).toThrow(/expected redis:\/\/HOST:PORT/);
  }
});

it('says at once that nobody is there, without the password', async () => {
  const client = new RedisClient({ url: new URL('redis://me:secret@127.0.0.1:1') });
  const failing = client.connect();
  await expect(failing).rejects.toThrow(BackendError);
  await expect(failing).rejects.toThrow(/^redis:\/\/127.0.0.1:1: expected a Redis server, got .*ECONNREFUSED/);
});

it('says that something else answers', async () => {
  const server = createServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : 0;
  const client = new RedisClient({ url: new URL(`redis://127.0.0.1:${port}`) });
  await expect(client.connect()).rejects.toThrow(/got .*HTTP/);
  server.close();
});

describe.skipIf(whyNoRedis !== undefined)(
  `a server${whyNoRedis === undefined ? '' : ` (skipped: ${whyNoRedis})`}`,
  () => {
    let server: RedisServer;
    afterEach(() => server.stop());

    it('is asked and answers, also by scripts, which it may not know yet', async () => {
      server = await startRedis();
      const client = new RedisClient({ url: server.url });
      client.defineCommand('twice', { lua: 'return {KEYS[1], ARGV[1] * 2}', numberOfKeys: 1 });
      expect(await client.hset('h', { a: 1, b: 'ü' })).toBe(2);
      expect(await client.hgetall('h')).toEqual({ a: '1', b: 'ü' });
      expect(await client.hmget('h', 'b', 'c')).toEqual(['ü', null]);
      for (let time = 0; time < 2; time++) expect(await client.runCommand('twice', ['k', 21])).toEqual(['k', 42]);
      await expect(client.llen('h')).rejects.toThrow(/WRONGTYPE/);
      client.disconnect();
    });

    it('has a password', async () => {
      server = await startRedis(['--requirepass', 'p w']);
      const url = new URL(server.url);
      await expect(new RedisClient({ url }).connect()).rejects.toThrow(/got NOAUTH/);
      url.password = 'wrong';
      await expect(new RedisClient({ url }).connect()).rejects.toThrow(/got WRONGPASS/);
      url.password = 'p w';
      const client = new RedisClient({ url });
      expect(await client.set('a', 1)).toBe('OK');
      client.disconnect();
    });

    it('is given up when it is gone for long, and whoever waits is told', async () => {
      server = await startRedis();
      const client = new RedisClient({ url: server.url, patienceMs: 100 });
      await client.connect();
      const blocked = client.bzpopmin('nothing', 0);
      const ended = new Promise((resolve) => client.once('end', resolve));
      await Promise.all([server.stop(), expect(blocked).rejects.toThrow('Connection is closed.')]);
      expect(await ended).toBeInstanceOf(BackendError);
      expect(client.status).toBe('end');
      server = await startRedis(); // for the hook
    });
  },
);
