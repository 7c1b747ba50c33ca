import path from 'node:path';
import type { Inspection } from '../image/inspect.ts';
import type { JobResult } from '../jobs/contract.ts';

/** The forms of a text answer: the course's load generators expect one of the first three. */
export type ReplyForm = 'label' | 'stem:label' | 'tuple' | 'json';

/** What the client gets: a status, and either the answer or a problem. */
export type Answer =
  | { readonly status: 200; readonly id: string; readonly result: JobResult; readonly name: string }
  | {
      readonly status: 400 | 401 | 413 | 415 | 422 | 500 | 503 | 504;
      readonly id: string;
      readonly title: string;
      readonly detail: string;
      readonly retryAfterSeconds?: number;
    };

export const problem = (
  id: string,
  status: Exclude<Answer['status'], 200>,
  title: string,
  detail: string,
  retryAfterSeconds?: number,
): Answer => ({
  status,
  id,
  title,
  detail,
  ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
});

/** An image that is refused for what its header says. */
export const refusal = (id: string, inspection: Extract<Inspection, { ok: false }>): Answer => {
  switch (inspection.reason) {
    case 'unsupported-type':
      return problem(id, 415, 'Unsupported image', inspection.message);
    case 'too-many-bytes':
    case 'too-many-pixels':
      return problem(id, 413, 'Image too large', inspection.message);
    default:
      return problem(id, 422, 'Undecodable image', inspection.message);
  }
};

/** Between 1 and 3 s, so that refused clients do not all come back at once. */
const retryAfterSeconds = () => 1 + Math.floor(Math.random() * 3);

/** An image that the cloud did not take. */
export const notAccepted = (id: string): Answer =>
  problem(id, 503, 'Unavailable', 'the image could not be stored and queued; try again', retryAfterSeconds());

/** The status of a finished job: an image that cannot be read is the client's to mend, the rest is ours. */
export const answerOf = (result: JobResult, name: string): Answer => {
  if (result.status === 'ok') return { status: 200, id: result.id, result, name };
  if (result.status === 'expired')
    return problem(result.id, 504, 'Expired', 'the answer was not ready within the time asked for');
  const { reason = 'failed', message = 'the image could not be classified' } = result.error ?? {};
  if (reason === 'image-unsupported') return problem(result.id, 415, 'Unsupported image', message);
  if (reason === 'image-too-large') return problem(result.id, 413, 'Image too large', message);
  if (reason === 'image-undecodable') return problem(result.id, 422, 'Undecodable image', message);
  return problem(result.id, 500, 'Not classified', message);
};

const text = (form: Exclude<ReplyForm, 'json'>, name: string, label: string): string => {
  const { name: stem } = path.parse(name);
  switch (form) {
    case 'label':
      return label;
    case 'stem:label':
      return `${stem}:${label}`;
    case 'tuple':
      return `(${stem}, ${label})`;
  }
};

export interface Rendered {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/**
 * The bytes of an answer.
 * @param wantsJson the client's Accept header names application/json; otherwise `form` decides
 */
export const renderAnswer = (answer: Answer, form: ReplyForm, wantsJson: boolean): Rendered => {
  const textForm = wantsJson || form === 'json' ? undefined : form;
  const json = textForm === undefined;
  if (answer.status === 200) {
    const { result, name } = answer;
    return {
      status: 200,
      headers: { 'content-type': json ? 'application/json; charset=utf-8' : 'text/plain; charset=utf-8' },
      body:
        json || form === 'json' ? JSON.stringify({ ...result, name }) : text(form, name, result.label ?? ''),
    };
  }
  const { status, title, detail, id, retryAfterSeconds } = answer;
  return {
    status,
    headers: {
      'content-type': json ? 'application/problem+json; charset=utf-8' : 'text/plain; charset=utf-8',
      ...(retryAfterSeconds === undefined ? {} : { 'retry-after': String(retryAfterSeconds) }),
    },
    body: json
      ? JSON.stringify({ title, status, detail, instance: `/v1/results/${id}` })
      : `${title}: ${detail}`,
  };
};
