/**
 * One keep-alive connection of a load generator: a request out, an answer back, one at a time. Over a bare socket, because on a machine that also runs
 * the server every cycle of a client is one less for what is measured.
 */
import { connect, type Socket } from 'node:net';

export interface HttpAnswer {
  readonly status: number;
  readonly head: string;
  readonly body: string;
}

/** What a request ended with where no answer came. */
export class ConnectionLost extends Error {
  /** Whether any of the request had left. A request that a server never took in is not lost. */
  readonly wasSent: boolean;

  constructor(wasSent: boolean, cause?: unknown) {
    super(`connection lost ${wasSent ? 'before the answer' : 'before the request'}`, { cause });
    this.wasSent = wasSent;
  }
}

/** The bytes of a request that asks about a text, or about several. */
export function predictRequest(host: string, text: string | readonly string[]): Buffer {
  const inputs = typeof text === 'string' ? text : text.map((each) => [each]);
  const body = JSON.stringify({ inputs, truncate: true });
  const head = `POST /predict HTTP/1.1\r\nHost: ${host}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n`;
  return Buffer.from(head + body);
}

interface Waiting {
  resolve(answer: HttpAnswer): void;
  reject(error: ConnectionLost): void;
}

const END_OF_HEAD = Buffer.from('\r\n\r\n');

export class HttpConnection {
  private readonly socket: Socket;
  private readonly connected: Promise<void>;
  private waiting: Waiting | undefined;
  private received: Buffer = Buffer.alloc(0);
  private isEnded = false;

  constructor(url: URL) {
    this.socket = connect(Number(url.port), url.hostname);
    this.socket.setNoDelay(true);
    this.connected = new Promise((resolve, reject) => {
      this.socket.once('connect', resolve);
      this.socket.once('error', (cause) => reject(new ConnectionLost(false, cause)));
    });
    this.connected.catch(() => undefined);
    this.socket.on('data', (bytes) => this.take(bytes));
    this.socket.on('error', (cause) => this.lose(cause));
    this.socket.on('close', () => this.lose());
  }

  get isOpen(): boolean {
    return !this.isEnded;
  }

  async send(request: Buffer): Promise<HttpAnswer> {
    await this.connected;
    if (this.isEnded) throw new ConnectionLost(false);
    return new Promise((resolve, reject) => {
      this.waiting = { resolve, reject };
      this.socket.write(request);
    });
  }

  close(): void {
    this.socket.destroy();
  }

  private lose(cause?: unknown): void {
    this.isEnded = true;
    this.waiting?.reject(new ConnectionLost(true, cause));
    this.waiting = undefined;
  }

  private take(bytes: Buffer): void {
    this.received = this.received.length === 0 ? bytes : Buffer.concat([this.received, bytes]);
    const headBytes = this.received.indexOf(END_OF_HEAD);
    if (headBytes < 0) return;
    const head = this.received.toString('latin1', 0, headBytes);
    const bodyStart = headBytes + END_OF_HEAD.length;
    const bodyEnd = bodyStart + Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0);
    if (this.received.length < bodyEnd) return;
    const body = this.received.toString('utf8', bodyStart, bodyEnd);
    this.received = this.received.subarray(bodyEnd);
    if (/\r\nconnection: *close/i.test(head)) this.isEnded = true;
    const { waiting } = this;
    this.waiting = undefined;
    waiting?.resolve({ status: Number(head.slice(9, 12)), head, body });
  }
}
