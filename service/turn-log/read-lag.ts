/**
 * How late our JavaScript read a frame of streamed audio, from the pace of its client alone. Pure; one pass over a turn's frames.
 *
 * The least-delay line: a microphone's frames are sent as they are recorded, so arrival = audio position × (1 + skew) + offset +
 * delay, with delay ≥ 0. The line lies below all arrivals and has the least sum of distances to them (Moon, Skelly, Towsley,
 * "Estimation and removal of clock skew from network delay measurements", INFOCOM 1999). That is the edge of the lower convex hull
 * over the mean position (Zhang, Liu, Xia, "Clock synchronization algorithms for network measurements", INFOCOM 2002). A frame's lag is its
 * height above the line. What it cannot tell apart: docs/metrics.md#read-lag.
 */
import { firstOf, numberOf, numbersOf, type TurnEvent } from '../base/events.ts';
import { stallsIn, type Stall } from './blocked.ts';

/** Two clocks of cheap crystals, with room: a steeper line is jitter of a short turn, not skew. */
const MOST_SKEW = 500e-6;
/** From here on no frame comes as early as the one before: the client paused or lost audio, and a new line begins. */
const PAUSE_US = 10_000;
/** A line over less is no pace. */
const LEAST_FRAMES = 5;
const LEAST_AUDIO_US = 200_000;
/** The arrivals of a client that sends in real time stay this close to real time over the whole line. */
const MOST_OFF_PACE_US = 20_000;

/** A frame: its end in the audio, and its arrival less that, µs. */
interface Point {
  index: number;
  positionUs: number;
  delayUs: number;
}

/** Frames as they arrived, and when our process was seen to stand still. */
export interface Arrivals {
  frameAtUs: readonly number[];
  frameSamples: readonly number[];
  sampleRateHz: number;
  stalls: readonly Stall[];
}

/**
 * How late the frame with this sample was read, in whole µs ≥ 0. Undefined where the frames do not say: too few, not at the pace of real
 * time (a recording that is pushed, a burst), or the client paused just there.
 */
export function readLagUs(
  { frameAtUs, frameSamples, sampleRateHz, stalls }: Arrivals,
  sample: number,
): number | undefined {
  if (!(sampleRateHz > 0)) return undefined; // a capture may say anything
  const points: Point[] = [];
  let [samples, held] = [0, -1];
  for (let index = 0; index < frameAtUs.length; index++) {
    samples += frameSamples[index] ?? 0;
    if (held < 0 && sample < samples) held = index;
    const positionUs = (samples / sampleRateHz) * 1e6;
    points.push({ index, positionUs, delayUs: (frameAtUs[index] ?? 0) - positionUs });
  }
  const frame = points[held];
  if (frame === undefined) return undefined;
  const pace = paceAround(points, held, stalls);
  const line = pace === undefined ? undefined : lineBelow(pace);
  const lagUs = line === undefined ? Number.NaN : Math.max(0, Math.round(frame.delayUs - line(frame.positionUs)));
  return Number.isSafeInteger(lagUs) ? lagUs : undefined;
}

/** The lag of a finished turn's speech end. Absent for what was not streamed, and in virtual time, where nobody reads. */
export function readLagOf(events: readonly TurnEvent[]): number | undefined {
  const received = firstOf(events, 'speech.audio');
  const sample = numberOf(firstOf(events, 'speech.end'), 'sample');
  const sampleRateHz = numberOf(received, 'sampleRateHz');
  const frameAtUs = numbersOf(received, 'frameAtUs');
  const frameSamples = numbersOf(received, 'frameSamples');
  if (sample === undefined || sampleRateHz === undefined || frameAtUs === undefined || frameSamples === undefined)
    return undefined;
  return readLagUs({ frameAtUs, frameSamples, sampleRateHz, stalls: stallsIn(events) }, sample);
}

/**
 * The frames around this one between two pauses of the client. Those that were read within or just after a stall of our own are left
 * out: they may have come at any time in it, so they say nothing of the client's pace.
 */
