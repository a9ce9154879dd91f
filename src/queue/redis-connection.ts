/**
 * One connection to a Redis server: commands go out in order, replies come back in the same order. The first connection is tried once, so
 * that a wrong address is known at once; one that breaks later is tried again for a while, and then given up.
 */
import { EventEmitter } from 'node:events';
import { connect as connectPlain, type Socket } from 'node:net';
import { connect as connectEncrypted } from 'node:tls';
import { BackendError, messageOf } from '../base/index.ts';
import { type Argument, encodeCommand, RedisFailure, type Reply, ReplyReader } from './resp.ts';

/** As BullMQ knows it: a command that failed with it is tried again, on a connection that is whole. */
class Disconnected extends BackendError {
  constructor() {
    super('redis', { expected: 'a connection', got: 'one that closed' });
    this.message = 'Connection is closed.';
  }
}

/** Who waits for a reply. */
interface Waiting {
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: Error) => void;
}

export interface RedisOptions {
  readonly url: URL;
  readonly connectionName?: string;
  /** How long a lost connection is tried again. */
  readonly patienceMs?: number;
}

const PATIENCE_MS = 30_000;
const FIRST_CONNECTION_MS = 5_000;
const RETRY_MS = 500;
const DEFAULT_PORT = 6379;

/** How a server is called in messages: without password. */
export function addressOf({ protocol, hostname, port, pathname }: URL): string {
  return `${protocol}//${hostname}:${port || DEFAULT_PORT}${pathname === '/' ? '' : pathname}`;
}

/** Emits `ready`, `close` when a connection is lost, `end` with the reason when there will be no other. */
export class RedisConnection extends EventEmitter {
  status: string = 'wait';
  readonly settings: RedisOptions;
  private socket: Socket | undefined;
  private readonly waiting: Waiting[] = [];
  private opening: Promise<void> | undefined;

  constructor(settings: RedisOptions) {
    super();
    this.settings = settings;
    this.setMaxListeners(0);
  }

  /** Throws BackendError where there is no server, or it does not let us in. */
  connect(): Promise<void> {
    if (this.status === 'ready') return Promise.resolve();
    this.opening ??= this.open().finally(() => {
      this.opening = undefined;
    });
    return this.opening;
  }

  async send(command: readonly Argument[]): Promise<Reply> {
    if (this.status !== 'ready') await (this.status === 'end' ? Promise.reject(new Disconnected()) : this.connect());
    return this.write(command);
  }

  /** For good, unless `connect` is called again. */
  disconnect(reason?: Error): void {
    if (this.status === 'end') return;
    this.status = 'end';
    this.socket?.destroy();
    this.drop();
    this.emit('close');
    this.emit('end', reason);
  }

  private write(command: readonly Argument[]): Promise<Reply> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ resolve, reject });
      this.socket?.write(encodeCommand(command));
    });
  }

  private async open(): Promise<void> {
    this.status = 'connecting';
    try {
      await this.openSocket();
      for (const command of this.greeting()) await this.greet(command);
    } catch (cause) {
      this.socket?.destroy();
      if (this.status !== 'end') this.status = 'wait';
      throw cause instanceof BackendError ? cause : this.unreachable(cause);
    }
    this.status = 'ready';
    this.emit('ready');
  }

  private openSocket(): Promise<void> {
    const { hostname, port, protocol } = this.settings.url;
    const place = { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || DEFAULT_PORT) };
    const socket =
      protocol === 'rediss:' ? connectEncrypted({ ...place, servername: place.host }) : connectPlain(place);
    const reader = new ReplyReader();
    this.socket = socket;
    socket.setNoDelay(true);
    socket.setKeepAlive(true, RETRY_MS);
    socket.on('data', (bytes) => this.receive(reader, bytes));
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => socket.destroy(new RedisFailure('no answer')), FIRST_CONNECTION_MS);
      socket.once(protocol === 'rediss:' ? 'secureConnect' : 'connect', () => {
        clearTimeout(late);
        resolve();
      });
      socket.once('error', reject);
      socket.on('close', () => {
        clearTimeout(late);
        if (socket === this.socket) this.lose();
      });
    });
  }

  /** What comes before everything else. */
  private greeting(): Argument[][] {
    const { url, connectionName } = this.settings;
    const [username, password] = [url.username, url.password].map(decodeURIComponent) as [string, string];
    const database = url.pathname.slice(1);
    return [
      ...(password === '' ? [] : [['AUTH', ...(username === '' ? [] : [username]), password]]),
      ...(database === '' ? [] : [['SELECT', database]]),
      ...(connectionName === undefined ? [] : [['CLIENT', 'SETNAME', connectionName]]),
      ['PING'],
    ];
  }

  private async greet(command: readonly Argument[]): Promise<void> {
    try {
      await this.write(command);
    } catch (cause) {
      throw this.unreachable(cause);
    }
  }

  private receive(reader: ReplyReader, bytes: Uint8Array): void {
    try {
      for (const reply of reader.read(bytes)) {
        const waiting = this.waiting.shift();
        if (reply instanceof RedisFailure) waiting?.reject(reply);
        else waiting?.resolve(reply);
      }
    } catch (error) {
      const reason = error instanceof Error ? error : new Disconnected();
      this.drop(reason);
      this.disconnect(reason);
    }
  }

  /** Fails all who wait. */
  private drop(reason: Error = new Disconnected()): void {
    for (const { reject } of this.waiting.splice(0)) reject(reason);
  }

  private lose(): void {
    this.drop();
    if (this.status !== 'ready') return;
    this.status = 'reconnecting';
    this.emit('close');
    this.opening = this.reopen();
    this.opening.catch(() => undefined);
  }

  private async reopen(): Promise<void> {
    const until = Date.now() + (this.settings.patienceMs ?? PATIENCE_MS);
    let reason: unknown;
    while (Date.now() < until && this.status !== 'end') {
      try {
        await this.open();
        this.opening = undefined;
        return;
      } catch (error) {
        reason = error;
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
    const lost = this.unreachable(reason);
    this.disconnect(lost);
    throw lost;
  }

  private unreachable(cause: unknown): BackendError {
    return new BackendError(addressOf(this.settings.url), {
      expected: 'a Redis server',
      got:
        cause instanceof RedisFailure || cause instanceof BackendError
          ? cause.got
          : messageOf(cause) || 'no connection',
      hint: 'See that redis-server runs there, that its password is in the address, and that this machine may connect.',
      cause,
    });
  }
}
