/** The WebRTC project's voice activity detector (libfvad, as WebAssembly): speech or not, 10 ms by 10 ms. */
import fvad from '@echogarden/fvad-wasm';
import { InvariantError, StageError } from '../base/errors.ts';

// compiled when the module is loaded, since virtual time may not wait
const wasm = await fvad();

/** The rates that the detector takes. */
const RATES_HZ: readonly number[] = [8000, 16_000, 32_000, 48_000];
/** The mode that calls most sounds noise: a breath or a fan is not speech. */
const MODE = 3;

export interface SpeechClassifier {
  /** Whether a frame of 10 ms is speech. */
  isSpeech(frame: Int16Array): boolean;
  /** Frees its memory. */
  close(): void;
}

/** Throws `StageError` for another sample rate. Must be closed. */
export function createWebRtcClassifier(sampleRateHz: number): SpeechClassifier {
  if (!RATES_HZ.includes(sampleRateHz)) {
    const rates = RATES_HZ.join(', ');
    const message = `stt.vad.engine webrtc hears audio of ${rates} Hz, not ${sampleRateHz}: send one of these, or use engine energy`;
    throw new StageError('endpointing', 'rejected', message);
  }
  const instance = wasm._fvad_new();
  const samples = sampleRateHz / 100;
  const buffer = wasm._malloc(samples * 2);
  if (instance === 0 || buffer === 0)
    throw new InvariantError('the WebRTC VAD is out of memory: some detector was not closed');
  wasm._fvad_set_mode(instance, MODE);
  wasm._fvad_set_sample_rate(instance, sampleRateHz);
  let closed = false;
  return {
    isSpeech(frame) {
      if (closed) throw new InvariantError('the WebRTC VAD was used after it was closed');
      wasm.HEAP16.set(frame, buffer / 2);
      return wasm._fvad_process(instance, buffer, samples) === 1;
    },
    close() {
      if (closed) return;
      closed = true;
      wasm._free(buffer);
      wasm._fvad_free(instance);
    },
  };
}
