import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { createChunker, type ChunkingMode } from './chunker.ts';

interface Chunked {
  pieces: string[];
  rest: string;
}

function chunked(mode: ChunkingMode, language: string, ...deltas: string[]): Chunked {
  const chunker = createChunker(mode, language);
  const pieces = [...deltas.flatMap((delta) => chunker.push(delta)), ...chunker.end()];
  return { pieces, rest: chunker.rest() };
}
const sentences = (language: string, text: string): string[] =>
  chunked('sentence', language, text).pieces.map((piece) => piece.trim());

test('Turkish sentences', () => {
  const cases: string[][] = [
    ['Merhaba.', 'Nasılsınız?', 'İyi!'],
    ['Dr. Ayşe ve Sn. Kaya geldi.', 'Prof. Demir yok.'],
    ['Elma, armut vb. meyveler var.', 'Kalem, defter vb.', 'Sonra gittik.'],
    ['3. madde önemli, 12. Murat da.', 'Evet.'],
    ['Sonuç 3.5 puan, 1.000 lira ve 3,5 oldu.', 'Tamam.'],
    ['Yani... belki.', 'Şey…', 'Tamam.'],
    ['Gerçekten mi?!', '"Evet." (Öyle dedi.)', '“Hayır!”', 'Bitti.'],
    ['No. 5 kapalı.', 'Node.js ve https://a.b/c.d?e=f! g kullandık.', 'Bize ali@b.co. dan yazın.'],
  ];
  // A sentence that begins with a bracket or quote is cut like any other; written apart here for reading.
  const split = ['Gerçekten mi?!', '"Evet."', '(Öyle dedi.)', '“Hayır!”', 'Bitti.'];
  for (const expected of cases.slice(0, 6)) assert.deepEqual(sentences('tr', expected.join(' ')), expected);
  assert.deepEqual(sentences('tr', split.join(' ')), split);
});

test('English sentences', () => {
  const cases: string[][] = [
    ['Mr. Smith met Dr. Lee, e.g. at work.', 'No.', 'I did not.'],
    ['See No. 5 and p. 3 here.', 'It costs $3.50 or 1,000.50 now.'],
    ['We use Node.js, Next.js vs. plain HTML.', 'Done in 450 ms.', 'Nice!'],
    ['He left in 2019.', 'Then J. R. Smith came.', 'Tools, etc.', 'Fine.'],
    ['Hmm... well, yes…', 'Go "there!"', '(Really?)', 'Ok.'],
    ['1. First we measured.', 'Visit https://x.y/z?a=b.c today.'],
  ];
  for (const expected of cases) assert.deepEqual(sentences('en', expected.join(' ')), expected);
});

test('an ordinal is Turkish: English ends there', () => {
  assert.deepEqual(sentences('en', 'We had 12. Then more.'), ['We had 12.', 'Then more.']);
  assert.deepEqual(sentences('tr', 'Bu 12. Madde oldu.'), ['Bu 12. Madde oldu.']);
});

test('a piece is released as soon as it is certain', () => {
  const chunker = createChunker('sentence', 'tr');
  assert.deepEqual(chunker.push('Adınız ne?'), ['Adınız ne?']);
  assert.deepEqual(chunker.push(' Tamam.'), []);
  assert.deepEqual(chunker.push(' '), [' Tamam. ']);
  assert.deepEqual(chunker.push('"Gel!'), []);
  assert.deepEqual(chunker.push('"'), ['"Gel!"']);
  assert.deepEqual(chunker.push('Yani... '), []);
  assert.deepEqual(chunker.push('B'), ['Yani... ']);
  assert.deepEqual(chunker.push('aşlık\n'), ['Başlık\n']);
  assert.deepEqual(chunker.push('Oran 3.'), []);
  assert.deepEqual(chunker.push('5 oldu'), []);
  assert.deepEqual(chunker.end(), ['Oran 3.5 oldu']);
});

test('clauses: a comma at the end of a delta releases at once, unless a digit stands before it', () => {
  const chunker = createChunker('clause', 'en');
  for (const delta of ['That', ' sounds', ' very', ' good', ' indeed']) assert.deepEqual(chunker.push(delta), []);
  assert.deepEqual(chunker.push(','), ['That sounds very good indeed,']);
  assert.deepEqual(chunker.push(' and it costs about 3,'), []);
  assert.deepEqual(chunker.push('500 a day; at'), [' and it costs about 3,500 a day; ']);
  assert.deepEqual(chunker.end(), ['at']);
});

