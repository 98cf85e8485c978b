/** The published schema is the one that reports are read with, and it holds real reports to their word. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { Ajv } from 'ajv';
import { ReportSchema } from './json.ts';

const PUBLISHED = new URL('../../docs/report.schema.json', import.meta.url);
const GOLDEN = new URL('../../fixtures/reports/faster.json', import.meta.url);

const text = `${JSON.stringify({ $schema: 'http://json-schema.org/draft-07/schema#', ...ReportSchema }, null, 2)}\n`;
if (process.argv.includes('--update')) writeFileSync(PUBLISHED, text);

test('docs/report.schema.json is the schema that reports are read with', () => {
  assert.equal(
    readFileSync(PUBLISHED, 'utf8'),
    text,
    'run node_modules/.bin/node replay/report/json.test.ts --update, then read the difference',
  );
});

test("Retake's report is valid under the published schema; a report without its ledger is not", () => {
  const validate = new Ajv().compile<object>(JSON.parse(readFileSync(PUBLISHED, 'utf8')));
  const report: { turns: { ledger?: unknown }[] } = JSON.parse(readFileSync(GOLDEN, 'utf8'));
  assert.ok(validate(report), JSON.stringify(validate.errors));
  delete report.turns[0]?.ledger;
  assert.ok(!validate(report), 'control');
});
