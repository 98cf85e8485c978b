/** One HTTP request as it is written, for headers that a client would set itself. */
import { once } from 'node:events';
import { connect } from 'node:net';

/** Sends `start` (`GET /path`) and headers over a connection of its own; the whole answer as text, once the service has closed or said it all. */
export async function rawAnswer(
  port: number,
  start: string,
  headers: Readonly<Record<string, string>>,
  body = '',
): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  let answer = '';
  socket.on('data', (chunk: Buffer) => (answer += chunk.toString('latin1')));
  // a half-closed connection lets the service answer, and ends with its answer
  socket.end(`${start} HTTP/1.1\r\n${lines.join('')}\r\n${body}`);
  await once(socket, 'close');
  return answer;
}
