/** `npm run docs -- allow-list`: writes the keys that spans may carry into collector/config.yaml; a test holds them equal. */
import { readFileSync, writeFileSync } from 'node:fs';
import { SHAPES } from '../../replay/traces/foreign-shapes.ts';
import { ATTRIBUTES, RESOURCE_ATTRIBUTES } from '../../service/telemetry/names.ts';
import { commandOf } from '../programs/options.ts';
import { CONFIGS } from './run.ts';

/** Keys that name turns, sessions and latencies in traces of Pipecat, LiveKit and others. */
const FOREIGN = [
  ...SHAPES.flatMap(({ sessionKeys, indexKeys, serviceSecondsKeys }) => [
    ...sessionKeys,
    ...indexKeys,
    ...serviceSecondsKeys,
  ]),
  'turn.user_bot_latency_seconds',
  'turn.was_interrupted',
  'lk.e2e_latency',
  'lk.end_of_turn_delay',
  'lk.interrupted',
  'lk.transcription_delay',
];

/** Every key of the registry, and those of other pipelines. Sorted, each once. */
export function allowedKeys(): string[] {
  const own = Object.values(ATTRIBUTES).map(({ key }) => key);
  return [...new Set([...Object.values(RESOURCE_ATTRIBUTES), ...own, ...FOREIGN])].sort();
}

/** The configuration with its list replaced. */
export function withAllowList(config: string, keys: readonly string[]): string {
  const list = keys.map((key) => `      - ${key}\n`).join('');
  return config.replace(/(\n {4}allowed_keys:\n)(?: {6}- .*\n)+/, `$1${list}`);
}

if (import.meta.main) {
  commandOf('npm run docs -- allow-list').parse();
  const config = readFileSync(CONFIGS.collector, 'utf8');
  writeFileSync(CONFIGS.collector, withAllowList(config, allowedKeys()));
  console.log('written: collector/config.yaml');
}
