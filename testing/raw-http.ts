/** HTTP requests as they are written, for what a client would not send. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** Sends `start` (`GET /path`) and headers over a connection of its own; the whole answer as text, once the service has closed or said it all. */
export async function rawAnswer(
  port: number,
  start: string,
  headers: Readonly<Record<string, string>>,
  body = '',
): Promise<string> {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const socket = connect(port, '127.0.0.1');
  // a half-closed connection lets the service answer, and ends with its answer
  socket.end(`${start} HTTP/1.1\r\n${lines.join('')}\r\n${body}`);
  return allThatComes(socket);
}

/** Sends the text as it is; all that comes back until the service ends the connection, as the last request should ask for. */
export async function rawAnswers(port: number, text: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.write(text);
  return allThatComes(socket);
}

async function allThatComes(socket: Socket): Promise<string> {
  let answer = '';
  socket.on('data', (chunk: Buffer) => (answer += chunk.toString('latin1')));
  await once(socket, 'close');
  return answer;
}
