import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { instantPorts } from '../../bench/programs/workload.ts';
import { sessionsCommand } from '../../cli/sessions/sessions.ts';
import type { CommandContext } from '../../replay/report/context.ts';
import { speechPcm, wavOf } from '../../sim/times/speech-audio.ts';
import { foldersIn } from '../base/data-folder.ts';
import { openDiskCache } from '../calls/speech-cache.ts';
import { createRealClock } from '../base/clock.ts';
import { testService } from '../../testing/service.ts';

const clock = createRealClock();
const WAV = Buffer.from(wavOf(speechPcm('what the user says', 32_000, 0)));

async function talk(url: string): Promise<string> {
  const { id } = (await (await fetch(`${url}/v1/sessions`, { method: 'POST' })).json()) as { id: string };
  const turn = { method: 'POST', body: WAV, headers: { 'content-type': 'audio/wav' } };
  const response = await fetch(`${url}/v1/sessions/${id}/turns`, turn);
  assert.equal(response.status, 200);
  await response.text();
  return id;
}

test('"sessions rm" and DELETE leave nothing of a session below the data folder, and all of the others', async (t) => {
  const service = await testService(t, instantPorts(clock));
  const { dataFolder, url } = service;
  const [byCommand, byRequest, kept] = [await talk(url), await talk(url), await talk(url)];
  await service.flushed();
  const cache = openDiskCache(foldersIn(dataFolder).speech, () => clock.epochUs());
  for (const id of [byCommand, byRequest, kept]) await cache.put(id, { pcm: WAV, sampleRateHz: 16_000, ttfbUs: 1 }, id);
  /** The kinds of place whose paths or contents name the session. */
  const placesOf = (id: string): string[] => {
    const files = readdirSync(dataFolder, { recursive: true, withFileTypes: true }).filter((each) => each.isFile());
    const paths = files.map(({ parentPath, name }) => join(parentPath, name));
    const named = paths.filter((path) => path.includes(id) || readFileSync(path, 'utf8').includes(id));
    return [...new Set(named.map((path) => path.slice(dataFolder.length + 1).split('/')[0] ?? ''))].sort();
  };
  const spoolLines = (): string[] =>
    readdirSync(join(dataFolder, 'spool'))
      .filter((name) => name.endsWith('.jsonl'))
      .flatMap((name) =>
        readFileSync(join(dataFolder, 'spool', name), 'utf8')
          .split('\n')
          .filter(Boolean),
      );
  assert.deepEqual(placesOf(byCommand), ['cache', 'captures', 'spool'], 'control');
  const before = spoolLines().map((line) => line.length);

  assert.equal((await fetch(`${url}/v1/sessions/${byRequest}`, { method: 'DELETE' })).status, 204);
  assert.deepEqual(placesOf(byRequest), []);
  // the running service finds its lines where they were, the erased one as an export of nothing
  assert.deepEqual(
    spoolLines().map((line) => line.length),
    before,
  );
  assert.equal(spoolLines().filter((line) => line.trim() === '{}').length, 1);
  // text that every line holds is no session's id
  for (const id of ['e', 'turn', 'captured'])
    assert.equal((await fetch(`${url}/v1/sessions/${id}`, { method: 'DELETE' })).status, 404);

  assert.deepEqual(placesOf(kept), ['cache', 'captures', 'spool']);
  await talk(url);
  assert.equal(spoolLines().filter((line) => line.length > 10 && line.trim() !== '{}').length, 3);

  // a running service would go on capturing: the command refuses, and says whom to ask
  const said: string[] = [];
  const context = { env: {}, out: (text: string) => void said.push(text) } as unknown as CommandContext;
  const remove = (id: string): Promise<void> => sessionsCommand.remove(context, id, { data: dataFolder });
  await assert.rejects(remove(byCommand), {
    name: 'InputError',
    message: new RegExp(
      `process ${process.pid} on .*let it erase the session: curl -X DELETE ${url}/v1/sessions/${byCommand} `,
    ),
  });
  assert.deepEqual(placesOf(byCommand), ['cache', 'captures', 'spool']);
  await service.close();
  await remove(byCommand);
  assert.deepEqual(said, [`erased ${byCommand}`]);
  assert.deepEqual(placesOf(byCommand), []);
  await assert.rejects(remove('e'), /no captured session e/);
  await assert.rejects(remove(byCommand), /no captured session/);
  assert.deepEqual(placesOf(kept), ['cache', 'captures', 'spool']);
  assert.equal(spoolLines().filter((line) => line.length > 10 && line.trim() !== '{}').length, 2);
});
