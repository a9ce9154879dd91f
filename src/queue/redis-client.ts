/** As much of Redis as BullMQ asks of a client, under BullMQ's names. Flows, repeated jobs and scans, which trials do not use, are refused. */
import { createHash } from 'node:crypto';
import type { IRedisClient } from 'bullmq';
import { assert, BackendError } from '../base/index.ts';
import { RedisConnection, type RedisOptions } from './redis-connection.ts';
import { type Argument, RedisFailure, type Reply } from './resp.ts';

type Streams = Awaited<ReturnType<IRedisClient['xread']>>;

interface Script {
  readonly sha: string;
  readonly lua: string;
  readonly numberOfKeys: number;
}

const textOf = (reply: Reply): string => String(reply ?? '');
const numberOf = (reply: Reply): number => Number(reply);
const textOrNull = (reply: Reply): string | null => (reply === null ? null : String(reply));

function listOf(reply: Reply): (string | null)[] {
  assert(Array.isArray(reply), 'a list from Redis');
  return reply.map(textOrNull);
}

const textsOf = (reply: Reply): string[] => listOf(reply).map((text) => text ?? '');

function refuse(what: string): never {
  throw new BackendError('redis', { expected: 'commands of a queue of trials', got: what });
}

/** Missing arguments of scripts keep their places. */
function argumentOf(value: unknown): Argument {
  return value instanceof Uint8Array ? value : String(value ?? '');
}

export class RedisClient extends RedisConnection implements IRedisClient {
  readonly isCluster = false;
  readonly options: Record<string, unknown> = {};
  private readonly scripts = new Map<string, Script>();

  override disconnect(reason?: Error | boolean): void {
    super.disconnect(reason instanceof Error ? reason : undefined);
  }

  async quit(): Promise<string> {
    this.disconnect();
    return 'OK';
  }

  duplicate(more: Pick<RedisOptions, 'connectionName'> = {}): RedisClient {
    const copy = new RedisClient({ ...this.settings, ...more });
    for (const [name, script] of this.scripts) copy.scripts.set(name, script);
    return copy;
  }

  defineCommand(name: string, { lua, numberOfKeys }: { readonly lua: string; readonly numberOfKeys: number }): void {
    this.scripts.set(name, { sha: createHash('sha1').update(lua).digest('hex'), lua, numberOfKeys });
  }

  async runCommand(name: string, given: readonly unknown[]): Promise<Reply> {
    const script = this.scripts.get(name);
    assert(script !== undefined, `a script of the name ${name}`);
    const values = given.length === 1 && Array.isArray(given[0]) ? given[0] : given;
    const rest = [script.numberOfKeys, ...values.map(argumentOf)];
    try {
      return await this.send(['EVALSHA', script.sha, ...rest]);
    } catch (error) {
      if (!(error instanceof RedisFailure && error.got.startsWith('NOSCRIPT'))) throw error;
      return this.send(['EVAL', script.lua, ...rest]);
    }
  }

  async hgetall(key: string): Promise<Record<string, string>> {
    const flat = textsOf(await this.send(['HGETALL', key]));
    return Object.fromEntries(flat.flatMap((field, at) => (at % 2 === 0 ? [[field, flat[at + 1] ?? '']] : [])));
  }

  hget = async (key: string, field: string) => textOrNull(await this.send(['HGET', key, field]));
  hmget = async (key: string, ...fields: string[]) => listOf(await this.send(['HMGET', key, ...fields]));
  hset = async (key: string, data: Record<string, string | number>) =>
    numberOf(await this.send(['HSET', key, ...Object.entries(data).flat()]));
  hdel = async (key: string, ...fields: string[]) => numberOf(await this.send(['HDEL', key, ...fields]));
  hexists = async (key: string, field: string) => numberOf(await this.send(['HEXISTS', key, field]));
  get = async (key: string) => textOrNull(await this.send(['GET', key]));
  set = async (key: string, value: string | number, { PX, EX }: { PX?: number; EX?: number } = {}) =>
    textOrNull(
      await this.send([
        ...['SET', key, value],
        ...(PX === undefined ? [] : ['PX', PX]),
        ...(EX === undefined ? [] : ['EX', EX]),
      ]),
    );
  del = async (...keys: string[]) => numberOf(await this.send(['DEL', ...keys]));
  zrange = async (key: string, start: number, end: number, { WITHSCORES = false } = {}) =>
    textsOf(await this.send(['ZRANGE', key, start, end, ...(WITHSCORES ? ['WITHSCORES'] : [])]));
  zrevrange = async (key: string, start: number, end: number, { WITHSCORES = false } = {}) =>
    textsOf(await this.send(['ZREVRANGE', key, start, end, ...(WITHSCORES ? ['WITHSCORES'] : [])]));
  zcard = async (key: string) => numberOf(await this.send(['ZCARD', key]));
  zscore = async (key: string, member: string) => textOrNull(await this.send(['ZSCORE', key, member]));
  lrange = async (key: string, start: number, end: number) => textsOf(await this.send(['LRANGE', key, start, end]));
  llen = async (key: string) => numberOf(await this.send(['LLEN', key]));
  ltrim = async (key: string, start: number, end: number) => textOf(await this.send(['LTRIM', key, start, end]));
  async lpos(key: string, value: string): Promise<number | null> {
    const place = await this.send(['LPOS', key, value]);
    return place === null ? null : numberOf(place);
  }
  smembers = async (key: string) => textsOf(await this.send(['SMEMBERS', key]));

  xadd = async (
    key: string,
    id: string,
    fields: Record<string, string | number>,
    { MAXLEN, approximate = true }: { MAXLEN?: number; approximate?: boolean } = {},
  ) => {
    const limit = MAXLEN === undefined ? [] : ['MAXLEN', ...(approximate ? ['~'] : []), MAXLEN];
    return textOf(await this.send(['XADD', key, ...limit, id, ...Object.entries(fields).flat()]));
  };
  async xread(
    streams: readonly { readonly key: string; readonly id: string }[],
    { BLOCK, COUNT }: { BLOCK?: number; COUNT?: number } = {},
  ): Promise<Streams> {
    const limits = [...(BLOCK === undefined ? [] : ['BLOCK', BLOCK]), ...(COUNT === undefined ? [] : ['COUNT', COUNT])];
    const places = [...streams.map(({ key }) => key), ...streams.map(({ id }) => id)];
    return this.send(['XREAD', ...limits, 'STREAMS', ...places]);
  }
  xtrim = async (key: string, strategy: 'MAXLEN', threshold: number, { approximate = true } = {}) =>
    numberOf(await this.send(['XTRIM', key, strategy, ...(approximate ? ['~'] : []), threshold]));
  async bzpopmin(key: string, timeout: number): Promise<[key: string, member: string, score: string] | null> {
    const found = await this.send(['BZPOPMIN', key, timeout]);
    if (found === null) return null;
    const [from = '', member = '', score = ''] = textsOf(found);
    return [from, member, score];
  }

  info = async () => textOf(await this.send(['INFO']));
  clientSetName = async (name: string) => this.send(['CLIENT', 'SETNAME', name]);
  clientList = async () => textOf(await this.send(['CLIENT', 'LIST']));
  clientInfo = async () => textOf(await this.send(['CLIENT', 'INFO']));

  multi = () => refuse('a transaction');
  pipeline = () => refuse('a pipeline');
  scan = () => refuse('SCAN');
  scanStream = () => refuse('SCAN');
}
