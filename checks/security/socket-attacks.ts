/** Attacks over WebSockets: floods, and silence. */
import { setTimeout as sleep } from 'node:timers/promises';
import { askSession, comeBack, countOf, openAttacked, START, stillServes, type Attack } from './attack.ts';
import { askMany, flood, silentSocket, type Flood } from './attacker.ts';

export const SOCKET_ATTACKS: readonly Attack[] = [
  flooding('empty-frames', 'Empty WebSocket frames cost the client nothing and the service its time.', {
    first: START,
    message: Buffer.alloc(0),
    count: 740_000,
    of: 'empty frames',
  }),
  flooding('tiny-frames', 'Frames of one sample go on for ever, below any limit of audio.', {
    first: START,
    message: Buffer.alloc(2),
    count: 740_000,
    of: 'frames of one sample',
  }),
  flooding('unread-errors', 'Bad messages are answered to a client that reads nothing.', {
    message: 'x',
    count: 7_400_000,
    paused: true,
    of: 'messages of one byte, no answer read',
  }),
  {
    name: 'silent-sockets',
    sentence: 'Sockets that only start a turn take every slot.',
    async run({ url }) {
      const beganAt = performance.now();
      const sockets = await askMany(1000, 50, async () => {
        const answer = await askSession(url);
        const id = /"id":"([\w.-]+)"/.exec(answer.text)?.[1];
        return { answer, socket: id === undefined ? undefined : await silentSocket(url, id, START) };
      });
      const last = await askMany(20, 20, () => askSession(url));
      const full = [...sockets.map(({ answer }) => answer), ...last];
      const waited = async (): Promise<string[]> => {
        for (; performance.now() - beganAt < 180_000; await sleep(1000))
          if ((await askSession(url)).status === 201) return [];
        return ['no slot is free after 180 s'];
      };
      const complaints = [
        ...(countOf(full, 503) > 0 ? [] : ['no session was refused']),
        ...comeBack(full),
        ...(await waited()),
      ];
      const freeAfterS = ((performance.now() - beganAt) / 1000).toFixed(0);
      for (const { socket } of sockets) socket?.end();
      return { load: `1,000 sockets that start and say nothing; a slot is free after ${freeAfterS} s`, complaints };
    },
  },
];

/** One message over and over for 15 s at most: the service must end the connection, and serve others. */
function flooding(name: string, sentence: string, { of, ...sending }: Omit<Flood, 'limitMs'> & { of: string }): Attack {
  return {
    name,
    sentence,
    async run({ url }) {
      const id = await openAttacked(url);
      const sent = await flood(url, id, { ...sending, limitMs: 15_000 });
      return {
        load: `${sent.count} of ${sending.count.toLocaleString('en')} ${of}`,
        complaints: [...(sent.closed === undefined ? ['the connection stayed open'] : []), ...(await stillServes(url))],
      };
    },
  };
}
