import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inProcesses } from './soak.ts';
import { simpler, soakCase } from './soak-case.ts';
import { runCase } from './soak-run.ts';
import { soakCaseIn, type SoakCase } from './soak-schema.ts';
import { jsonObject } from '../../scripts/programs/options.ts';
import { orderKept } from './order.ts';
import type { EventKind, TurnEvent } from '../../service/base/events.ts';

test('a case is the same data every time, and every simpler case can be run', async () => {
  for (let index = 0; index < 50; index++) assert.deepEqual(soakCase('x', index), soakCase('x', index));
  const faulty = soakCase('x', 3);
  for (const simple of simpler(faulty).slice(0, 6)) assert.deepEqual((await runCase(simple)).violations, []);
});

test('a printed case is read back as it was; one that is none is refused by its field', () => {
  const defaults = soakCase('defaults', 0);
  const printed = (soak: SoakCase): Record<string, unknown> => jsonObject(JSON.stringify(soak));
  for (let index = 0; index < 50; index++) {
    const soak = soakCase('printed', index);
    assert.deepEqual(printed(soakCaseIn(printed(soak), defaults)), printed(soak));
  }
  const [turn = assert.fail('no turn')] = defaults.turns;
  const fault = { route: 'llm', ordinal: 0, attempt: 0, fault: { kind: 'garbage' } };
  const wrong: [json: object, says: RegExp][] = [
    [{ turns: 3 }, /^\/turns: must be array$/],
    [{ turns: [] }, /^\/turns: must NOT have fewer than 1 items$/],
    [{ turns: [{}] }, /^\/turns\/0: must have required property 'zero'$/],
    [{ turns: [{ ...turn, frameMs: 0 }] }, /^\/turns\/0\/frameMs: must be >= 1$/],
    [{ turns: [{ ...turn, frameMs: 1e300 }] }, /^\/turns\/0\/frameMs: must be/],
    [{ turns: [{ ...turn, faults: [fault] }] }, /only a server can make "garbage" happen/],
    [{ pace: {} }, /^\/pace: must have required property 'network'$/],
    [{ pace: null }, /^\/pace: must be object$/],
    [{ strategy: [] }, /^\/strategy: must be object$/],
    [{ strategy: { stt: { nothing: 1 } } }, /^strategy: there is no knob "stt.nothing"/],
    [{ truns: [] }, /^the case: there is no field "truns"$/],
  ];
  for (const [json, message] of wrong)
    assert.throws(() => soakCaseIn({ ...json }, defaults), { name: 'InputError', message }, JSON.stringify(json));
  for (const text of ['{', '[]', 'null', '3']) assert.throws(() => jsonObject(text), /say a JSON object/);
});

test('workers end together: one that cannot start or fails is exit code 1, in one line', async () => {
  const ran = async (command: string, ...codes: string[]): Promise<[code: number, lines: string[]]> => {
    const lines: string[] = [];
    const args = codes.map((code) => ['-e', `console.log('ran'); ${code}`]);
    return [await inProcesses(command, args, (line) => lines.push(line)), lines.sort()];
  };
  assert.deepEqual(await ran(process.execPath, '', ''), [0, ['[1] ran', '[2] ran']]);
  assert.deepEqual(await ran('/nowhere/node', '', ''), [1, ['worker 1 failed: spawn /nowhere/node ENOENT']]);
  const [code] = await ran(process.execPath, 'setInterval(() => {}, 1000)', 'process.exitCode = 3');
  assert.equal(code, 1, 'the one that would go on is ended');
});

test('a reply that the user interrupts ends where he took the floor', async () => {
  assert.deepEqual((await runCase(soakCase('release', 9446))).violations, []);
});

test('control: an interrupted reply that is handed on, or has a gap, is a complaint', () => {
  const event = (kind: EventKind, index: number, atUs = 0, content: TurnEvent['content'] = {}): TurnEvent => ({
    ...{ id: index, kind, stage: 'deliver', atUs, attrs: { index }, content },
  });
  const events = [
    event('piece.ready', 0, 0, { text: 'Bir.' }),
    event('piece.ready', 1, 0, { text: ' İki.' }),
    event('tts.done', 0, 0, { audio: new Uint8Array(4) }),
    event('tts.done', 1, 0, { audio: new Uint8Array(4) }),
    event('interrupt.confirmed', 9, 50),
  ];
  const turn = { log: { events }, replyText: 'Bir. İ', summary: {} };
  const handed = [
    { atUs: 10, pieceIndex: 0, bytes: 4 },
    { atUs: 20, pieceIndex: 1, bytes: 2 },
  ];
  assert.deepEqual(orderKept(turn, handed), []);
  const [first, second] = handed;
  assert.ok(first !== undefined && second !== undefined);
  assert.match(orderKept(turn, [first, { ...second, atUs: 60 }]).join(), /took the floor/);
  assert.match(orderKept(turn, [{ ...first, bytes: 3 }, second]).join(), /3 of 4 bytes/);
  assert.match(orderKept({ ...turn, replyText: 'İki.' }, handed).join(), /not the reply/);
});
