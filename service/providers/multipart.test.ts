import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { multipartOf } from './multipart.ts';

test('any file and fields: a platform parser finds them as they were, in a body as long as FormData would make it', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), fc.string(), async (bytes, prompt) => {
      const text = prompt.replaceAll(/\r\n?|\n/g, '\r\n'); // as FormData sends line ends
      const { body, contentType } = multipartOf({ name: 'audio.wav', mimeType: 'audio/wav', bytes }, { prompt: text });
      const headers = { 'content-type': contentType };
      const read = await new Response(new Uint8Array(body), { headers }).formData();
      const file = read.get('file');
      assert.ok(file instanceof File);
      assert.deepEqual([file.name, file.type], ['audio.wav', 'audio/wav']);
      assert.deepEqual(new Uint8Array(await file.arrayBuffer()), bytes);
      assert.equal(read.get('prompt'), Buffer.from(text).toString());
      const form = new FormData();
      form.append('file', new File([new Uint8Array(bytes)], 'audio.wav', { type: 'audio/wav' }));
      form.append('prompt', text);
      assert.equal(body.byteLength, (await new Response(form).arrayBuffer()).byteLength);
    }),
  );
});

test('boundaries cannot be foreseen: no two are the same', () => {
  const file = { name: 'a.wav', mimeType: 'audio/wav', bytes: new Uint8Array() };
  assert.notEqual(multipartOf(file, {}).contentType, multipartOf(file, {}).contentType);
});
