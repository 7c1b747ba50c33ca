import { setFlagsFromString } from 'node:v8';

/**
 * Lets this process collect much garbage before it looks for what lives: V8 then starts a full collection when the heap and the
 * buffers outside it are twice what survived the last one; by itself, a third more is enough.
 * A process that passes images on owns little (20 MB) and lets go of megabytes a second; by default a full collection came every
 * 30 images and took a third of the CPU time of worker and web tier. Four times instead of twice gained nothing more and cost memory.
 */
export const collectRarely = (): void => setFlagsFromString('--heap-growing-percent=100');

/**
 * Keeps the part of the heap where objects begin at its first size; V8 would let it grow to 48 MB. Worker and classifiers make much
 * and keep little: parent and two classifiers took 470 MB instead of 560, and no more CPU time.
 */
export const keepNurserySmall = (): void => setFlagsFromString('--semi-space-growth-factor=1');

/**
 * Keeps a process small that makes much and keeps little. A scaler of 1,000 instances parses megabytes at every run, of which 40 MB
 * live; V8 would let that grow to 150 MB before it collects, and the part where objects begin to 48 MB. It has time to collect often:
 * 150 MB resident in place of 260, and no run takes longer (fault test F31).
 */
export const collectOften = (): void => {
  keepNurserySmall();
  setFlagsFromString('--heap-growing-percent=30');
};
