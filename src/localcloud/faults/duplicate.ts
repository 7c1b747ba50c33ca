import { type Answer, wholeBody } from '../answer.ts';

/** A DeleteMessage or DeleteMessageBatch, taken apart into what is only said to be done and what is done. */
export type SplitDeletion =
  | { readonly kind: 'none' }
  | { readonly kind: 'all'; readonly asIfDone: () => Answer }
  | {
      readonly kind: 'some';
      /** The whole batch as if it had been done. */
      readonly asIfDone: () => Answer;
      /** A request for those that are done. */
      readonly rest: string;
      /** Adds the others to its answer. */
      readonly merge: (answer: Answer) => Answer;
    };

interface Entry {
  readonly Id?: unknown;
  readonly ReceiptHandle?: unknown;
}

const json = (value: object): Answer => ({
  status: 200,
  headers: { 'content-type': 'application/x-amz-json-1.0' },
  body: JSON.stringify(value),
});

const parse = (text: string): Readonly<Record<string, unknown>> => {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
  } catch {
    return {};
  }
};

/** @param isKept whether the message of this receipt handle is to come again */
export const splitDeletion = (
  operation: string,
  body: string,
  isKept: (receiptHandle: string) => boolean,
): SplitDeletion => {
  const input = parse(body);
  if (operation === 'sqs:DeleteMessage') {
    const handle = input['ReceiptHandle'];
    return typeof handle === 'string' && isKept(handle)
      ? { kind: 'all', asIfDone: () => json({}) }
      : { kind: 'none' };
  }
  const entries: readonly Entry[] = Array.isArray(input['Entries']) ? input['Entries'] : [];
  const kept = entries.filter(
    ({ ReceiptHandle }) => typeof ReceiptHandle === 'string' && isKept(ReceiptHandle),
  );
  if (kept.length === 0) return { kind: 'none' };
  const successes = (of: readonly Entry[]) => of.map(({ Id }) => ({ Id }));
  const asIfDone = (): Answer => json({ Successful: successes(entries), Failed: [] });
  if (kept.length === entries.length) return { kind: 'all', asIfDone };
  return {
    kind: 'some',
    asIfDone,
    rest: JSON.stringify({ ...input, Entries: entries.filter((entry) => !kept.includes(entry)) }),
    merge: (answer) => {
      if (answer.status !== 200) return answer;
      const { Successful, Failed } = parse(wholeBody(answer.body).toString());
      const done: readonly unknown[] = Array.isArray(Successful) ? Successful : [];
      return json({ Successful: [...done, ...successes(kept)], Failed: Failed ?? [] });
    },
  };
};
