/** Decodes WebM in a thread of its own: a hostile file can send the container library in circles, and must not stop the service. */
import { parentPort } from 'node:worker_threads';
import { describeError } from '../base/errors.ts';
import { decodeWebm } from '../audio/opus.ts';

const step = (): void => parentPort?.postMessage('step');

parentPort?.on('message', (recorded: Uint8Array<ArrayBuffer>) => {
  step();
  decodeWebm(recorded, step).then(
    ({ samples, sampleRateHz }) =>
      parentPort?.postMessage({ samples, sampleRateHz, recorded }, [samples.buffer, recorded.buffer]),
    (error: unknown) => parentPort?.postMessage({ problem: describeError(error) }),
  );
});
