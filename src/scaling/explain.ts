import { isDeepStrictEqual } from 'node:util';
import type { S3 } from '../aws/s3.ts';
import { type JournalEntry, journalKeys, readObject } from './journal.ts';
import { decide } from './policy.ts';
import { type PolicyState, readState } from './state.ts';
import { sentence } from './why.ts';

/** One decision in words, and whether it would be made again. */
export interface Explanation {
  readonly at: string;
  readonly sentence: string;
  readonly desired: number;
  readonly overruled?: JournalEntry['overruled'];
  readonly acts: readonly string[];
  /** Made again from what was seen and remembered: `same`, or what comes out now. */
  readonly replay: 'same' | { readonly sentence: string; readonly desired: number };
}

/** Makes the decisions of one object of the journal again, and says each in a sentence. Pure. */
export const explainObject = (entries: readonly JournalEntry[]): Explanation[] => {
  let state: PolicyState | undefined;
  return entries.map((entry) => {
    if (entry.before !== undefined) state = readState(entry.before);
    const again = decide(state, entry.observation, entry.config);
    state = again.state;
    const { desired, terminate, why } = again;
    const isSame =
      desired === entry.decided &&
      isDeepStrictEqual(terminate, entry.terminate) &&
      isDeepStrictEqual(why, entry.why);
    return {
      at: entry.at,
      sentence: sentence(entry.why),
      desired: entry.desired,
      ...(entry.overruled === undefined ? {} : { overruled: entry.overruled }),
      acts: entry.acts,
      replay: isSame ? 'same' : { sentence: sentence(why), desired },
    };
  });
};

type Reader = Pick<S3, 'list' | 'get'>;

/** The last decisions, oldest first. Reads no more of the journal than it needs. Throws CloudError. */
export const explainLast = async (s3: Reader, bucket: string, count: number): Promise<Explanation[]> => {
  const keys = await journalKeys(s3, bucket);
  let found: Explanation[] = [];
  for (let key = keys.pop(); key !== undefined && found.length < count; key = keys.pop())
    found = [...explainObject(await readObject(s3, bucket, key)), ...found];
  return found.slice(-count);
};

/** The decision that held at a moment: the last one up to then. Throws CloudError. */
export const explainAt = async (
  s3: Reader,
  bucket: string,
  atMs: number,
): Promise<Explanation | undefined> => {
  const keys = (await journalKeys(s3, bucket)).reverse();
  for (const key of keys) {
    const entries = explainObject(await readObject(s3, bucket, key));
    const held = entries.findLast(({ at }) => Date.parse(at) <= atMs);
    if (held !== undefined) return held;
  }
  return undefined;
};

const overruledBy: Readonly<Record<NonNullable<Explanation['overruled']>, string>> = {
  paused: 'paused by an operator or an update, so nothing is done',
  set: 'an operator has set the number',
  hours: "the day's hours are spent",
};

/** The sentence for a decision, and who overruled it. */
export const reasonOf = (
  said: string,
  desired: number,
  overruled: Explanation['overruled'] | undefined,
): string => (overruled === undefined ? said : `${said} [${desired}: ${overruledBy[overruled]}]`);

export const renderExplanation = (explanation: Explanation): string => {
  const { at, overruled, desired, acts, replay } = explanation;
  const lines = [
    `${at.slice(0, 19).replace('T', ' ')}  ${reasonOf(explanation.sentence, desired, overruled)}`,
    ...acts.map((act) => `    ${act}`),
  ];
  if (replay !== 'same') lines.push(`    made again, this differs: ${replay.sentence}`);
  return lines.join('\n');
};
