/** Decodes WebM in a thread of its own: a hostile file can send the container library in circles, and must not stop the service. */
import { parentPort } from 'node:worker_threads';
import { describeError } from '../base/errors.ts';
import { decodeWebm } from '../audio/opus.ts';

parentPort?.on('message', (bytes: Uint8Array) => {
  decodeWebm(bytes).then(
    ({ samples, sampleRateHz }) => parentPort?.postMessage({ samples, sampleRateHz }),
    (error: unknown) => parentPort?.postMessage({ problem: describeError(error) }),
  );
});
