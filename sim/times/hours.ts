/** A profile at an hour of the day: providers that are slower in the evening. Pure. */
import type { Figure, Profile } from './profile.ts';

/** The profile whose providers' own times are those of the hour. Without an hour, or a table of hours, it is the same. */
export function atHour(profile: Profile, hour: number | undefined): Profile {
  const { byHour, stt, llm, tts } = profile;
  if (hour === undefined || byHour === undefined) return profile;
  const factor = (stage: 'stt' | 'llm' | 'tts'): number => byHour[stage]?.[hour] ?? 1;
  const [sttTimes, llmTimes, ttsTimes] = [factor('stt'), factor('llm'), factor('tts')];
  const method = (figures: Profile['tts']['stream']): Profile['tts']['stream'] => ({
    ...figures,
    waitMs: longer(figures.waitMs, ttsTimes),
    perCharMs: longer(figures.perCharMs, ttsTimes),
    firstByteMs: longer(figures.firstByteMs, ttsTimes),
    gapMs: longer(figures.gapMs, ttsTimes),
  });
  const models = Object.entries(llm.models).map(([name, { headersMs, firstContentMs, ...figures }]) => [
    name,
    {
      ...figures,
      gapMs: longer(figures.gapMs, llmTimes),
      ...(headersMs === undefined ? {} : { headersMs: longer(headersMs, llmTimes) }),
      ...(firstContentMs === undefined ? {} : { firstContentMs: longer(firstContentMs, llmTimes) }),
    },
  ]);
  return {
    ...profile,
    stt: {
      ...stt,
      waitMs: longer(stt.waitMs, sttTimes),
      perAudioSecondMs: longer(stt.perAudioSecondMs, sttTimes),
    },
    llm: {
      ...llm,
      headersMs: longer(llm.headersMs, llmTimes),
      firstContentMs: longer(llm.firstContentMs, llmTimes),
      perPromptCharMs: longer(llm.perPromptCharMs, llmTimes),
      models: Object.fromEntries(models),
    },
    tts: { ...tts, stream: method(tts.stream), speech: method(tts.speech), generate: method(tts.generate) },
  };
}

function longer({ source, quantiles }: Figure, times: number): Figure {
  return { source, quantiles: quantiles.map(([p, value]) => [p, value * times]) };
}
