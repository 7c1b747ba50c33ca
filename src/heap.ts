import { setFlagsFromString } from 'node:v8';

/**
 * Lets this process collect much garbage before it looks for what lives: V8 then starts a full collection when the heap and the
 * buffers outside it are twice what survived the last one; by itself, a third more is enough.
 * A process that passes images on owns little (20 MB) and lets go of megabytes a second; by default a full collection came every
 * 30 images and took a third of the CPU time of worker and web tier. Four times instead of twice gained nothing more and cost memory.
 */
export const collectRarely = (): void => setFlagsFromString('--heap-growing-percent=100');

/**
 * Keeps the part of the heap where objects begin at its first size: V8 would let it grow to 48 MB in a process that makes much and
 * keeps little. A scaler of 1,000 instances does that at every run, and has time to collect more often.
 */
export const collectOften = (): void => setFlagsFromString('--semi-space-growth-factor=1');
