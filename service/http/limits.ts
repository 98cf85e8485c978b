/** What clients may ask of the service: every limit in one table. For operators: docs/security.md. */
import { NO_SPEECH_LIMIT_MS, TURN_LIMIT_FRAMES, TURN_LIMIT_MS } from '../turn/listen.ts';

export interface Limit {
  /** Whom or what it bounds, as a reader of the documents knows it. */
  of: string;
  value: number;
  unit: string;
  /** What a client gets beyond it. */
  answer: string;
}

/** 5 minutes of 48 kHz stereo PCM16: the longest audio in the largest format. */
const LONGEST_AUDIO_BYTES = (TURN_LIMIT_MS / 1000) * 48_000 * 4 + 4096;

export const LIMITS = {
  audioBytes: {
    of: "users' audio that all uploads and open turns of the process hold",
    value: 90_000_000,
    unit: 'bytes',
    answer:
      '503 with Retry-After to the client with the most, whose largest unfinished upload or turn makes room for others',
  },
  uploadBytes: { of: 'one upload', value: LONGEST_AUDIO_BYTES, unit: 'bytes', answer: '413' },
  largeUpload: {
    of: 'an upload that counts as large: over 2 minutes of 16 kHz',
    value: 4_000_000,
    unit: 'bytes',
    answer: '503 with Retry-After where the next line says so',
  },
  largeUploads: {
    of: 'large uploads of the process, by what they announce; small ones are not in their way',
    value: 2 * LONGEST_AUDIO_BYTES,
    unit: 'bytes',
    answer: '503 with Retry-After, as in the first line',
  },
  uploads: { of: 'a session, at a time', value: 1, unit: 'uploads', answer: '409' },
  uploadTime: {
    of: 'an upload, from its headers to its last byte',
    value: 120_000,
    unit: 'ms',
    answer: '408, the connection closes',
  },
  uploadPace: {
    of: 'an upload, on average over 10 s, from 5 s on: at least as fast as the slowest speech codec',
    value: 500,
    unit: 'bytes a second',
    answer: '408, the connection closes',
  },
  webmTime: {
    of: 'decoding of one WebM upload, thirty times what 5 minutes take',
    value: 10_000,
    unit: 'ms',
    answer: '415',
  },
  webmStep: {
    of: 'decoding of 2 s in a WebM upload, two hundred times what they take',
    value: 500,
    unit: 'ms',
    answer: '415',
  },
  webmWaiting: {
    of: 'WebM uploads that wait for the decoder, where clients take turns',
    value: 16,
    unit: 'uploads',
    answer: '503 with Retry-After to the client with the most',
  },
  turnAudio: {
    of: "a turn's audio, and the time that it arrives in",
    value: TURN_LIMIT_MS,
    unit: 'ms',
    answer: '413 oversized',
  },
  turnFrames: {
    of: "a turn's audio over a WebSocket",
    value: TURN_LIMIT_FRAMES,
    unit: 'frames',
    answer: '413 oversized',
  },
  noSpeech: { of: 'audio in which nobody speaks', value: NO_SPEECH_LIMIT_MS, unit: 'ms', answer: '422 no-speech' },
  sessions: { of: 'the process, at a time', value: 1000, unit: 'open sessions', answer: '503 with Retry-After' },
  idleSession: {
    of: 'a session without a turn',
    value: 30 * 60_000,
    unit: 'ms',
    answer: 'the session closes, its capture stays',
  },
  unusedSession: {
    of: 'a session in which nobody has said anything yet',
    value: 2 * 60_000,
    unit: 'ms',
    answer: 'the session closes',
  },
  turnsRead: {
    of: 'one answer about a session; the next ones follow by `from`',
    value: 100,
    unit: 'turns',
    answer: '400 where more are asked for',
  },
  pipelined: {
    of: 'a connection: requests that wait for the answer to an earlier one; each is looked at in its turn',
    value: 32,
    unit: 'requests',
    answer: 'the connection ends',
  },
  loopDelay: {
    of: "the event loop's p99 delay in two half seconds in a row, or twice as much in one: an overload, which ends at half of it",
    value: 250,
    unit: 'ms',
    answer: '503 with Retry-After to new sessions, turns and connections',
  },
  connections: { of: 'a session, at a time', value: 8, unit: 'WebSocket connections', answer: '409' },
  messageBytes: {
    of: 'one WebSocket message: one second of the fastest audio',
    value: 96_000,
    unit: 'bytes',
    answer: 'close 1009',
  },
  fragments: { of: 'one WebSocket message', value: 64, unit: 'fragments', answer: 'close 1008' },
  messageRate: {
    of: 'a connection, in the long run; a microphone sends 10 to 100',
    value: 200,
    unit: 'messages a second',
    answer: 'error 429, close 1008',
  },
  messageBurst: {
    of: 'a connection, at once, after a stall; its audio is bounded below',
    value: 3000,
    unit: 'messages',
    answer: 'error 429, close 1008',
  },
  audioRate: {
    of: 'a connection, in the long run: twice as fast as a speaker',
    value: 2000,
    unit: 'ms of audio a second',
    answer: 'error 429, close 1008',
  },
  audioBurst: {
    of: 'a connection, at once, after a stall',
    value: 10_000,
    unit: 'ms of audio',
    answer: 'error 429, close 1008',
  },
  badMessages: {
    of: 'a connection, between two turns that it starts',
    value: 20,
    unit: 'refused messages',
    answer: 'error 400, close 1008',
  },
  unread: {
    of: 'a client that does not read: reply audio waits beyond it, errors are left out, twice as much ends the connection',
    value: 1_000_000,
    unit: 'bytes',
    answer: 'the connection ends',
  },
  unreadAnswers: {
    of: 'the process: answers that their clients have not read yet',
    value: 64_000_000,
    unit: 'bytes',
    answer: 'the connection that has read nothing for longest ends',
  },
  openConnections: {
    of: 'the process, WebSockets among them',
    value: 4000,
    unit: 'connections',
    answer: 'the idlest and oldest one of the address with the most ends',
  },
  stalledReader: {
    of: 'a client that reads nothing of an answer that waits for it',
    value: 30_000,
    unit: 'ms',
    answer: 'the connection ends, the turn is cancelled',
  },
  closing: {
    of: 'a client that does not answer the close frame',
    value: 1000,
    unit: 'ms',
    answer: 'the connection ends',
  },
  silentTurn: {
    of: 'a started turn that gets no audio',
    value: 30_000,
    unit: 'ms',
    answer: 'the turn ends: 422 no-speech, or the reply to what was heard',
  },
} as const satisfies Readonly<Record<string, Limit>>;
