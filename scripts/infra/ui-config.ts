/**
 * `npm run docs -- ui-config`: writes jaeger/ui-config.json, the menu, tags and links of Jaeger's page, from the rows below; a test holds
 * them equal. `infra:up` writes one of its own. Links lead to `RETAKE_PUBLIC_URL`.
 */
import { writeFileSync } from 'node:fs';
import { format, resolveConfig } from 'prettier';
import { urlOf } from '../../service/config.ts';
import { ATTRIBUTES as A, SERVICE_NAME } from '../../service/telemetry/names.ts';
import { commandOf } from '../programs/options.ts';
import { CONFIGS } from './run.ts';

/** The most traces that one search may return. */
const LIMIT = 1500;
/** The year 2100: simulated turns have simulated dates. */
const END_OF_TIME_US = 4_102_444_800_000_000;

/** A search for turns that the menu offers. A store that knows only equality (badger) answers each exactly. */
export interface SavedSearch {
  label: string;
  tags: Readonly<Record<string, string>>;
}

export const SAVED_SEARCHES: readonly SavedSearch[] = [
  { label: 'Slow responses', tags: { [A.slowResponse.key]: 'true' } },
  { label: 'Failed turns', tags: { error: 'true' } },
  { label: 'Failed in STT', tags: { [A.failureStage.key]: 'stt' } },
  { label: 'Failed in the LLM', tags: { [A.failureStage.key]: 'llm' } },
  { label: 'Failed in TTS', tags: { [A.failureStage.key]: 'tts' } },
  { label: 'Interrupted replies', tags: { [A.interrupted.key]: 'true' } },
  { label: 'New connections', tags: { [A.newConnection.key]: 'true' } },
  { label: 'Captured turns', tags: { [A.lane.key]: 'captured' } },
];

/** Jaeger's search page for turns with these tags; `#{…}` in them is filled in by Jaeger. */
export function searchUrl(tags: Readonly<Record<string, string>>): string {
  const asked = encodeURIComponent(JSON.stringify(tags)).replace(/%23%7B([\w.]+)%7D/g, '#{$1}');
  return `/search?service=${SERVICE_NAME}&operation=turn&limit=${LIMIT}&lookback=custom&start=0&end=${END_OF_TIME_US}&tags=${asked}`;
}

/** The whole configuration. `retakeUrl` is where a browser finds the service. */
export function uiConfig(retakeUrl: string): object {
  const [session, index, captured, run] = [A.sessionId, A.turnIndex, A.capturedTraceId, A.runId].map(({ key }) => key);
  const own = (key: string | undefined): string => `#{${key}}`;
  const tagLink = (key: string | undefined, url: string, text: string): object => ({ type: 'tags', key, url, text });
  const sessionPage = `${retakeUrl}/v1/sessions/${own(session)}`;
  return {
    criticalPathEnabled: true,
    monitor: { menuEnabled: true },
    menu: [
      {
        label: 'Retake',
        items: SAVED_SEARCHES.map(({ label, tags }) => ({ label, url: searchUrl(tags), anchorTarget: '_self' })),
      },
      {
        label: 'About Jaeger',
        items: [
          { label: 'Website', url: 'https://www.jaegertracing.io/' },
          { label: 'Documentation', url: 'https://www.jaegertracing.io/docs/2.13/' },
        ],
      },
    ],
    // what a turn shows first: where the wait went, how long it was, whose turn it is
    topTagPrefixes: [
      A.wait.key,
      A.e2e.key,
      A.endpointingServiceUs.key,
      A.sttServiceUs.key,
      A.llmServiceUs.key,
      A.ttsServiceUs.key,
      A.lane.key,
      A.variant.key,
      A.turnIndex.key,
      A.world.key,
      A.sessionId.key,
      'retake.',
    ],
    search: { maxLookback: { label: '7 days', value: '7d' }, maxLimit: LIMIT },
    linkPatterns: [
      tagLink(session, sessionPage, 'This session in Retake'),
      tagLink(
        session,
        searchUrl({ [A.sessionId.key]: own(session), [A.lane.key]: 'captured' }),
        'This conversation as it was captured',
      ),
      tagLink(index, `${sessionPage}/turns/${own(index)}`, 'This turn as it was captured, in Retake'),
      tagLink(
        index,
        searchUrl({ [A.sessionId.key]: own(session), [A.turnIndex.key]: own(index) }),
        'This turn and all its replays',
      ),
      tagLink(captured, `/trace/${own(captured)}...#{trace.traceID}`, 'Compare with the captured turn'),
      tagLink(run, searchUrl({ [A.runId.key]: own(run) }), 'All turns of this run'),
      {
        type: 'traces',
        key: 'traceID',
        url: '/api/v3/traces/#{traceID}',
        text: 'This trace as OTLP JSON, as retake diff reads it',
      },
    ],
  };
}

/** `RETAKE_PUBLIC_URL`, or where the service is by default. Throws `InputError` where it is no URL. */
export function publicUrl(env: NodeJS.ProcessEnv = process.env): string {
  return urlOf('RETAKE_PUBLIC_URL', env['RETAKE_PUBLIC_URL'] || 'http://127.0.0.1:8080');
}

/** The file's text, formatted as the repository is. */
export async function uiConfigText(retakeUrl: string): Promise<string> {
  const options = await resolveConfig(CONFIGS.ui);
  return format(JSON.stringify(uiConfig(retakeUrl), undefined, 2), { ...options, parser: 'json' });
}

if (import.meta.main) {
  commandOf('npm run docs -- ui-config').parse();
  writeFileSync(CONFIGS.ui, await uiConfigText(publicUrl()));
  console.log('written: jaeger/ui-config.json');
}
