import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { uploadedFile } from './upload.ts';

const requestOf = (form: FormData): Request => new Request('https://fal.run/x', { method: 'POST', body: form });

test('any form: the file that undici finds in it, byte by byte', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ maxLength: 300 }),
      fc.array(fc.tuple(fc.constantFrom('model', 'prompt', 'filename'), fc.string()), { maxLength: 3 }),
      fc.boolean(),
      async (bytes, fields, last) => {
        const form = new FormData();
        const append = (): void =>
          form.append('file', new File([new Uint8Array(bytes)], 'audio.wav', { type: 'audio/wav' }));
        if (!last) append();
        for (const [name, value] of fields) form.append(name, value);
        if (last) append();
        const file = (await requestOf(form).formData()).get('file');
        assert.ok(file instanceof File);
        assert.deepEqual(await uploadedFile(requestOf(form), 'file'), new Uint8Array(await file.arrayBuffer()));
      },
    ),
  );
});

test('line ends and what looks like a boundary inside the file stay in it', async () => {
  const form = new FormData();
  const text =
    '\r\n\r\n--\r\n------formdata-undici-0\r\nContent-Disposition: form-data; name="file"; filename="b"\r\n\r\n';
  form.append('file', new File([text], 'a.wav'));
  assert.equal(Buffer.from((await uploadedFile(requestOf(form), 'file')) ?? []).toString(), text);
});

test('control: no file, a field of that name, another type and a body that breaks off have none', async () => {
  const form = new FormData();
  form.append('file', 'not a file');
  form.append('other', new File(['x'], 'a.wav'));
  assert.equal(await uploadedFile(requestOf(form), 'file'), undefined);
  const post = (type: string, body: string): Request =>
    new Request('https://fal.run/x', { method: 'POST', body, headers: { 'content-type': type } });
  const part = '--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nabc';
  const type = 'multipart/form-data; boundary=b';
  assert.equal(await uploadedFile(post(type, part), 'file'), undefined);
  assert.equal(await uploadedFile(post('text/plain', `${part}\r\n--b--`), 'file'), undefined);
  assert.deepEqual(await uploadedFile(post(type, `${part}\r\n--b--`), 'file'), new TextEncoder().encode('abc'));
});
