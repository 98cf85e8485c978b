import assert from 'node:assert/strict';
import { test } from 'node:test';
import { endpointingTable, renderEndpointing } from './endpointing.ts';

test('a shorter silence is faster and cuts more people off; the table says both', () => {
  assert.equal(
    renderEndpointing(endpointingTable([500, 300])),
    `engine   silence ms   premature  endpointing ms
energy          500     0 of 82             507
energy          300    60 of 82             306
webrtc          500     0 of 82             566
webrtc          300    33 of 82             359`,
  );
});
