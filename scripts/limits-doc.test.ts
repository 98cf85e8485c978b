import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { SECURITY_PAGE, withLimits } from './limits-doc.ts';

test('docs/security.md has every limit of clients; control: another figure is seen', () => {
  const page = readFileSync(SECURITY_PAGE, 'utf8');
  assert.equal(withLimits(page), page, 'out of date: run "npm run docs -- limits" and commit it');
  const other = page.replace('96,000 bytes', '96,001 bytes');
  assert.notEqual(withLimits(other), other);
  assert.throws(() => withLimits('# Security'), /needs the lines/);
});
