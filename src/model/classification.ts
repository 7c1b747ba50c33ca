import { ImgrecError } from '../errors.ts';
import type { ImageRefusal } from '../image/inspect.ts';
import type { Timings } from './protocol.ts';

export interface LabelProbability {
  readonly label: string;
  /** Four decimals. */
  readonly probability: number;
}

export interface Classification extends LabelProbability {
  /** Most probable first; the first is `label` itself. */
  readonly top: readonly LabelProbability[];
  readonly timings: Timings;
}

/** Refused by its header, by the decoder, or by a model that does not resize. */
export type BadImageReason = ImageRefusal | 'undecodable' | 'too-small';

/** A bad image is an answer like any other: trying it again changes nothing. */
export type ClassifyOutcome =
  | { readonly kind: 'classified'; readonly classification: Classification }
  | { readonly kind: 'bad-image'; readonly reason: BadImageReason; readonly message: string };

/** The process that worked on this image died or took too long; no other image is affected. */
export class ClassifierFailure extends ImgrecError {
  readonly kind: 'crashed' | 'timed-out';

  constructor(kind: 'crashed' | 'timed-out', message: string) {
    super(message);
    this.name = 'ClassifierFailure';
    this.kind = kind;
  }
}
