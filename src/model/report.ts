import Table from 'cli-table3';
import type { LabelProbability } from './classification.ts';
import type { FileResult } from './files.ts';

/** `imgrec classify --json`. */
export interface ClassifyReport {
  readonly schema: 'imgrec.classify/1';
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

export const classifyReport = (results: readonly FileResult[]): ClassifyReport => ({
  schema: 'imgrec.classify/1',
  results: results.map((result) => {
    if ('error' in result) return result;
    const { label, probability, top, timings } = result.classification;
    const ms = Math.round((timings.decodeMs + timings.resizeMs + timings.inferMs) * 10) / 10;
    return { image: result.image, label, probability, top, ms };
  }),
});

/** As a table, one line an image; without `top` beyond the first label unless more are asked for. */
export const renderClassifyReport = ({ results }: ClassifyReport, shownLabels: number): string => {
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
  return failed === 0 ? table.toString() : `${table.toString()}\n${failed} of ${results.length} failed`;
};
