import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Received } from './exchange.ts';
import { uploadedFile } from './upload.ts';

const sent = (body: FormData): Request => new Request('https://fal.run/x', { method: 'POST', body });
const requestOf = async (form: FormData): Promise<Received> => {
  const request = sent(form);
  return { url: request.url, method: request.method, headers: request.headers, body: await request.bytes() };
};

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
        const file = (await sent(form).formData()).get('file');
        assert.ok(file instanceof File);
        assert.deepEqual(uploadedFile(await requestOf(form), 'file'), new Uint8Array(await file.arrayBuffer()));
      },
    ),
  );
});

test('line ends and seeming boundaries inside the file stay in the file', async () => {
  const form = new FormData();
  const text =
    '\r\n\r\n--\r\n------formdata-undici-0\r\nContent-Disposition: form-data; name="file"; filename="b"\r\n\r\n';
  form.append('file', new File([text], 'a.wav'));
  assert.equal(Buffer.from(uploadedFile(await requestOf(form), 'file') ?? []).toString(), text);
});

test('control: no file, a field of that name, another type and a body that breaks off have none', async () => {
  const form = new FormData();
  form.append('file', 'not a file');
  form.append('other', new File(['x'], 'a.wav'));
  assert.equal(uploadedFile(await requestOf(form), 'file'), undefined);
  const post = (type: string, body: string): Received => ({
    url: 'https://fal.run/x',
    method: 'POST',
    headers: new Headers({ 'content-type': type }),
    body: new TextEncoder().encode(body),
  });
  const part = '--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nabc';
  const type = 'multipart/form-data; boundary=b';
  assert.equal(uploadedFile(post(type, part), 'file'), undefined);
  assert.equal(uploadedFile(post('text/plain', `${part}\r\n--b--`), 'file'), undefined);
  assert.deepEqual(uploadedFile(post(type, `${part}\r\n--b--`), 'file'), new TextEncoder().encode('abc'));
});
