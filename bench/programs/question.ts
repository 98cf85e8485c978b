/** What the user of a workload says: 2 s of speech in 64 kB, posted whole. */
import { postedAudio } from '../../service/audio/posted.ts';
import type { Clock, UserAudio } from '../../service/base/ports.ts';
import { speechPcm } from '../../sim/times/speech-audio.ts';

const RATE_HZ = 16_000;
const PCM = speechPcm('question', 64_000, 0);
const SAMPLES = new Int16Array(PCM.buffer, PCM.byteOffset, PCM.byteLength / 2);

export const questionUpload = (clock: Clock): UserAudio => postedAudio(clock, SAMPLES, RATE_HZ);
