/** Connections, against a real server: who is not there, who does not let us in, and what happens to a connection that breaks. */
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { type RedisServer, startRedis, whyNoRedis } from '../../test/redis-server.kit.ts';
import { BackendError } from '../base/index.ts';
import { connectRedis } from './redis-connection.ts';
import { queueUrl } from './redis-queue.ts';

it('takes addresses of Redis, and no others', () => {
  expect(queueUrl('rediss://a:b@queue.lan:6380/2').port).toBe('6380');
  for (const address of ['', 'queue.lan:6379', 'http://queue.lan', 'redis://', 'redis://queue.lan/trials']) {
    expect(() => queueUrl(address), address).toThrow(/expected redis:\/\/HOST:PORT/);
  }
});

it('says at once that nobody is there, without the password', async () => {
  const failing = connectRedis(new URL('redis://me:secret@127.0.0.1:1'));
  await expect(failing).rejects.toThrow(BackendError);
  await expect(failing).rejects.toThrow(/^redis:\/\/127.0.0.1:1: expected a Redis server, got .*ECONNREFUSED/);
});

/** What is said of a server that is not Redis. */
async function saidOf(answer: (socket: Socket) => void): Promise<unknown> {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : 0;
  const said = await connectRedis(new URL(`redis://127.0.0.1:${port}`)).catch((error) => error);
  server.close();
  return said;
}

it('says that something else answers, or nobody', async () => {
  const other = await saidOf((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
  expect(other).toMatchObject({ code: 'BACKEND', got: 'Unknown RESP type 72 "H"' });
  expect(await saidOf(() => undefined)).toMatchObject({ code: 'BACKEND', got: 'no answer' });
}, 20_000);

describe.skipIf(whyNoRedis !== undefined)(
  `a server${whyNoRedis === undefined ? '' : ` (skipped: ${whyNoRedis})`}`,
  () => {
    let server: RedisServer;
    afterEach(() => server.stop());

    it('has a password, and a number of databases', async () => {
      server = await startRedis(['--requirepass', 'p w', '--databases', '2']);
      const url = new URL(server.url);
      await expect(connectRedis(url)).rejects.toThrow(/got NOAUTH/);
      url.password = 'wrong';
      await expect(connectRedis(url)).rejects.toThrow(/got WRONGPASS/);
      await expect(connectRedis(url)).rejects.toMatchObject({ cause: undefined });
      url.password = 'p w';
      url.pathname = '/2';
      await expect(connectRedis(url)).rejects.toThrow(/got ERR DB index is out of range/);
      url.pathname = '/1';
      const { client } = await connectRedis(url);
      expect(await client.set('a', 1)).toBe('OK');
      client.disconnect();
    });

    it('may come back: what was asked is answered then', async () => {
      server = await startRedis();
      const { client } = await connectRedis(server.url);
      const copy = client.duplicate();
      copy.on('error', () => undefined);
      const blocked = copy.bzpopmin('queue', 0);
      await server.stop();
      server = await startRedis(['--port', server.url.port]);
      await client.zadd('queue', 1, 'a');
      expect(await blocked).toEqual(['queue', 'a', '1']);
      for (const each of [client, copy]) each.disconnect();
    });

    it('is given up when it is gone for long, and whoever waits is told', async () => {
      server = await startRedis();
      const { client, lost } = await connectRedis(server.url, 100);
      const blocked = client.bzpopmin('nothing', 0);
      await Promise.all([server.stop(), expect(blocked).rejects.toThrow('Connection is closed.')]);
      await expect(lost).rejects.toThrow(BackendError);
      expect(client.status).toBe('end');
      server = await startRedis(); // for the hook
    });

    it('is left at once by connections that wait for it to come back', async () => {
      server = await startRedis();
      const { client } = await connectRedis(server.url);
      const copy = client.duplicate();
      await once(copy, 'ready');
      await server.stop();
      for (const each of [copy, client]) {
        if (each.status !== 'reconnecting') await once(each, 'reconnecting');
        each.disconnect();
        await once(each, 'end');
      }
      server = await startRedis(); // for the hook
    });
  },
);
