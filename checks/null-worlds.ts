/** Four worlds to try null knobs in, each a change of profile `seed`, and captures of them over real sockets. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startWire } from '../replay/arms/against.ts';
import type { CapturedSession } from '../replay/sessions/captured-session.ts';
import { loadProfile, type Figure, type Profile } from '../sim/times/profile.ts';
import { ofBusyService, uploadSessions } from '../testing/sessions.ts';
import { capturedFrom, runLanes, withHistory } from './trust-lanes.ts';

interface NullWorld {
  name: string;
  of(seed: Profile): Profile;
}

export const NULL_WORLDS: readonly NullWorld[] = [
  { name: 'seed', of: (seed) => seed },
  {
    name: 'far-away',
    of: ({ network, ...rest }) => ({
      ...rest,
      network: {
        ...network,
        connectMs: scaled(network.connectMs, 5),
        tlsMs: scaled(network.tlsMs, 5),
        roundTripMs: scaled(network.roundTripMs, 5),
        link: { uploadKbps: 4000, lossShare: 0.01 },
      },
    }),
  },
  {
    name: 'slow-speech',
    of: ({ tts, ...rest }) => ({
      ...rest,
      tts: {
        ...tts,
        stream: {
          ...tts.stream,
          waitMs: scaled(tts.stream.waitMs, 2.5),
          perCharMs: scaled(tts.stream.perCharMs, 2.5),
        },
      },
    }),
  },
  {
    name: 'cold-starts',
    of: ({ stt, llm, ...rest }) => ({
      ...rest,
      stt: { ...stt, waitMs: sometimesLate(stt.waitMs, 0.2, 1000) },
      llm: { ...llm, headersMs: sometimesLate(llm.headersMs, 0.2, 1000) },
    }),
  },
];

function scaled({ source, quantiles }: Figure, times: number): Figure {
  return { source: `${source}, × ${times}`, quantiles: quantiles.map(([p, value]) => [p, value * times]) };
}

/** The figure in most cases; in a share of cases the service was cold, and an answer comes 0.5 to 1.5 times so much after the slowest warm one. */
function sometimesLate({ source, quantiles }: Figure, share: number, lateMs: number): Figure {
  const warm = quantiles.map(([p, value]): [number, number] => [p * (1 - share), value]);
  const slowestMs = quantiles.at(-1)?.[1] ?? 0;
  return {
    source: `${source}, ${100 * share} % of them cold`,
    quantiles: [...warm, [1 - share + 0.001, slowestMs + lateMs / 2], [1, slowestMs + 1.5 * lateMs]],
  };
}

/** Sessions of a world, captured in `wire` as of a busy service. All worlds are captured at once: most of the time is spent waiting. */
export async function nullCaptures(
  sessions: number,
  turns: number,
): Promise<{ name: string; captured: CapturedSession[] }[]> {
  const folder = await mkdtemp(join(tmpdir(), 'retake-null-'));
  try {
    const said = (await uploadSessions({ sessions, turns, profile: 'zero' })).map(withHistory);
    return await Promise.all(
      NULL_WORLDS.map(async ({ name, of }) => {
        const profile = join(folder, `${name}.json`);
        await writeFile(profile, JSON.stringify({ ...of(loadProfile('seed')), name }));
        const wire = await startWire({ profile, seed: name, draws: 'common' });
        try {
          const ran = await runLanes(wire.against, said, [{ name: 'captured' }], () => undefined);
          return { name, captured: said.map((session) => ofBusyService(capturedFrom(session, ran))) };
        } finally {
          await wire.close();
        }
      }),
    );
  } finally {
    await rm(folder, { recursive: true });
  }
}
