import { Refusal } from '../answer.ts';
import { type Input, objects, optionalText } from '../input.ts';
import { missingParameter } from './errors.ts';

const idForm = /^[A-Za-z0-9_-]{1,80}$/;

/** The entries of a batch request, with their ids checked: 1 to 10, distinct, well formed. */
export const readEntries = (input: Input): readonly { readonly id: string; readonly entry: Input }[] => {
  const entries = objects(input, 'Entries');
  if (entries.length === 0)
    throw new Refusal('EmptyBatchRequest', 'There should be at least one entry in the request.');
  if (entries.length > 10)
    throw new Refusal(
      'TooManyEntriesInBatchRequest',
      `Maximum number of entries per request are 10. You have sent ${entries.length}.`,
    );
  const seen = new Set<string>();
  return entries.map((entry) => {
    const id = optionalText(entry, 'Id');
    if (id === undefined) throw missingParameter('Id');
    if (!idForm.test(id))
      throw new Refusal(
        'InvalidBatchEntryId',
        'A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.',
      );
    if (seen.has(id)) throw new Refusal('BatchEntryIdsNotDistinct', `Id ${id} repeated.`);
    seen.add(id);
    return { id, entry };
  });
};

export interface BatchAnswer {
  readonly Successful: readonly object[];
  readonly Failed: readonly object[];
}

/** Runs `one` for each entry; its refusals become entries of `Failed`, anything else fails the whole request. */
export const eachEntry = (
  entries: ReturnType<typeof readEntries>,
  one: (entry: Input, id: string) => object,
): BatchAnswer => {
  const successful: object[] = [];
  const failed: object[] = [];
  for (const { id, entry } of entries) {
    try {
      successful.push({ Id: id, ...one(entry, id) });
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      failed.push({ Id: id, SenderFault: true, Code: error.code, Message: error.message });
    }
  }
  return { Successful: successful, Failed: failed };
};
