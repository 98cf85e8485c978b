/**
 * A server that delays one thing at a time and logs how long it really waited: the ground truth of the honesty suite.
 * Entry of a child process; shares no code with the stand-ins. The server resolves names (DNS over UDP), shakes hands (TLS) and
 * answers (HTTP/1.1 and HTTP/2) on loopback. The host's first label holds the delays of name and handshake (`d70-t0-u12`), the
 * header `x-honesty` those of the answer.
 */
import { createSocket } from 'node:dgram';
import { webcrypto } from 'node:crypto';
import { createSecureServer, type Http2ServerResponse } from 'node:http2';
import { Socket, type AddressInfo } from 'node:net';
import { createSecureContext } from 'node:tls';
import 'reflect-metadata'; // before x509: its tsyringe looks for it while it loads
import * as x509 from '@peculiar/x509';
import { ANSWER_PARTS, DOMAIN, type Delays, type ServerLog, type Started } from './protocol.ts';
import { machineMs, watchStalls } from './stalls.ts';

const log: ServerLog = { hosts: {}, exchanges: {}, connections: 0, stalls: watchStalls().stalls };

/** Waits and returns how long the wait really was; 0 does not wait. */
async function delay(ms: number): Promise<number> {
  if (ms === 0) return 0;
  const fromMs = machineMs();
  await new Promise((resolve) => setTimeout(resolve, ms));
  return machineMs() - fromMs;
}

function hostDelays(host: string): { dnsMs: number; tlsMs: number } {
  const [, dns = '0', tls = '0'] = /^d(\d+)-t(\d+)-/.exec(host) ?? [];
  return { dnsMs: Number(dns), tlsMs: Number(tls) };
}

const recordOf = (host: string): ServerLog['hosts'][string] => (log.hosts[host] ??= { dnsMs: 0, tlsMs: 0 });

/** Answers A queries with 127.0.0.1 (time to live 0) and all others with nothing. */
async function serveDns(): Promise<number> {
  const socket = createSocket('udp4');
  socket.on('message', (query, from) => {
    const labels: string[] = [];
    let at = 12;
    for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
      labels.push(query.toString('latin1', at + 1, at + 1 + length));
      at += 1 + length;
    }
    const question = query.subarray(12, at + 5);
    const isA = query.readUInt16BE(at + 1) === 1;
    const host = labels.join('.').toLowerCase();
    const header = Buffer.from(query.subarray(0, 12));
    header.writeUInt16BE(0x8180, 2);
    header.writeUInt16BE(isA ? 1 : 0, 6);
    header.writeUInt32BE(0, 8);
    const answerInParts = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 127, 0, 0, 1]);
    const reply = Buffer.concat(isA ? [header, question, answerInParts] : [header, question]);
    void delay(isA ? hostDelays(host).dnsMs : 0).then((tookMs) => {
      if (isA) recordOf(host).dnsMs = tookMs;
      socket.send(reply, from.port, from.address);
    });
  });
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  return socket.address().port;
}

async function identity(): Promise<{ certPem: string; keyPem: string }> {
  x509.cryptoProvider.set(webcrypto);
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: '01',
    name: 'CN=honesty',
    notBefore: new Date(Date.now() - 86_400_000),
    notAfter: new Date(Date.now() + 86_400_000),
    keys,
    signingAlgorithm: algorithm,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.SubjectAlternativeNameExtension([{ type: 'dns', value: `*.${DOMAIN}` }]),
    ],
  });
  const key = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey);
  return { certPem: certificate.toString('pem'), keyPem: x509.PemConverter.encode(key, 'PRIVATE KEY') };
}

/** Headers, two events and an end, each after its delay, each in a write of its own. */
async function answer(response: Http2ServerResponse, id: string, delays: Delays, isHttp2: boolean): Promise<void> {
  const truth = (log.exchanges[id] ??= { waitMs: 0, firstMs: 0, betweenMs: 0, tailMs: 0 });
  truth.waitMs = await delay(delays.waitMs);
  const lasting = isHttp2 ? {} : { connection: 'keep-alive' };
  response.writeHead(200, { 'content-type': 'text/event-stream', ...lasting });
  if ('flushHeaders' in response && typeof response.flushHeaders === 'function') response.flushHeaders();
  truth.firstMs = await delay(delays.firstMs);
  response.write(ANSWER_PARTS[0]);
  truth.betweenMs = await delay(delays.betweenMs);
  response.write(ANSWER_PARTS[1]);
  truth.tailMs = await delay(delays.tailMs);
  response.end(ANSWER_PARTS[2]);
}

async function startServer(): Promise<Started> {
  const dnsPort = await serveDns();
  const { certPem, keyPem } = await identity();
  const context = createSecureContext({ cert: certPem, key: keyPem });
  const server = createSecureServer(
    {
      cert: certPem,
      key: keyPem,
      allowHTTP1: true,
      SNICallback: (host, done) => {
        void delay(hostDelays(host).tlsMs).then((tookMs) => {
          recordOf(host).tlsMs = tookMs;
          done(null, context);
        });
      },
    },
    (request, response) => {
      const { id, delays }: { id: string; delays: Delays } = JSON.parse(String(request.headers['x-honesty']));
      request.resume();
      request.once('end', () => void answer(response, id, delays, request.httpVersionMajor === 2));
    },
  );
  Object.assign(server, { keepAliveTimeout: 0 });
  server.on('connection', (socket) => {
    if (socket instanceof Socket) socket.setNoDelay(true);
  });
  server.on('secureConnection', () => log.connections++);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address: AddressInfo | string | null = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return { port, dnsPort, caPem: certPem };
}

process.on('disconnect', () => process.exit(0));
const started = await startServer();
process.on('message', () => process.send?.({ log }));
process.send?.({ started });
