/** The used part of the WebRTC VAD in WebAssembly, whose package has no types. */
declare module '@echogarden/fvad-wasm' {
  interface Fvad {
    HEAP16: Int16Array;
    _malloc(bytes: number): number;
    _free(pointer: number): void;
    /** 0 when out of memory. */
    _fvad_new(): number;
    _fvad_free(instance: number): void;
    /** `mode` 0 to 3: 3 calls most sounds noise. Returns −1 for another mode. */
    _fvad_set_mode(instance: number, mode: number): number;
    /** Takes 8000, 16000, 32000 and 48000. Returns −1 for another rate. */
    _fvad_set_sample_rate(instance: number, rateHz: number): number;
    /** 1 for speech, 0 for none, −1 for a frame that is not 10, 20 or 30 ms long. */
    _fvad_process(instance: number, frame: number, samples: number): number;
  }
  export default function fvad(): Promise<Fvad>;
}
