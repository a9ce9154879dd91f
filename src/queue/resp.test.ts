/** The wire format against a plain writer of replies, in pieces of any size; and against the protocol's own examples. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { encodeCommand, RedisFailure, type Reply, ReplyReader } from './resp.ts';

/** As a server writes it. */
function written(reply: Reply): string {
  if (reply === null) return '$-1\r\n';
  if (reply instanceof RedisFailure) return `-${reply.got}\r\n`;
  if (typeof reply === 'number') return `:${reply}\r\n`;
  if (typeof reply === 'string') return `$${Buffer.byteLength(reply)}\r\n${reply}\r\n`;
  return `*${reply.length}\r\n${reply.map(written).join('')}`;
}

const { reply } = fc.letrec<{ reply: Reply }>((tie) => ({
  reply: fc.oneof(
    { depthSize: 'small' },
    fc.string({ unit: 'binary' }),
    fc.integer(),
    fc.constant(null),
    fc.array(tie('reply'), { maxLength: 4 }),
  ),
}));

it('reads what a server writes, however it is cut into pieces', () => {
  fc.assert(
    fc.property(fc.array(reply, { maxLength: 5 }), fc.integer({ min: 1, max: 9 }), (replies, size) => {
      const bytes = Buffer.from(replies.map(written).join(''));
      const reader = new ReplyReader();
      const read: Reply[] = [];
      for (let at = 0; at < bytes.length; at += size) read.push(...reader.read(bytes.subarray(at, at + size)));
      expect(read).toEqual(replies);
    }),
  );
});

it('reads the examples of the specification', () => {
  const examples = '+OK\r\n-ERR unknown command\r\n:-7\r\n*-1\r\n*0\r\n$0\r\n\r\n';
  const [ok, failure, ...others] = new ReplyReader().read(Buffer.from(examples));
  expect(ok).toBe('OK');
  expect(failure).toBeInstanceOf(RedisFailure);
  expect(failure).toMatchObject({ got: 'ERR unknown command' });
  expect(others).toEqual([-7, null, [], '']);
});

it('writes commands as arrays of bulk strings, bytes as they are', () => {
  expect(encodeCommand(['SET', 'ключ', 1]).toString()).toBe('*3\r\n$3\r\nSET\r\n$8\r\nключ\r\n$1\r\n1\r\n');
  expect([...encodeCommand([Uint8Array.of(255, 13, 10)])]).toEqual([
    ...Buffer.from('*1\r\n$3\r\n'),
    ...[255, 13, 10, 13, 10],
  ]);
});

it('says that something else answers', () => {
  expect(() => new ReplyReader().read(Buffer.from('HTTP/1.1 400 Bad Request\r\n'))).toThrow(
    /expected a reply in RESP2, got "HTTP/,
  );
});
