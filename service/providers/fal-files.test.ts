/** Where a file that a provider names may lie, redirects and private networks included. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createRealClock } from '../base/clock.ts';
import { StageError } from '../base/errors.ts';
import { openCall, type OpenCall } from '../net/exchange.ts';
import { createRealTransport } from '../net/fetch.ts';
import { isPrivateAddress } from '../net/private-address.ts';
import { lookupBy } from '../net/resolver.ts';
import type { HttpRequest, Transport } from '../base/ports.ts';
import { createRecorder } from '../turn-log/recorder.ts';
import { createAudioHosts } from './audio-hosts.ts';
import { asStageError } from './failure.ts';
import { downloadFile } from './fal-files.ts';

const clock = createRealClock();

function callOver(transport: Transport): OpenCall {
  const recorder = createRecorder(clock, [], () => undefined);
  const cause = recorder.record({ kind: 'speech.start', stage: 'tts' });
  const context = { sessionId: 's', turnIndex: 0, stage: 'tts' as const, ordinal: 0, attempt: 0, arm: 'a' };
  const signal = new AbortController().signal;
  return openCall({ transport, clock, recorder, signal, context, drain: false, cause });
}

/** Answers by URL: another URL to redirect to, or a file. */
function web(pages: Readonly<Record<string, string>>): { transport: Transport; asked: HttpRequest[] } {
  const asked: HttpRequest[] = [];
  return {
    asked,
    transport: {
      send(request) {
        asked.push(request);
        const location = pages[request.url];
        const redirect = { status: 302, headers: { ...(location === undefined ? {} : { location }) } };
        return Promise.resolve(location === 'file' ? new Response('audio') : new Response('', redirect));
      },
      openAhead: () => Promise.resolve(),
      close: () => Promise.resolve(),
    },
  };
}

const config = (listed: readonly string[] = []) => ({
  falRestUrl: 'https://rest.fal.ai',
  falKey: 'secret-key',
  audioHosts: createAudioHosts(listed),
});

const CDN = 'https://v3.fal.media/files/a.wav';

test('a file on the CDN is fetched without a key, by public addresses only', async () => {
  const { transport, asked } = web({ [CDN]: 'file' });
  assert.equal(await (await downloadFile(config(), callOver(transport), 'tts', CDN)).text(), 'audio');
  assert.deepEqual(
    asked.map(({ url, publicOnly, headers }) => [url, publicOnly, headers.get('authorization')]),
    [[CDN, true, null]],
  );
});

test('a redirect is followed to allowed hosts only, hop by hop', async () => {
  const mine = 'https://files.example:8443/a.wav';
  const pages = { [CDN]: '/moved.wav', 'https://v3.fal.media/moved.wav': mine, [mine]: 'file' };
  const listed = web(pages);
  const file = await downloadFile(config(['files.example:8443']), callOver(listed.transport), 'tts', CDN);
  assert.equal(await file.text(), 'audio');
  assert.deepEqual(
    listed.asked.map(({ publicOnly }) => publicOnly),
    [true, true, false],
  );

  const unlisted = web(pages);
  await assert.rejects(
    downloadFile(config(), callOver(unlisted.transport), 'tts', CDN),
    /files\.example:8443.*RETAKE_AUDIO_HOSTS/,
  );
  assert.equal(unlisted.asked.length, 2, 'the host that is not allowed was never asked');

  const loop = web({ [CDN]: CDN });
  await assert.rejects(downloadFile(config(), callOver(loop.transport), 'tts', CDN), /redirected more than 3 times/);
});

for (const url of [
  'http://v3.fal.media/a.wav',
  'https://user:key@v3.fal.media/a.wav',
  'https://evil-fal.media/a.wav',
  'https://v3.fal.media.evil.example/a.wav',
  'https://v3.fal.media:8443/a.wav',
  'https://127.0.0.1/a.wav',
  'https://[::1]/a.wav',
  'https://2130706433/a.wav',
  'file:///etc/passwd',
  'not a url',
]) {
  test(`${url} is refused before anybody is asked`, async () => {
    const { transport, asked } = web({});
    await assert.rejects(downloadFile(config(), callOver(transport), 'tts', url), StageError);
    assert.equal(asked.length, 0);
  });
}

test('addresses of private networks are known as such, also inside IPv6', () => {
  const inside = ['10.1.2.3', '127.0.0.1', '169.254.169.254', '172.31.0.1', '192.168.1.1', '100.64.0.1', '0.0.0.0'];
  const inside6 = ['::1', '::', 'fd00::1', 'fe80::1', '::ffff:10.0.0.1', '::ffff:7f00:1', '64:ff9b::a00:1', 'not one'];
  const outside = ['1.1.1.1', '172.32.0.1', '100.128.0.1', '2606:4700::1111', '::ffff:1.1.1.1'];
  assert.deepEqual(
    [...inside, ...inside6].filter((address) => !isPrivateAddress(address)),
    [],
  );
  assert.deepEqual(outside.filter(isPrivateAddress), []);
});

test('a public name that leads to a private address is refused where the socket is opened', async () => {
  let looked = 0;
  const lookup = lookupBy((hostname) => {
    looked++;
    return Promise.resolve([
      { address: '1.1.1.1', family: 4 as const },
      { address: hostname === 'v3.fal.media' ? '127.0.0.1' : '1.1.1.1', family: 4 as const },
    ]);
  });
  const network = { keepAlive: { idleMs: 4000, drain: false }, http2: false, preResolve: false };
  const transport = createRealTransport({ clock, network, lookup });
  const call = callOver(transport);
  const error: unknown = await downloadFile(config(), call, 'tts', CDN).catch((thrown: unknown) => thrown);
  const { kind, message } = asStageError('tts', 'the file', error, call, { keys: [], contents: [] });
  assert.equal(kind, 'rejected');
  assert.match(
    message,
    /v3\.fal\.media leads to the private address 127\.0\.0\.1; list the host in RETAKE_AUDIO_HOSTS/,
  );
  assert.equal(looked, 1);
  await transport.close();
});
