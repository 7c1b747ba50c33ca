import type { ImageHeader } from '../image/inspect.ts';
import type { Model } from './model.ts';

/** How long each step took in the classifier, in milliseconds; of an inference shared with others, its part. */
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

export type ClassifierAnswer =
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

/** Classifier to parent. Images are begun in the order in which they came, recalled ones not at all. */
export type ClassifierReply =
  /** @property batch the most images that go through the model at once */
  | { readonly kind: 'ready'; readonly batch: number }
  /** The model cannot be used, in this process or in any other. */
  | { readonly kind: 'unusable'; readonly message: string }
  /** From here on it is this image's fault if nothing is heard any more. */
  | { readonly kind: 'began'; readonly id: number }
  | { readonly kind: 'answers'; readonly answers: readonly ClassifierAnswer[] };
