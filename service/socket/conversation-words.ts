/** The words of `conversation.ts`: the states of a WebSocket's conversation, the messages that move it, and the effects. */
import type { RecentFrames } from '../audio/recent-frames.ts';
import type { Allowance } from './allowance.ts';
import type { AudioFrame } from '../base/ports.ts';
import type { Problem } from '../http/problem.ts';

/** What a connection may still send, and how many of its messages were refused since it last began a turn. */
export interface Traffic {
  readonly messages: Allowance;
  /** In ms of audio. */
  readonly audio: Allowance;
  readonly bad: number;
}

export type ConversationState =
  /** No turn is open. `sampleRateHz` is absent before the first `start`; `heard` is the pre-roll of a turn that speech opens. */
  | { kind: 'idle'; sampleRateHz?: number; heard: RecentFrames; recent: RecentFrames; traffic: Traffic }
  /** A turn is open, and the user has not finished. `heardUs` is when the turn began, or its last frame arrived. */
  | { kind: 'listening'; sampleRateHz: number; heardUs: number; recent: RecentFrames; traffic: Traffic }
  /** The user has finished, and the reply is made or heard. `playedMs` is the client's last report of playback. */
  | { kind: 'replying'; sampleRateHz: number; playedMs?: number; recent: RecentFrames; traffic: Traffic }
  /** The connection is gone, or is being closed. Nothing leads out of it. The turn that is being cancelled still asks what was played. */
  | { kind: 'closed'; playedMs?: number };

export type ConversationMessage =
  /** A text frame; `json` is undefined where the text is not JSON. */
  | { kind: 'text'; json: unknown }
  | { kind: 'binary'; bytes: Uint8Array; atUs: number }
  /** A WebSocket ping, which is answered elsewhere, or a pong, which nobody asked for. */
  | { kind: 'ping' }
  /** Time has passed. */
  | { kind: 'tick' }
  /** The detector that got the `watch` effects hears speech. */
  | { kind: 'onset' }
  /** The open turn has decided that the user has finished. */
  | { kind: 'turn-ended' }
  /** The open turn is over. `interruptedUs`: since when the user has been interrupting it; `problem`: why it did not run. */
  | { kind: 'turn-over'; interruptedUs?: number; problem?: Problem }
  | { kind: 'disconnected' };

export type ConversationEffect =
  | { kind: 'refuse'; problem: Problem }
  /** Refuse a turn, since the service is overloaded. */
  | { kind: 'shed' }
  /** Run a turn that begins with `heard`. */
  | { kind: 'open-turn'; sampleRateHz: number; heard: readonly AudioFrame[] }
  /** A frame for the open turn. */
  | { kind: 'hear'; frame: AudioFrame }
  /** The open turn gets no more frames. */
  | { kind: 'end-audio' }
  /** Watch for the onset of speech with a new detector. */
  | { kind: 'watch-anew'; sampleRateHz: number }
  /** A frame for that detector. */
  | { kind: 'watch'; frame: AudioFrame }
  | { kind: 'disconnect'; code: number; reason: string }
  /** Cancel the open turn, if there is one. */
  | { kind: 'cancel-turn' };

/** The session's state at the moment of a message. */
export interface SessionFacts {
  nowUs: number;
  /** The session was neither erased nor forgotten. */
  isOpen: boolean;
  /** A turn runs in it, over this connection or another. */
  isBusy: boolean;
  /** New turns are refused; those that speech opens in a conversation are not new. */
  isOverloaded: boolean;
  /** Speech may interrupt a reply (`client.bargeIn`). */
  mayInterrupt: boolean;
}

export interface Advanced {
  state: ConversationState;
  effects: readonly ConversationEffect[];
}
