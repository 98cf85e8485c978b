import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createAudioHosts } from '../../service/providers/audio-hosts.ts';
import { createFreyaTts } from '../../service/providers/freya-tts.ts';
import { LIVE_ENDPOINTS } from '../../service/world.ts';
import { plainReply, stagedReply } from './reply-audio.ts';
import { AUDIO_EVENTS, EVENT_AUDIO_MS } from './stream-bodies.ts';

test('the ways that the bench parsers compares do the same work: every byte handed on, the same first audible', async () => {
  const tts = createFreyaTts({ ...LIVE_ENDPOINTS, falKey: 'none', keys: [], audioHosts: createAudioHosts([]) });
  const plain = await plainReply();
  assert.equal(plain.bytes, AUDIO_EVENTS * EVENT_AUDIO_MS * 16 * 2, 'control: nothing was lost');
  assert.notEqual(plain.audibleAfterMs, undefined);
  assert.deepEqual(await stagedReply(tts, 'sdk'), plain);
  assert.deepEqual(await stagedReply(tts, 'parser'), plain);
});