test('clauses: only from 12 speakable characters on; sentence mode does not split there', () => {
  const text = 'Evet, bu çok güzel bir yanıt: 10:30 gibi – sabah – https://a.b, geldik; tamam.';
  assert.deepEqual(chunked('clause', 'tr', text).pieces, [
    'Evet, bu çok güzel bir yanıt: ',
    '10:30 gibi – sabah – ',
    'https://a.b, geldik; ',
    'tamam.',
  ]);
  assert.deepEqual(chunked('sentence', 'tr', text).pieces, [text]);
  assert.deepEqual(chunked('reply', 'tr', 'Bir. ', 'İki.').pieces, ['Bir. İki.']);
});

test('text that cannot be spoken joins a neighbour, is the rest, or is nothing', () => {
  assert.deepEqual(chunked('sentence', 'en', '... - "Hi there." A. Bye.'), {
    pieces: ['... - "Hi there." ', 'A. Bye.'],
    rest: '',
  });
  assert.deepEqual(chunked('sentence', 'en', 'Bye!', ' :)'), { pieces: ['Bye!'], rest: ' :)' });
  assert.deepEqual(chunked('sentence', 'en', '👍'), { pieces: [], rest: '👍' });
  assert.deepEqual(chunked('sentence', 'en', 'A'), { pieces: ['A'], rest: '' });
});

test('nothing is held for ever: 300 characters, then the last whitespace', () => {
  const words = 'kelime '.repeat(60);
  const { pieces } = chunked('sentence', 'tr', words);
  assert.deepEqual(
    pieces.map((piece) => piece.length),
    [294, 126],
  );
  assert.deepEqual(
    chunked('sentence', 'tr', 'x'.repeat(650)).pieces.map((piece) => piece.length),
    [300, 300, 50],
  );
  const chunker = createChunker('sentence', 'tr');
  chunker.push('-'.repeat(1000));
  assert.equal(chunker.push('ab').join('').length, 1002);
  assert.deepEqual(chunked('reply', 'tr', words).pieces, [words]);
});

const token = fc.constantFrom(
  ...[
    'Dr.',
    '3.',
    '3,5',
    '1.000',
    '...',
    '…',
    '?!',
    '!',
    '?',
    '.',
    ',',
    ';',
    ':',
    '–',
    '"',
    '”',
    '(',
    ')',
    ' ',
    '  ',
    '\n',
  ],
  ...['evet', 'İyi', 'No', 'vb.', 'e.g.', 'https://a.b', 'a@b.c', 'ş', 'é', '👍', '\u0301', 'kelimelerden', 'and then'],
);
const text = fc.oneof(
  fc.array(token, { maxLength: 120 }).map((tokens) => tokens.join('')),
  fc.string({ unit: 'grapheme' }),
);
const modes = fc.constantFrom<ChunkingMode>('sentence', 'clause', 'reply');

test('for any deltas: pieces and rest are the text, every piece can be spoken, none is long', () => {
  fc.assert(
    fc.property(
      text,
      modes,
      fc.constantFrom('tr', 'en'),
      fc.array(fc.integer({ min: 1, max: 40 })),
      (whole, mode, language, sizes) => {
        const deltas: string[] = [];
        let from = 0;
        for (const size of sizes) deltas.push(whole.slice(from, (from += size)));
        deltas.push(whole.slice(from));
        const { pieces, rest } = chunked(mode, language, ...deltas);
        assert.equal(pieces.join('') + rest, whole);
        assert.doesNotMatch(rest, /[\p{L}\p{N}]/u);
        pieces.forEach((piece, index) => {
          const speakable = piece.match(/[\p{L}\p{N}]/gu)?.length ?? 0;
          assert.ok(speakable >= (index === pieces.length - 1 ? 1 : 2), JSON.stringify(piece));
          const lead = piece.search(/[\p{L}\p{N}]/u);
          if (mode !== 'reply' && lead < 100) assert.ok(piece.trim().length <= 420, `${piece.length}`);
        });
      },
    ),
    { numRuns: 1000 },
  );
});

test('the fixture replies: as many sentences as are written, however they are streamed', () => {
  const path = join(import.meta.dirname, '..', '..', 'fixtures', 'interviews.json');
  const interviews = JSON.parse(readFileSync(path, 'utf8')) as { language: string; turns: { reply: string }[] }[];
  for (const { language, turns } of interviews) {
    for (const { reply } of turns) {
      const whole = sentences(language, reply);
      assert.equal(whole.length, reply.match(/[.?!](?= |$)/g)?.length);
      assert.ok((whole[0] ?? '').length >= 40 && (whole[0] ?? '').length <= 110);
      for (const size of [1, 3, 8]) {
        const deltas = reply.match(new RegExp(`.{1,${size}}`, 'gsu')) ?? [];
        assert.deepEqual(
          chunked('sentence', language, ...deltas).pieces.map((piece) => piece.trim()),
          whole,
        );
      }
    }
  }
});
