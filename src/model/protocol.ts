import type { ImageHeader } from '../image/inspect.ts';
import type { Model } from './model.ts';

/** How long each step took in the classifier, in milliseconds. */
export interface Timings {
  readonly decodeMs: number;
  readonly resizeMs: number;
  readonly inferMs: number;
}

/** Parent to classifier. `open` comes first and once. */
export type ClassifierRequest =
  | { readonly kind: 'open'; readonly model: Model; readonly maxPixels: number }
  | {
      readonly kind: 'classify';
      /** Rises with every message to the same process. */
      readonly id: number;
      readonly bytes: Uint8Array;
      readonly header: ImageHeader;
      readonly topK: number;
    }
  /** Do not start this one any more: another process has it, or nobody wants it. */
  | { readonly kind: 'recall'; readonly id: number };

/** Classifier to parent. Jobs are answered in the order in which they came, recalled ones not at all. */
export type ClassifierReply =
  | { readonly kind: 'ready' }
  /** The model cannot be used, in this process or in any other. */
  | { readonly kind: 'unusable'; readonly message: string }
  | {
      readonly kind: 'classified';
      readonly id: number;
      /** Class and probability, most probable first. */
      readonly top: readonly (readonly [index: number, probability: number])[];
      readonly timings: Timings;
    }
  | {
      readonly kind: 'bad-image';
      readonly id: number;
      readonly reason: 'undecodable' | 'too-small';
      readonly message: string;
    };
