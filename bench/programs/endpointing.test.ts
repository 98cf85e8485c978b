import assert from 'node:assert/strict';
import { test } from 'node:test';
import { endpointingTable, renderEndpointing } from './endpointing.ts';

test('a shorter silence is faster and cuts more people off; the table says both', () => {
  assert.equal(
    renderEndpointing(endpointingTable([500, 300])),
    `engine   silence ms   premature  endpointing ms
energy          500     0 of 20             506
energy          300    15 of 20             301
webrtc          500     0 of 20             555
webrtc          300     9 of 20             347`,
  );
});
