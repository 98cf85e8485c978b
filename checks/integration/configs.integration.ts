/** Every committed configuration passes the real program's own `validate`; a broken one fails. */
import assert from 'node:assert/strict';
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { validate } from '../../scripts/infra/run.ts';
import { binaries, folderOf, ROOT } from './harness.ts';

const NOT_RUN = new Set(['collector/builder.yaml']);

test('every committed configuration is valid', async (context) => {
  const { jaeger, collector } = await binaries();
  const folder = folderOf(context);
  const configs = globSync(['collector/*.yaml', 'jaeger/*.yaml'], { cwd: ROOT }).filter((path) => !NOT_RUN.has(path));
  assert.deepEqual(configs.sort(), ['collector/config.yaml', 'collector/gateway.yaml', 'jaeger/config.yaml']);
  const env = { COLLECTOR_DATA: folder, GATEWAY_DATA: folder, JAEGER_DATA: folder };
  for (const path of configs) {
    const binary = path.startsWith('jaeger') ? jaeger : collector;
    const { code, said } = validate(binary, join(ROOT, path), env);
    assert.equal(code, 0, `${path}: ${said}`);
  }
});

const BROKEN: readonly [config: string, find: string, replace: string][] = [
  ['collector/config.yaml', 'num_traces: 50000', 'number_of_traces: 50000'],
  ['collector/config.yaml', 'receivers: [otlp]', 'receivers: [oltp]'],
  ['collector/config.yaml', 'not IsMatch(', 'not IsLike('],
  ['collector/gateway.yaml', 'routing_key: traceID', 'routing_key: sessionID'],
  ['jaeger/config.yaml', 'trace_storage: main', 'trace_store: main'],
  ['jaeger/config.yaml', 'exporters: [jaeger_storage_exporter]', 'exporters: [jaeger_storage]'],
];

test('control: a broken configuration fails', async (context) => {
  const { jaeger, collector } = await binaries();
  const folder = folderOf(context);
  const passed: string[] = [];
  for (const [path, find, replace] of BROKEN) {
    const config = readFileSync(join(ROOT, path), 'utf8');
    assert.ok(config.includes(find), `${path} holds ${find}`);
    const copy = join(folder, 'broken.yaml');
    writeFileSync(copy, config.replace(find, replace));
    const { code } = validate(path.startsWith('jaeger') ? jaeger : collector, copy, {
      COLLECTOR_DATA: folder,
      GATEWAY_DATA: folder,
      JAEGER_DATA: folder,
    });
    if (code === 0) passed.push(`${path}: ${replace}`);
  }
  assert.deepEqual(passed, []);
});
