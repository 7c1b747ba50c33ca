import path from 'node:path';
import Table from 'cli-table3';
import { judge, rightLabels, type Truth } from '../image/truth.ts';
import type { LabelProbability } from './classification.ts';
import type { FileResult } from './files.ts';

/** An image whose label is not one of the right ones, or that could not be classified. */
export interface WrongResult {
  readonly image: string;
  /** Null when there is none. */
  readonly label: string | null;
  /** The right labels, as they are compared: lower case. */
  readonly expected: readonly string[];
}

/** `imgrec classify --json`. */
export interface ClassifyReport {
  readonly schema: 'imgrec.classify/1';
  /** With --truth: right labels by images that the truth knows. An image that could not be classified is not right. */
  readonly accuracy?: number;
  /** With --truth. */
  readonly wrong?: readonly WrongResult[];
  readonly results: readonly (
    | {
        readonly image: string;
        readonly label: string;
        readonly probability: number;
        readonly top: readonly LabelProbability[];
        /** Time in the classifier: decoding, resizing and inference. */
        readonly ms: number;
      }
    | { readonly image: string; readonly error: string }
  )[];
}

const judged = (
  results: readonly FileResult[],
  truth: Truth | undefined,
): Pick<ClassifyReport, 'accuracy' | 'wrong'> => {
  if (truth === undefined) return {};
  const known = results.flatMap((result) => {
    const { image } = result;
    const expected = rightLabels(truth, path.basename(image));
    const label = 'error' in result ? null : result.classification.label;
    return expected === undefined ? [] : [{ image, label, expected: [...expected] }];
  });
  const wrong = known.filter(
    ({ image, label }) => label === null || judge(truth, path.basename(image), label) !== 'correct',
  );
  return { accuracy: (known.length - wrong.length) / known.length, wrong };
};

/**
 * What `imgrec classify` prints.
 * @param truth knows at least one of the images
 */
export const classifyReport = (results: readonly FileResult[], truth?: Truth): ClassifyReport => ({
  schema: 'imgrec.classify/1',
  ...judged(results, truth),
  results: results.map((result) => {
    if ('error' in result) return result;
    const { label, probability, top, timings } = result.classification;
    const ms = Math.round((timings.decodeMs + timings.resizeMs + timings.inferMs) * 10) / 10;
    return { image: result.image, label, probability, top, ms };
  }),
});

const renderJudgement = ({ accuracy, wrong = [] }: ClassifyReport): readonly string[] => {
  if (accuracy === undefined) return [];
  const table = new Table({ head: ['wrong', 'label', 'expected'], style: { head: [], border: [] } });
  for (const { image, label, expected } of wrong)
    table.push([image, label ?? '(not classified)', expected.join('\n')]);
  const share = `accuracy ${accuracy.toFixed(4)}, ${wrong.length} wrong`;
  return wrong.length === 0 ? [share] : [table.toString(), share];
};

/** As a table, one line an image, without `top` beyond the first label unless more are asked for; then the wrong ones. */
export const renderClassifyReport = (report: ClassifyReport, shownLabels: number): string => {
  const { results } = report;
  const table = new Table({ head: ['image', 'label', 'probability'], style: { head: [], border: [] } });
  for (const result of results) {
    if ('error' in result) {
      table.push([result.image, `error: ${result.error}`, '']);
    } else {
      const shown = result.top.slice(0, shownLabels);
      table.push([
        result.image,
        shown.map(({ label }) => label).join('\n'),
        shown.map(({ probability }) => probability.toFixed(4)).join('\n'),
      ]);
    }
  }
  const failed = results.filter((result) => 'error' in result).length;
  return [
    table.toString(),
    ...(failed === 0 ? [] : [`${failed} of ${results.length} failed`]),
    ...renderJudgement(report),
  ].join('\n');
};
