/** A latency profile of constants, for tests whose times can be added up on paper. */
import { loadProfile, type Profile } from '../sim/times/profile.ts';

/** Everything takes no time but what is given, in ms. */
export function flatProfile(ms: {
  stt?: number;
  sttPerSecond?: number;
  llm?: number;
  perPromptChar?: number;
  tts?: number;
  sendPerKb?: number;
  dns?: number;
  connect?: number;
  tls?: number;
  /** Inside each wait. */
  roundTrip?: number;
  /** How many times as long a round trip takes as to the default endpoints. */
  regions?: Readonly<Record<string, number>>;
  /** Last event of a stream → its end. */
  terminator?: number;
  other?: Partial<Record<keyof Profile['other'], number>>;
  /** Between deltas of `deltaChars` characters each. */
  deltaGap?: number;
  deltaChars?: number;
  /** Models whose headers take another time than `llm`. */
  models?: Readonly<Record<string, number>>;
}): Profile {
  const zero = loadProfile('zero');
  const flat = (value = 0): Profile['stt']['waitMs'] => ({ source: 'set by a test', quantiles: [[0, value]] });
  return {
    ...zero,
    network: {
      ...zero.network,
      sendMsPerKb: flat(ms.sendPerKb),
      dnsMs: flat(ms.dns),
      connectMs: flat(ms.connect),
      tlsMs: flat(ms.tls),
      roundTripMs: flat(ms.roundTrip),
      terminatorMs: flat(ms.terminator),
    },
    regions: Object.fromEntries(
      Object.entries(ms.regions ?? {}).map(([name, factor]) => [name, { roundTrips: flat(factor) }]),
    ),
    stt: { ...zero.stt, waitMs: flat(ms.stt), perAudioSecondMs: flat(ms.sttPerSecond) },
    other: { ...zero.other, ...mapValues(ms.other ?? {}, flat) },
    tts: {
      ...zero.tts,
      stream: { ...zero.tts.stream, waitMs: flat(ms.tts) },
      speech: { ...zero.tts.speech, waitMs: flat(ms.tts) },
      generate: { ...zero.tts.generate, waitMs: flat(ms.tts) },
    },
    llm: { ...zero.llm, headersMs: flat(1), perPromptCharMs: flat(ms.perPromptChar), models: modelsOf() },
  };

  /** `headersMs` of the profile is 1, so that a model's scale is its ms. */
  function modelsOf(): Profile['llm']['models'] {
    const of = (headersMs: number, own = zero.llm.models['default']): Profile['llm']['models'][string] => {
      if (own === undefined) throw new TypeError('the profile has no default model');
      const charsPerDelta = ms.deltaChars === undefined ? own.charsPerDelta : flat(ms.deltaChars);
      return { scale: flat(headersMs), charsPerDelta, gapMs: flat(ms.deltaGap) };
    };
    const slower = Object.entries(ms.models ?? {}).map(([name, headersMs]) => [name, of(headersMs)] as const);
    return { default: of(ms.llm ?? 0), ...Object.fromEntries(slower) };
  }
}

function mapValues<Key extends string, Value>(
  figures: Partial<Record<Key, number>>,
  make: (ms: number) => Value,
): Partial<Record<Key, Value>> {
  const made: Partial<Record<Key, Value>> = {};
  for (const key in figures) {
    const ms = figures[key];
    if (ms !== undefined) made[key] = make(ms);
  }
  return made;
}
