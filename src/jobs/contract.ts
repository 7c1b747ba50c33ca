import { z } from 'zod';
import { jobIdPattern } from './id.ts';

/** The version that this code writes, and the newest that it reads. */
export const contractVersion = 1;

/** A reply queue is named by a suffix, never by a URL: a URL in a message would decide where signed requests go. */
export const replySuffix = z.string().regex(/^[a-z0-9-]{1,40}$/);

const labelled = z.object({ label: z.string(), probability: z.number() });

/** Images up to this size may travel in the message itself: base64 makes 171 KiB of it, and a message may have 1 MiB. */
export const maxInlineBytes = 128 * 1_024;

const imageFacts = {
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  bytes: z.number().int().positive(),
  type: z.string().max(100),
};

/** An image is stored in the input bucket, or it is in the message. */
const jobImage = z.union([
  z.object({ key: z.string().min(1).max(1_024), ...imageFacts }),
  z.object({ inline: z.base64().max(Math.ceil(maxInlineBytes / 3) * 4), ...imageFacts }),
]);

/** One image to classify, as it travels through the request queue. Unknown fields are ignored. */
export const jobRequest = z.object({
  v: z.literal(contractVersion),
  id: z.string().regex(jobIdPattern),
  image: jobImage,
  /** The file name as the client gave it: for display only. */
  name: z.string().max(255),
  replyTo: replySuffix,
  /** How long the answer is of use, from when it was sent; a length, so that no two clocks are compared. */
  budgetMs: z.number().positive().optional(),
  topK: z.number().int().min(1).max(100),
  model: z.string().optional(),
});
export type JobRequest = z.infer<typeof jobRequest>;

/** Why there is no label. `image-*` are the client's; the others are the cluster's. */
export const failureReasons = [
  'image-undecodable',
  'image-unsupported',
  'image-too-large',
  'image-gone',
  'image-corrupt',
] as const;
export type FailureReason = (typeof failureReasons)[number];

/** What is stored once under `results/<id>.json`; equal input and model give equal bytes. */
export const jobResult = z.object({
  v: z.literal(contractVersion),
  id: z.string().regex(jobIdPattern),
  status: z.enum(['ok', 'failed', 'expired']),
  label: z.string().nullable(),
  /** 4 decimals. */
  probability: z.number().nullable(),
  top: z.array(labelled),
  error: z.object({ reason: z.string(), message: z.string() }).optional(),
  model: z.object({ name: z.string(), sha256: z.string() }),
});
export type JobResult = z.infer<typeof jobResult>;

/** What the worker sends to the reply queue: the stored result, and what it cost. */
export const jobReply = z.object({
  v: z.literal(contractVersion),
  result: jobResult,
  /** Milliseconds by step. For people and statistics: a reply is not dropped because of them. */
  timings: z.record(z.string(), z.number()).optional().catch(undefined),
  worker: z.string().optional(),
});
export type JobReply = z.infer<typeof jobReply>;

export type Decoded<T> =
  | { readonly kind: 'ok'; readonly value: T }
  /** Written by newer code: to be handed back, not judged. */
  | { readonly kind: 'newer'; readonly version: number }
  | { readonly kind: 'malformed'; readonly reason: string };

const decode = <T>(schema: z.ZodType<T>, body: string): Decoded<T> => {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    return { kind: 'malformed', reason: 'not JSON' };
  }
  const version = z.object({ v: z.number().int() }).safeParse(value);
  if (version.success && version.data.v > contractVersion) return { kind: 'newer', version: version.data.v };
  const parsed = schema.safeParse(value);
  if (parsed.success) return { kind: 'ok', value: parsed.data };
  const [issue] = parsed.error.issues;
  return {
    kind: 'malformed',
    reason: `${issue?.path.join('.') || 'message'}: ${issue?.message ?? 'not valid'}`,
  };
};

export const decodeRequest = (body: string): Decoded<JobRequest> => decode(jobRequest, body);
export const decodeReply = (body: string): Decoded<JobReply> => decode(jobReply, body);
export const decodeResult = (body: string): Decoded<JobResult> => decode(jobResult, body);

export const encode = (value: JobRequest | JobReply | JobResult): string => JSON.stringify(value);

/** Probabilities are stored with 4 decimals, so that equal input gives equal bytes. */
export const roundProbability = (probability: number): number => Math.round(probability * 1e4) / 1e4;

/** Where a request's image and its result are stored. */
export const imageKey = (id: string): string => `images/${id}`;
export const resultKey = (id: string): string => `results/${id}.json`;
