/** What we use of the WebRTC VAD compiled to WebAssembly; the package has no types of its own. */
declare module '@echogarden/fvad-wasm' {
  interface Fvad {
    HEAP16: Int16Array;
    _malloc(bytes: number): number;
    _free(pointer: number): void;
    /** 0 when out of memory. */
    _fvad_new(): number;
    _fvad_free(instance: number): void;
    /** 0 (least) to 3 (most aggressive in calling something noise); −1 for another mode. */
    _fvad_set_mode(instance: number, mode: number): number;
    /** 8000, 16000, 32000 or 48000; −1 for another rate. */
    _fvad_set_sample_rate(instance: number, rateHz: number): number;
    /** 1 speech, 0 none, −1 for a frame that is not 10, 20 or 30 ms long. */
    _fvad_process(instance: number, frame: number, samples: number): number;
  }
  export default function fvad(): Promise<Fvad>;
}
