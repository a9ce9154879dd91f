/**
 * Clients that leave before they have their answer. The socket tells: a response that waits behind another one of its connection (HTTP/1.1 pipelining) has no
 * socket yet, and is told of nothing.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

interface Waiting {
  readonly request: IncomingMessage;
  readonly left: () => void;
}

/** By connection, who waits for answers on it. One listener of each, however many requests it has under way. */
const WAITING = new WeakMap<Socket, Set<Waiting>>();

/** Has `left` called if the connection of a request ends before its answer has been sent. */
export function onLeft(request: IncomingMessage, response: ServerResponse, left: () => void): void {
  const waiting = waitingOn(request.socket);
  const own = { request, left };
  waiting.add(own);
  response.once('finish', () => waiting.delete(own));
}

/** Whether a request that has come in whole waits for its answer on a connection. */
export function hasWholeRequest(socket: Socket): boolean {
  return Array.from(WAITING.get(socket) ?? []).some(({ request }) => request.complete);
}

function waitingOn(socket: Socket): Set<Waiting> {
  const known = WAITING.get(socket);
  if (known !== undefined) return known;
  const waiting = new Set<Waiting>();
  WAITING.set(socket, waiting);
  socket.once('close', () => {
    for (const { left } of waiting) left();
  });
  return waiting;
}
