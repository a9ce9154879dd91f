/** The wire format of Redis, RESP2 (redis.io/docs/latest/develop/reference/protocol-spec): commands as bytes, and replies out of bytes that arrive in pieces. */
import { BackendError } from '../base/index.ts';

/** A reply that says that a command failed. */
export class RedisFailure extends BackendError {
  constructor(message: string) {
    super('redis', { expected: 'the command to work', got: message });
  }
}

export type Reply = string | number | null | RedisFailure | Reply[];

export type Argument = string | number | Uint8Array;

const LINE_END = Buffer.from('\r\n');

/** An array of bulk strings. */
export function encodeCommand(command: readonly Argument[]): Buffer {
  const pieces = command.flatMap((argument) => {
    const bytes = argument instanceof Uint8Array ? argument : Buffer.from(String(argument));
    return [Buffer.from(`$${bytes.length}\r\n`), bytes, LINE_END];
  });
  return Buffer.concat([Buffer.from(`*${command.length}\r\n`), ...pieces]);
}

/** A reply, and where the next one begins. */
interface Found {
  readonly reply: Reply;
  readonly end: number;
}

/** The reply that begins at a place; nothing where its end has not arrived. */
function replyAt(bytes: Buffer, start: number): Found | undefined {
  const lineEnd = bytes.indexOf(LINE_END, start);
  if (lineEnd < 0) return undefined;
  const line = bytes.toString('utf8', start + 1, lineEnd);
  const end = lineEnd + LINE_END.length;
  switch (String.fromCharCode(bytes[start] ?? 0)) {
    case '+':
      return { reply: line, end };
    case '-':
      return { reply: new RedisFailure(line), end };
    case ':':
      return { reply: Number(line), end };
    case '$':
      return bulkAt(bytes, end, Number(line));
    case '*':
      return arrayAt(bytes, end, Number(line));
    default:
      throw new BackendError('redis', {
        expected: 'a reply in RESP2',
        got: JSON.stringify(bytes.toString('latin1', start, Math.min(start + 20, bytes.length))),
        hint: 'Something else than Redis answers at this address.',
      });
  }
}

function bulkAt(bytes: Buffer, start: number, length: number): Found | undefined {
  if (length < 0) return { reply: null, end: start };
  const end = start + length + LINE_END.length;
  return bytes.length < end ? undefined : { reply: bytes.toString('utf8', start, start + length), end };
}

function arrayAt(bytes: Buffer, start: number, length: number): Found | undefined {
  if (length < 0) return { reply: null, end: start };
  const replies: Reply[] = [];
  let end = start;
  while (replies.length < length) {
    const found = replyAt(bytes, end);
    if (found === undefined) return undefined;
    replies.push(found.reply);
    end = found.end;
  }
  return { reply: replies, end };
}

/** Collects what arrives, and gives the replies that are whole. */
export class ReplyReader {
  private pending = Buffer.of();

  read(arrived: Uint8Array): Reply[] {
    const bytes = Buffer.concat([this.pending, arrived]);
    const replies: Reply[] = [];
    let end = 0;
    for (
      let found = replyAt(bytes, 0);
      found !== undefined;
      found = end < bytes.length ? replyAt(bytes, end) : undefined
    ) {
      replies.push(found.reply);
      end = found.end;
    }
    this.pending = bytes.subarray(end);
    return replies;
  }
}