function paceAround(points: readonly Point[], held: number, stalls: readonly Stall[]): readonly Point[] | undefined {
  const clean = stalls.length === 0 ? points : readInTime(points, stalls);
  // the least delay from each frame on, which a pause raises for good and a delay does not
  const leastFromUs = new Float64Array(clean.length);
  let leastUs = Infinity;
  for (let at = clean.length - 1; at >= 0; at--) {
    leastUs = Math.min(leastUs, clean[at]?.delayUs ?? Infinity);
    leastFromUs[at] = leastUs;
  }
  const isPause = (at: number): boolean => {
    const before = clean[at - 1];
    return before !== undefined && (leastFromUs[at] ?? 0) - before.delayUs > PAUSE_US;
  };
  // the first clean frame that is not before the held one; the last one where there is none after it
  const after = clean.findIndex(({ index }) => index >= held);
  const near = after < 0 ? clean.length - 1 : after;
  // paused between the clean frames on both sides: nobody knows on which side of the pause the held one is
  if (clean[near]?.index !== held && after >= 0 && isPause(near)) return undefined;
  let [from, to] = [near, near];
  while (from > 0 && !isPause(from)) from--;
  while (to + 1 < clean.length && !isPause(to + 1)) to++;
  return clean.slice(from, to + 1);
}

/** Both are in order of time. */
function readInTime(points: readonly Point[], stalls: readonly Stall[]): Point[] {
  let next = 0;
  return points.filter(({ positionUs, delayUs }) => {
    const atUs = Math.round(positionUs + delayUs);
    while ((stalls[next]?.toUs ?? Infinity) < atUs) next++;
    return (stalls[next]?.fromUs ?? Infinity) > atUs;
  });
}

/** The least-delay line of frames in order, as the delay at a position. Undefined where they keep no pace of real time. */
function lineBelow(points: readonly Point[]): ((positionUs: number) => number) | undefined {
  const [first, last] = [points[0], points.at(-1)];
  if (first === undefined || last === undefined || points.length < LEAST_FRAMES) return undefined;
  const spanUs = last.positionUs - first.positionUs;
  if (spanUs < LEAST_AUDIO_US) return undefined;
  const mean = points.reduce((sum, { positionUs }) => sum + positionUs, 0) / points.length;
  const hull = lowerHull(points);
  const right = hull.findIndex(({ positionUs }) => positionUs >= mean);
  const [left, end] = [hull[right - 1], hull[right]];
  const skew =
    left === undefined || end === undefined ? 0 : (end.delayUs - left.delayUs) / (end.positionUs - left.positionUs);
  if (Math.abs(skew) * spanUs > MOST_OFF_PACE_US + MOST_SKEW * spanUs) return undefined;
  const slope = Math.max(-MOST_SKEW, Math.min(MOST_SKEW, skew));
  const offset = hull.reduce(
    (least, { positionUs, delayUs }) => Math.min(least, delayUs - slope * positionUs),
    Infinity,
  );
  return (positionUs) => slope * positionUs + offset;
}

/** Andrew's monotone chain (1979), lower half: positions grow. */
function lowerHull(points: readonly Point[]): Point[] {
  const hull: Point[] = [];
  for (const point of points) {
    let top = hull[hull.length - 1];
    for (let under = hull[hull.length - 2]; top !== undefined && under !== undefined; under = hull[hull.length - 2]) {
      const isBelow =
        (top.delayUs - under.delayUs) * (point.positionUs - under.positionUs) <
        (point.delayUs - under.delayUs) * (top.positionUs - under.positionUs);
      if (isBelow) break;
      hull.pop();
      top = under;
    }
    // empty frames: two arrivals at one position
    if (top?.positionUs !== point.positionUs) hull.push(point);
    else if (point.delayUs < top.delayUs) hull[hull.length - 1] = point;
  }
  return hull;
}
